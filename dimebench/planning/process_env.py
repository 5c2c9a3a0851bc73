"""Environment variables of a process that trains."""

WORKER_ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",  # else every worker would use all cores
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    # An update allocates and frees megabytes of activations. glibc would return them to the system each time, which
    # zeroes every page when it is allocated again: 5 to 15% of an update on a CPU (docs/benchmarks.md).
    "MALLOC_MMAP_THRESHOLD_": str(1 << 32),
    "MALLOC_TRIM_THRESHOLD_": str(1 << 34),
    "MALLOC_TOP_PAD_": str(1 << 26),
    "PYTHONUNBUFFERED": "1",
    "CUBLAS_WORKSPACE_CONFIG": ":4096:8",  # makes cuBLAS deterministic with several streams
}
