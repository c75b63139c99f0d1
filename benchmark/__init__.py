"""The experiment: one protocol, one trainer, one store of runs."""
