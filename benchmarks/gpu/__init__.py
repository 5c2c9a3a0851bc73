"""Everything that needs a GPU, in one command that fits the time it is given: `python -m benchmarks.gpu`, `make gpu`.

`__main__` reads the command line, `campaign` runs the parts one after another, `lane` watches one process of a part,
`session` is what such a process sees, `record` what stands in the file of results, `parts/` what is done.
"""
