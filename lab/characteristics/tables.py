"""All sections in the order of the design page, each cut into parts of about the same time."""

from functools import partial

from dualgate.lab.characteristics import (
    baselines,
    charts,
    compounding,
    costs,
    events,
    invalid,
    table_2_2,
    table_2_3,
    table_4,
    table_5,
    table_6,
    table_7,
    table_8,
    table_10,
    whole_gate,
    whole_migration,
)
from dualgate.lab.characteristics.measuring import Part, Section
from dualgate.lab.characteristics.raters import METHODS

SECTIONS: tuple[Section, ...] = (
    Section("1", "One engine (theorems 3 and 5)", (Part(partial(invalid.theorems, seed=21), 4000),)),
    Section("1.3", "The gate as a whole", tuple(Part(partial(whole_gate.table_1_3, seed=11, index=i), 400) for i in range(4))),
    Section(
        "1.4", "One migration from its first pair to its last",
        tuple(Part(partial(whole_migration.cases, seed=31, index=i), case.runs) for i, case in enumerate(whole_migration.CASES)),
    ),
    Section(
        "2.2", "One test, planned right",
        (
            *(Part(partial(table_2_2.table_2_2, seed=12, names=names), 10_000) for names in (*table_2_2.SLOW, table_2_2.QUICK)),
            Part(partial(table_2_2.variants, seed=13), 20_000),
            Part(partial(table_2_2.mixtures, seed=14), 4000),
            Part(partial(table_2_2.truths_beside_the_design, seed=15), 10_000),
            Part(table_2_2.least_without_events, 1),
            Part(partial(table_2_2.studys_489, seed=16), 10_000),
        ),
    ),
    Section("2.3", "One test, planned wrong",
            tuple(Part(partial(table_2_3.table_2_3, seed=17, plan=plan), 4000) for plan in table_2_3.MISPLANS)),
    Section("2.4", "Other methods on the same streams", (Part(partial(table_2_3.table_2_4, seed=18), 4000),)),
    Section(
        "2.5", "The study's events, and bursts",
        (
            *(Part(partial(events.events, seed=19, index=i), 300) for i in range(len(events.EVENTS))),
            *(Part(partial(events.burst_table, seed=20, rate=rate), 2000) for rate in (0.015, 0.010)),
        ),
    ),
    Section("3", "The semantic baseline", (Part(partial(baselines.table_3, seed=22), 2000),)),
    Section(
        "4", "Latency by densities",
        (
            *(Part(partial(table_4.valid, seed=23, index=i), 500) for i in range(len(table_4.VALID))),
            *(Part(partial(table_4.plugged, seed=24, index=i), 1000 if i < 3 else 400) for i in range(len(table_4.PLUGGED))),
            Part(partial(table_4.by_calibration, seed=25), 300),
            Part(partial(table_4.mixed_shape, seed=26), 600),
            Part(partial(table_4.one_sample, seed=30), 1000),
        ),
    ),
    Section(
        "5", "Families of dimensions",
        (
            *(Part(partial(table_5.nulls, seed=27, index=i), 2000) for i in range(4)),
            Part(partial(table_5.good_and_combined, seed=28), 2000),
            Part(partial(table_5.rollback, seed=29), 2000),
        ),
    ),
    Section(
        "6", "CUSUM, e-SR and their rivals",
        (
            Part(charts.thresholds, 1), Part(charts.references, 1), Part(charts.phases, 1),
            Part(partial(charts.estimated_baselines, seed=61), 4000),
            *(Part(partial(charts.rollouts, index=i), 1) for i in range(5)),
            *(Part(partial(table_6.detectors, seed=62, index=i), 2000) for i in range(3)),
        ),
    ),
    Section(
        "7", "Drift",
        (
            *(Part(partial(table_7.stories, seed=72, index=i), 600) for i in range(len(table_7.STORIES))),
            Part(partial(table_7.nominal, seed=73), 2000),
            *(Part(partial(compounding.compounding, seed=74, rho=rho), 300) for rho in (0.0, 0.4)),
        ),
    ),
    Section(
        "8", "Dependence and sampling",
        (
            *(Part(partial(table_8.sessions, seed=81, index=i), 2000) for i in range(4)),
            Part(partial(table_8.switching, seed=82), 2000),
            *(Part(partial(table_8.strata, seed=83, index=i), 2000) for i in range(6)),
        ),
    ),
    Section(
        "9", "Cost",
        (
            Part(partial(costs.detection, seed=91), 4000), Part(partial(costs.closed_forms, seed=92), 2000),
            *(Part(partial(costs.controllers, seed=93, index=i), 1000) for i in range(3)),
        ),
    ),
    Section(
        "10", "Raters",
        (
            *(
                Part(partial(table_10.table_10, seed=101, index=i, method_index=m), 1000)
                for i in range(len(table_10.SETTINGS)) for m in range(len(METHODS))
            ),
            Part(partial(table_10.more_labels, seed=102), 1000),
            Part(partial(table_10.gate, seed=103), 300),
        ),
    ),
)  # fmt: skip
