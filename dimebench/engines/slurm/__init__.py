"""Slurm: blocks as array jobs of a cluster."""
