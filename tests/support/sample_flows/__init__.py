"""Flows that tests deploy by module entrypoint, small enough to see what a worker does to them."""
