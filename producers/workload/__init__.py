"""A generated advertising-analytics workload: a database, questions, two agents that answer with SQL, and a log of it all."""
