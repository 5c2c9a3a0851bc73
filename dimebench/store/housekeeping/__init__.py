"""Removing runs from a results folder, and moving them to another one."""
