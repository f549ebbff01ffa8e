"""What stands around the tables of docs/statistics-results.md."""

HEADER = """# Statistics: expected and obtained

Written by `make statistics`. *Expected* is what the design study measured before the project began (numpy, 300 to
20,000 repetitions) or what a theorem promises (with ≤ or ≥); *obtained* is this project's own code on its own seeds,
evidence in the gate's integers where the gate is measured. *Runs* are ours; "exact" was computed, not simulated.

A number agrees with a measured one where the interval of level {level:g} for their difference (Clopper and Pearson's,
a mean's or a median's, for the n N / (n + N) runs that two samples of n and N are worth) holds it, give or take half of
the last printed digit. A bound is refuted by an exact binomial test of level {level:g}. So of a thousand true
statements one run in ten shows a chance disagreement. Rows without "expected" are shown, not judged: the study does not
state the number, or not what it was measured on.

`tests/statistical` holds most of these rows, with fewer runs, in every build."""

DIFFERENCES = """Why:

- *n_fixed* (2.2). The normal formula needs a variance under the null; ours is that of the least favourable law, and where events
  are few the size is exact (binomial, McNemar). The study's 367, 538 and 1,223 follow from equal arms at 84.2 %, 2,849 and 1,911
  from the design's variance on both sides, 212 from the normal formula where we take McNemar's exact test, 12,128, 30,325, 3,189,
  1,694 and 2,367 from the exact binomial: its power is a sawtooth, and ours is the first n, or (many events) the normal
  formula, less than 1 % below. Sizes and Wald's bounds for scores differ by the law of scores, which the study only describes
  (55 % exactly 1, else a beta); at a margin of .05 that law has fatter tails than the study's, and .91 takes 71 pairs for 67.
- *ASN under H0* of paired safety: ours is the least favourable law's; the study's null is not described.
- *Bursts 200 long* (2.5): with 2,000 runs .71 and .34 for the stated .81 and .46, at the edge of agreement; how long stretches
  were drawn is not described. Bursts of 60 agree.
- *Re-run, rho .5, truth .90* (3): 160 pairs for 144; the law of scores again, and its copula.
- *Upper bound from 300, truth .90* (3): a few calibrations whose bound leaves nearly no room carry the mean; with few runs it is
  mostly too low.
- *Conformal* (4). With 300 calibrating latencies the study has power .63. It fits its score on the same sample that it ranks
  in; that has a type I error of .06 to .08 in our simulation, since fitted points score higher than new ones. We fit on a
  third, rank in the rest, keep the level and accept less power.
- *All good* (5): our families take 5 to 10 % more pairs with every method (and with the better chance to migrate); the
  quotients between methods are the stated ones. The study's fourth law is not described.
- *Costs at share 1* (9): 72.0 is the price of mirroring everything; the study's 72.4 and 76.1 imply that .8 % of
  regressions are missed after 7,200 pairs, where we find none in 2,000.
- *Fixed share at impact 50,000* (9): the whole difference is the price of missed regressions (one missed in 200 costs 25).
  After the 4,977 pairs that the closed form asks for, the fitted tail leaves 2 in 10,000.
- *The running-discordance bet* (2.3): how much the plan weighs against the first pairs is not stated; ours weighs 50 pairs.
- *Decided by 690* (0): 690 is a 90 % quantile of a count that moves in steps; .92 of ours have decided by then.
- *Hoeffding's mixture* (2.4): power .06 for .09; what its mixture was tuned for is not stated. Either way it is useless here.
- *Unweighted strata with futility* (8): the invalid procedure errs with .68 for .74, perhaps by the futility bet, which
  is not stated.
- *Charts from 1,000* (6): .135 of charts lie below the stated 10 % quantile; we do not know why."""

LEFT_OUT = """- 2.2 *ASN / n_fixed* and "3-4 % smaller": quotients of rows that are here.
- 2.4 `ville`, `sequential-analysis`, `confseq`, `savvi`, `expectation`: other packages' code. `ville` is held against ours on
  the same streams in `tests/statistical/test_against_ville.py`; `confseq` does not install on a supported Python,
  `sequential-analysis` and `expectation` may not be depended on (AGPL, GPL), `savvi` draws in a convex solver. The
  formulas that can be restated are (beta-binomial, normal mixtures, Hoeffding); the empirical Bernstein bound is not
  (which of several is not stated).
- 2.5 the events E1 (the study's challenger again) and the quantiles per dimension: contained in 2.2.
- 4 *clip and bootstrap tempering*: how it was tempered is not described.
- 5 *four mild losses*: shown, not judged; how mild is not stated.
- 6 *the budget bound on h*: a rule, in `gate/stats/monitor_plan.py` and its unit tests.
- 7 *compounding*: shown in our own unit, each monitor's design shift; "the minimum detectable shift at 2,000" is not
  defined. *Fixed baseline with a season*: shown; the period is not stated.
- 8 *unit = session live*, *paired draw by hash*: unit tests of `gate/stats/sampling.py`.
- 9 *the controller with N_rem*: the study's costs are without it, and so are ours."""
