"""From a request to runs on disk: the plan, the processes that carry it out."""
