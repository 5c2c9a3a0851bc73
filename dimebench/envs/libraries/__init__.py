"""Libraries of tasks, one adapter each: `base` is the contract, `registry` finds them."""
