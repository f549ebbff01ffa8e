"""SQL as scorers see it: parsed once per template, its names resolved against the schema, its normal form comparable."""
