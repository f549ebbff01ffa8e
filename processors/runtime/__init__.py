"""What every Kafka shell shares: clients and their errors, the loop around a session, dead letters."""
