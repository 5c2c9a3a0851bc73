"""The command line as a shell sees it: help in groups, and completion for bash, zsh and fish."""
