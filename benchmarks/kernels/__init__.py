"""Counts the kernels that a vector step launches, without a GPU: `python -m benchmarks.kernels`."""
