"""Who carries a plan out: this machine, Slurm or Ray."""
