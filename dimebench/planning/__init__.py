"""From a request to blocks of seeds: what is asked for, what of it is done, what the rest takes."""
