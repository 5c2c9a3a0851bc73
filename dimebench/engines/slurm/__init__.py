"""Slurm: a plan's blocks as array jobs."""
