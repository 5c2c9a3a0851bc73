"""This machine: a pool of worker processes."""
