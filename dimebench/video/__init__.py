"""Films of trained policies: the process that asks for one, and the process that renders it."""
