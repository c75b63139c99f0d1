"""Arrays in, numbers out: intervals, tests and measures without a store or a page."""
