"""The code that a run's numbers come from, by what it does: its digest, and which functions differ."""
