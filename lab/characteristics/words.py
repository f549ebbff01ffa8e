"""What stands before and after the tables of docs/statistics-results.md."""

HEADER = """# Statistics: expected and obtained

Written by `make statistics`. *Expected* is what the design study measured before the project began (numpy, 300 to
20,000 repetitions); *obtained* is this project's own code on its own seeds, with the gate's integers. They agree
where an exact interval of level {level:g} around the obtained number, widened by the error of the expected one, holds
it. `tests/statistical` holds the same rows with fewer runs in every build."""

FOOTER = """
## Where they differ, and why

- *ASN under H0* of superiority on correctness is measured with equal arms at 84.2 %, not under the least favourable
  law: its discordance is larger (.133 against .118 at phi .5), so it takes 9-12 % longer. Under the least favourable
  law we obtain 194, 350, 253, 131 and 594 pairs instead of the stated 215, 396, 286, 141 and 660; with equal arms the
  stated numbers.
- *ASN under H0* of the semantic level is 4-5 % below the stated one: ours is under the tilted law of the null, the study's
  probably under its own model of scores at .86.
- *n_fixed* of `sprt_plan`: the study states 367 and 1,223 for correctness at phi .5 (+.054, +.03); the normal formula
  gives 343 and 1,174, McNemar's exact test 360 and (not rare) 1,174. The other rows of its table are reproduced (719,
  1,693, 552, 386, 3,184 exactly or within five; .01 vs .0075 and .004 vs .003 are 12,033 and 30,245 by the normal
  formula, .8 % and .3 % below).
- *max_pairs* of the default file: the study's mixture needs 2,760, 1,353, 1,582, 3,121 and 1,779 pairs (400 runs);
  ours, from 2,000 runs and the planned laws of `gate/stats/specs.py`, 2,512, 1,288, 1,444, 2,856 and 1,780, so 4,284
  instead of 4,681.
- *Sessions*: "rho .5" is read as: a query repeats its session's outcome with probability .5. A session of ten with
  rounding down to hundredths is a little more conservative than stated (see the row).
- *A CUSUM threshold* of 17 for correctness at ARL0 20,000: the least lattice threshold that reaches it is 16.5; the
  delay is the stated one.
- *Unweighted stratified sampling*: its error grows with the horizon, which the study does not state; we look at 4,000
  sampled pairs.

Not in this table because their tests in `tests/statistical` already hold them to the stated numbers: the swap KDE and
its rivals (section 4), drift and monitors (section 7), the controller (section 9), the rater (section 10), and the
cross-check with the package `ville`."""
