"""Verdicts on published NL-to-SQL systems: four pairs, ten shuffles each, by correctness alone and by all four dimensions.

python -m benchmarks.real_data [--json] [--seeds 10] [--write docs/real-data.md]

Needs DUALGATE_DATA, the folder that holds `spider/` and `arrivals/`. With --write the tables of the page are replaced.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import orjson

from dualgate.lab.backtest import backtest
from dualgate.producers.compose import read_rates
from dualgate.producers.imports import import_predictions
from dualgate.schemas.dimensions import DIMENSIONS
from dualgate.schemas.errors import ConfigError
from dualgate.schemas.migration import load_migration

PAIRS = (
    ("gpt4_fewshot", "dinsql_gpt4", "better, +5.8 points"),
    ("codes_1b", "codes_3b", "better, +4.6 points"),
    ("dailsql_gpt4", "dailsql_gpt4_sc", "equal"),
    ("dtssql_deepseek", "dtssql_mistral", "worse, -6.8 points"),
)
BEGIN, END = "<!-- made by benchmarks.real_data -->", "<!-- end -->"


@dataclass(frozen=True, slots=True)
class Run:
    """One backtest of one shuffle."""

    incumbent: str
    challenger: str
    seed: int
    all_dimensions: bool
    verdict: str
    phase: str
    pairs: int
    n_pairs: int
    statuses: dict[str, str]
    estimate: float | None


def data() -> Path:
    """Return the folder of the data set; ConfigError where DUALGATE_DATA does not name it."""
    folder = Path(os.environ.get("DUALGATE_DATA", "")) / "spider"
    if not (folder / "spider_dev_paired.jsonl").is_file():
        raise ConfigError(f"DUALGATE_DATA={os.environ.get('DUALGATE_DATA')!r}: there is no spider/spider_dev_paired.jsonl in it")
    return folder


def runs(seeds: Sequence[int]) -> Iterator[Run]:
    """Import each pair with each seed and backtest it both ways."""
    for incumbent, challenger, _ in PAIRS:
        for seed in seeds:
            for all_dimensions in (False, True):
                with tempfile.TemporaryDirectory() as folder:
                    yield run(incumbent, challenger, seed, all_dimensions, Path(folder))


def run(incumbent: str, challenger: str, seed: int, all_dimensions: bool, folder: Path) -> Run:
    """Import one shuffle of one pair into a folder and backtest it."""
    source = data()
    import_predictions(
        source / "spider_dev_paired.jsonl", source / "databases", incumbent, challenger, folder,
        seed=seed, profile=read_rates(source.parent / "arrivals" / "servegen_10min.csv"), all_dimensions=all_dimensions,
    )  # fmt: skip
    told = backtest(load_migration(folder / "migration.yaml"), folder / "log.jsonl.zst").document()
    statuses = {name: each["status"] for name, each in told["dimensions"].items()}
    estimate = told["dimensions"]["correctness"]["estimate"]
    places = (told["verdict"], told["phase"], told["pairs"], told["n_pairs"])
    return Run(incumbent, challenger, seed, all_dimensions, *places, statuses, estimate)


def tables(done: Sequence[Run]) -> str:
    """Return the tables of the page."""
    return "\n\n".join([BEGIN, "### Correctness alone", _table(done, False), "### All four dimensions", _table(done, True), END])


def _table(done: Sequence[Run], all_dimensions: bool) -> str:
    names = DIMENSIONS if all_dimensions else ("correctness",)
    head = ["incumbent → challenger", "truth", "verdicts", "pairs until decided (median)", *names]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for incumbent, challenger, truth in PAIRS:
        rows = [r for r in done if (r.incumbent, r.challenger, r.all_dimensions) == (incumbent, challenger, all_dimensions)]
        if rows:
            cells = [f"{incumbent} → {challenger}", truth, _counted(r.verdict for r in rows), _median(rows)]
            cells += [_counted(r.statuses[name] for r in rows) for name in names]
            lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _counted(words: Iterator[str]) -> str:
    return ", ".join(f"{n} {word.replace('_', ' ')}" for word, n in Counter(words).most_common())


def _median(rows: Sequence[Run]) -> str:
    ordered = sorted(r.pairs for r in rows if r.verdict not in ("undecided", "inconclusive"))
    return f"{ordered[len(ordered) // 2]} of {rows[0].n_pairs}" if ordered else f"- of {rows[0].n_pairs}"


def write(path: Path, made: str) -> None:
    """Replace the tables of the page."""
    text = path.read_text(encoding="utf-8")
    path.write_text(re.sub(f"{BEGIN}.*{END}", lambda _: made, text, flags=re.S), encoding="utf-8")


def main() -> None:
    """Print the tables, or with --json one document of every run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--seeds", type=int, default=10, help="shuffles of each pair")
    parser.add_argument("--write", type=Path, help="the page whose tables are replaced")
    given = parser.parse_args()
    try:
        data()
    except ConfigError as error:
        print(f"skipped: {error}", file=sys.stderr)
        return
    done = []
    for each in runs(range(1, given.seeds + 1)):
        done.append(each)
        print(f"{each.incumbent} → {each.challenger} seed {each.seed}: {each.verdict} {each.statuses}", file=sys.stderr)
    if given.write:
        write(given.write, tables(done))
    print(orjson.dumps([asdict(each) for each in done], option=orjson.OPT_INDENT_2).decode() if given.json else tables(done))


if __name__ == "__main__":
    main()
