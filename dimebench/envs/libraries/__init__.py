"""One adapter per library of tasks."""
