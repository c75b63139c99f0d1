"""Throughput and cost, measured and printed; these are no timed tests."""
