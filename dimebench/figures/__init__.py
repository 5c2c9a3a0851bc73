"""Figures of a summary, drawn by matplotlib."""
