"""The learners: one page per algorithm, networks with a seed axis.

Imports torch, and of dimebench `errors` and `plugins` alone.
"""
