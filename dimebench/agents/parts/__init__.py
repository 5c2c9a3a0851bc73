"""Parts of learners: networks with a seed axis, policies, critics' distributions."""
