"""The test of an IQM difference, the interval that goes with it, and the judging of several tests together."""
