"""What the tests share: builders, strategies, clocks."""
