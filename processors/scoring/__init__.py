"""Scoring: a batch of pairs in, one block of quality values per migration and source partition out."""
