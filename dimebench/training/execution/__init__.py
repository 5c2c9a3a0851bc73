"""How a learner's functions are run: eagerly, compiled, or as recorded graphs."""
