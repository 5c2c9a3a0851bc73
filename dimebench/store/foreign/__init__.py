"""Files of other tools as rows: tables and arrays, whoever wrote them. Nothing read here can run code.

tables (what a file holds) -> columns and metrics, or arrays (what it means) -> read (one file) -> runs (which rows
are one run).
"""
