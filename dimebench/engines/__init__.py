"""Who carries a plan out: this machine, Slurm or Ray. `registry` knows them by name, `base` says what each can do."""

FOLDER = ".launch"  # below the results, for job manifests; readers of runs skip it
