"""The names of the files that a workload or an import leaves in its folder; every verb that reads them expects these."""

LOG = "log.jsonl.zst"
GOLDEN = "golden.jsonl"
MIGRATION_FILE = "migration.yaml"
GRANTS = "grants.yaml"
DATABASES = "databases"
