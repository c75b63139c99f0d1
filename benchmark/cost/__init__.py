"""The cost of a model in parameters, multiplications and time."""
