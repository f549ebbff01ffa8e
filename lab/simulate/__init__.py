"""Operating characteristics of a migration by Monte-Carlo: laws of pairs, the shadow phase's decision, many runs, a summary."""
