"""Faults on purpose against real workers on a real broker, and an oracle that reads only the input topics."""
