"""The evaluation: events injected into real answers, and what this gate and its rivals make of them on the same streams."""
