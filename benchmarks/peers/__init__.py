"""The same join by other libraries: scripts that import nothing of ours, each run in an environment of its own."""
