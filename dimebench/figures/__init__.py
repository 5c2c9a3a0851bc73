"""Figures of a summary, drawn by matplotlib."""

from dimebench import own_matplotlib

with own_matplotlib.importing():  # before any module here imports it
    pass
