"""From a request to blocks of seeds: what is asked for, what is done already, and what the rest costs."""
