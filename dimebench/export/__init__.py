"""Runs for other tools: experiment trackers, an archive."""
