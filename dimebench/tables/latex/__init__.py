"""Tables as LaTeX that fits a paper's text: what a table holds (`grid`), how it is set (`layout`), its source."""
