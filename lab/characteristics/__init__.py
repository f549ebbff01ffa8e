"""The project's own measurements of its statistics: each stated bound simulated with the gate's own integers, seeded."""
