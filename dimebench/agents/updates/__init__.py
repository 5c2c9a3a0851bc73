"""How a learner is updated: the schedule, the optimiser and how parameters lie in memory."""
