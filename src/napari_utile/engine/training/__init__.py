"""A training run, from stacks to the best model: the run, its loop, its step."""
