"""Environment variables of a process that trains."""

from __future__ import annotations

ONE_THREAD = {  # ten workers with all cores each would fight over every one of them
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
}

# An update makes and frees megabytes of activations. glibc would hand them back to the system each time and have them
# zeroed page by page when they are asked for again: 5 to 15% of an update on a CPU (docs/benchmarks.md).
KEEP_MEMORY = {
    "MALLOC_MMAP_THRESHOLD_": str(1 << 32),
    "MALLOC_TRIM_THRESHOLD_": str(1 << 34),
    "MALLOC_TOP_PAD_": str(1 << 26),
}

WORKER_ENVIRONMENT = {
    **ONE_THREAD,
    **KEEP_MEMORY,
    "PYTHONUNBUFFERED": "1",
    "CUBLAS_WORKSPACE_CONFIG": ":4096:8",  # with several streams cuBLAS repeats its results only so
}
