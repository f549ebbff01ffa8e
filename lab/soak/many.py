"""Many lives over several processes."""

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np

from dualgate.lab.pool import workers
from dualgate.lab.soak.life import Life, live
from dualgate.lab.soak.population import POPULATIONS, config, scenario


def some(population: str, seeds: list[np.random.SeedSequence]) -> list[Life]:
    """Return the lives of these seeds."""
    chosen, law = config(population), scenario()
    return [live(chosen, law, np.random.default_rng(seed)) for seed in seeds]


def lives(population: str, runs: int, seed: int, processes: int, kept: Path | None = None) -> list[Life]:
    """Return the lives of a population in the order of their seeds, so that the result does not depend on the processes.

    kept: a file of lives that are not lived again, to which those that are done are added. Ctrl-C ends with what is done.
    """
    seeds = np.random.SeedSequence([seed, list(POPULATIONS).index(population)]).spawn(runs)
    found = list(read(kept, population, seed))[:runs]
    parts = [seeds[i : i + 10] for i in range(len(found), runs, 10)]
    with workers(processes) as pool:
        try:
            for done in pool.map(some, [population] * len(parts), parts):
                found += done
                keep(kept, population, seed, done)
                print(f"\r{population}: {len(found):,} of {runs:,}", end="", file=sys.stderr, flush=True)
        except KeyboardInterrupt:
            pool.shutdown(cancel_futures=True)
    print(file=sys.stderr)
    return found


def read(kept: Path | None, population: str, seed: int) -> Iterator[Life]:
    """Yield the lives that a file keeps of a population and a seed, in order; none without a file."""
    if kept is None or not kept.exists():
        return
    for line in kept.read_text(encoding="utf-8").splitlines():
        told = json.loads(line)
        if (told["population"], told["seed"]) == (population, seed):
            life = told["life"]
            yield Life(life["phase"], life["rule"], tuple(life["entered"]), life["units"], tuple(life["held"]))


def keep(kept: Path | None, population: str, seed: int, done: list[Life]) -> None:
    """Add lives to a file, a line each."""
    if kept is not None:
        with kept.open("a", encoding="utf-8") as file:
            file.writelines(json.dumps({"population": population, "seed": seed, "life": asdict(x)}) + "\n" for x in done)
