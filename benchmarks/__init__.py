"""Measurements of this project, by hand: each file says how it is called."""
