"""Training of one block of seeds: the loop, replay, evaluation, checkpoints, random streams."""
