"""What a model costs in parameters, multiplications and time."""
