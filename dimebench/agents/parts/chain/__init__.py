"""DIME's chain on a GPU: step by step in compiled functions, or as a kernel of its own."""
