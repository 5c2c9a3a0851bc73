"""The report as one HTML page or one PDF."""

from dimebench import own_matplotlib

with own_matplotlib.importing():  # before any module here imports it
    pass
