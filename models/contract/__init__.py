"""The contract of every method, as checks that name what a method does not keep."""
