"""Curves of other tools, from files to external runs: tasks, suites, and what was made of them."""
