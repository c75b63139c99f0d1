"""What every method must keep, as checks that name what it does not."""
