"""The tables of a summary: built once (`content`), written for a terminal, a pipe, a paper, a program."""
