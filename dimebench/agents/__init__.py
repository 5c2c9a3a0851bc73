"""The learners: one page per algorithm, networks with a seed axis. Imports torch and nothing else of dimebench."""
