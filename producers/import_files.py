"""The migration and grants files of an import."""

import json

from dualgate.producers.layout import DATABASES, GOLDEN, GRANTS

GRANTS_YAML = """\
# The questions are an analyst's, who may read everything.
callers:
  analyst: {tables: "*"}
"""

_CORRECTNESS = """\
dimensions:            # correctness alone: latencies are composed, and nothing is known of the rest
  correctness: {measure: difference, null: 0.0, design: 0.05, worse_by: 0.0}
  latency: off
  semantic: off
  safety: off
"""
_ALL = """\
dimensions:            # latency is composed, by one law for both systems: what it says is about that law
  correctness: {measure: difference, null: 0.0, design: 0.05, worse_by: 0.0}
  latency:     {measure: exceedance, sla_ms: 200, null: 0.02, design: 0.0075, worse_by: 0.0075}
  semantic:    {measure: level, null: 0.86, design: 0.88, worse_by: 0.05}
  safety:      {measure: rate, null: 0.010, design: 0.004, worse_by: 0.002,
                classes: {authorization: {null: 0.005, design: 0.0005}}}
"""


def migration_yaml(migration: str, incumbent: str, challenger: str, all_dimensions: bool) -> str:
    """Return the migration file of an import; names are quoted as JSON, which YAML reads."""
    return f"""\
# Published predictions, replayed. Arrival times and latencies are composed.
migration: {migration}
incumbent: {json.dumps(incumbent)}
challenger: {json.dumps(challenger)}
mode: replay

unit: {{by: query}}

{_ALL if all_dimensions else _CORRECTNESS}
scoring:
  dialect: sqlite
  database: sqlite:///{DATABASES}/{{database}}.sqlite   # the one that a question's context names
  golden: {GOLDEN}
  grants: {GRANTS}

phases:                # the log is short: few pairs are set aside, and the live phases are brief
  calibrating: {{pairs: 100}}
  shadow:  {{min_duration: 24h, min_pairs: auto, max_pairs: auto}}
  canary:  {{share: 0.05, observations: 50, min_duration: 12h}}
  rollout: {{steps: [0.25, 0.50], observations: 50, min_duration: 12h}}
  tail:    {{observations: 100, min_duration: 12h}}
"""
