"""Comparisons that are looked at while seeds are still trained."""
