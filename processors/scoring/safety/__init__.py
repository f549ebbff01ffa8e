"""Safety: does an answer invent names, read what its caller may not, or do what no answer may do."""
