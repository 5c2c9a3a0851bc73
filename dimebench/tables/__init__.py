"""Tables of a summary: for a terminal, a paper, a program."""
