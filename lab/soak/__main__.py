"""Run the soak and write its page: `python -m dualgate.lab.soak --runs 2000 --write docs/soak-results.md` (or `make soak`)."""

import argparse
import json
import os
import sys
import time
from collections import Counter
from dataclasses import asdict
from pathlib import Path

from dualgate.lab.soak.many import lives
from dualgate.lab.soak.page import page
from dualgate.lab.soak.population import POPULATIONS


def main() -> int:
    """Run the soak; 1 where a stated bound is significantly exceeded."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=2000, help="lives of each population")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--keep", type=Path, help="a file that keeps what is done: a run that was stopped goes on from there")
    parser.add_argument("--write", type=Path, help="the page to write; printed where it is not given")
    parser.add_argument("--json", action="store_true", help="print one JSON document with the ends of all lives")
    given = parser.parse_args()
    began, found = time.monotonic(), {}
    for population in POPULATIONS:
        found[population] = lives(population, given.runs, given.seed, given.processes, given.keep)
    text, sound = page(found, given.seed, time.monotonic() - began)
    if given.write is not None:
        given.write.write_text(text, encoding="utf-8")
    if given.json:
        ends = {name: Counter(f"{life.phase} by {life.rule}" for life in each) for name, each in found.items()}
        print(json.dumps({"ends": ends, "lives": {name: [asdict(life) for life in each] for name, each in found.items()}}))
    elif given.write is None:
        print(text)
    return 0 if sound else 1


if __name__ == "__main__":
    sys.exit(main())
