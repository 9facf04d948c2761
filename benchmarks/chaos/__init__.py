"""Faults of every kind while deliveries run, and an audit of what became of each: `python -m benchmarks.chaos`."""
