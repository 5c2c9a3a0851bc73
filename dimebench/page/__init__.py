"""The report as one HTML page or one PDF."""
