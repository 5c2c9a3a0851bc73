"""Ray: a plan's blocks as tasks of a cluster."""
