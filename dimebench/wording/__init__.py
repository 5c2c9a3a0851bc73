"""What the analysis found, in words: the same in the terminal, the page and the paper."""
