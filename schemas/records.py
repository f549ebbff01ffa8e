"""The records of every topic as frozen values; field for field those of ``avsc/``, which says what they mean."""

from dataclasses import dataclass, field
from typing import Literal

Arm = Literal["incumbent", "challenger"]
Lane = Literal["live", "shadow"]
Status = Literal["ok", "error", "timeout", "refused", "shed"]
SideEffects = Literal["none", "writes"]
UnpairedReason = Literal["no_answer", "no_challenger", "no_incumbent", "late"]
ScoreState = Literal["scored", "missing", "not_eligible"]
CommandKind = Literal["start", "pause", "resume", "approve", "abort", "rollback", "retry"]
DimensionStatus = Literal["collecting", "accepted", "rejected", "worse", "missing", "off"]
DecisionKind = Literal["transition", "command", "hold", "renewal"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """A user's question, mirrored for one migration."""

    query_id: str
    migration_id: str
    session_id: str | None = None
    session_turn: int | None = None
    tenant: str | None = None
    asked_at_ms: int
    text: str
    context: dict[str, str] = field(default_factory=dict)
    stratum: str = "all"
    served_by: Arm = "incumbent"
    routing_sequence: int | None = None
    sampling_probability: float = 1.0
    rerun: bool = False
    side_effects: SideEffects = "none"
    golden_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of an agent's execution trace."""

    name: str
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """An agent's answer to a query."""

    query_id: str
    migration_id: str
    arm: Arm
    agent_version: str
    lane: Lane = "shadow"
    status: Status = "ok"
    output: str = ""
    result: str | None = None
    result_digest: str | None = None
    trace: list[Step] = field(default_factory=list)
    queue_ms: float = 0.0
    service_ms: float
    started_at_ms: int
    cost: float | None = None
    usage: dict[str, int] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A query with the answers of both agents; its Avro body is the concatenation of theirs."""

    query: Query
    incumbent: Response
    challenger: Response
    rerun: Response | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Unpaired:
    """A query that did not become a pair, or an answer without a query (late)."""

    migration_id: str
    query_id: str
    reason: UnpairedReason
    silent_arm: Arm | None = None
    query: Query | None = None
    incumbent: Response | None = None
    challenger: Response | None = None
    rerun: Response | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmColumns:
    """What a block says of one arm, a row a pair."""

    version: list[str]
    lane: list[Lane]
    status: list[Status]
    service_ms: list[float]
    queue_ms: list[float]


@dataclass(frozen=True, slots=True, kw_only=True)
class DimensionColumns:
    """What a block says of one dimension, a row a pair.

    Missing with the incumbent's value present means that the challenger alone has none.

    Source rater: the values are an automated rater's, whose version is beside them, so they count only as a prediction that
    people's labels correct. `label_probability` is with what probability the pair was drawn for labels, to the thousandth,
    and `label_drawn` whether it was; both are filled where the rater said nothing too (missing on both arms: a prediction of
    0), since a pair that was drawn is waited for. A `Label` with the block's query hash and an arm brings each verdict.
    """

    incumbent: list[float | None]
    challenger: list[float | None]
    state: list[ScoreState]
    reason: list[str | None]
    source: list[str | None]
    rater_version: list[str | None]
    label_probability: list[float | None]
    label_drawn: list[bool | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityBlock:
    """Scored pairs of one migration and source partition, in columns of equal length."""

    migration_id: str
    epoch: int
    config_hash: str
    lineage: str
    partition: int
    from_offset: int
    to_offset: int
    scorer_versions: dict[str, str]
    offset: list[int]
    query_hash: list[str]
    session_hash: list[str | None]
    session_turn: list[int | None]
    stratum: list[str]
    sampling_probability: list[float]
    asked_at_ms: list[int]
    routing_sequence: list[int | None]
    served_by: list[Arm]
    incumbent: ArmColumns
    challenger: ArmColumns
    dimensions: dict[str, DimensionColumns]


@dataclass(frozen=True, slots=True, kw_only=True)
class CoverageBlock:
    """What did not become a pair, in columns of equal length."""

    migration_id: str
    epoch: int
    config_hash: str
    lineage: str
    partition: int
    from_offset: int
    to_offset: int
    offset: list[int]
    query_hash: list[str]
    session_hash: list[str | None]
    session_turn: list[int | None]
    stratum: list[str]
    sampling_probability: list[float]
    asked_at_ms: list[int]
    routing_sequence: list[int | None]
    served_by: list[Arm]
    reason: list[str]
    silent_arm: list[Arm | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """A person's verdict on one arm's answer, in one epoch of a migration; None from writers that knew none: the first."""

    migration_id: str
    query_hash: str
    arm: Arm
    verdict: float
    who: str
    epoch: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """An operator's command."""

    command_id: str
    migration_id: str
    kind: CommandKind
    actor: str
    reason: str = ""
    config: str | None = None
    config_hash: str | None = None
    issued_at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """The passing of time; its append time is what counts."""

    migration_id: str
    issued_at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A gate process announces itself; the highest claim owns the ledger."""

    claim_id: str
    issued_at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AckCount:
    """Queries that a router routed since its last acknowledgement."""

    stratum: str
    arm: Arm
    sampled: bool
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutingAck:
    """A router says which command it obeys and what it routed."""

    migration_id: str
    router_id: str
    epoch: int
    sequence: int
    counts: list[AckCount] = field(default_factory=list)
    sent_at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerEntry:
    """One entry of the ledger: exactly one of its fields is given."""

    command: Command | None = None
    quality: QualityBlock | None = None
    coverage: CoverageBlock | None = None
    label: Label | None = None
    tick: Tick | None = None
    ack: RoutingAck | None = None
    claim: Claim | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """An accepted configuration with its epoch and hashes."""

    migration_id: str
    epoch: int
    config_hash: str
    config: str
    incumbent_version: str
    challenger_version: str
    active: bool = True
    accepted_at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutingCommand:
    """What routers do from now on."""

    migration_id: str
    epoch: int
    sequence: int
    phase: str
    incumbent_version: str
    challenger_version: str
    salt: str
    live_share: float
    shadow_share: dict[str, float]
    lease_ms: int | None = None
    issued_at_ms: int
    reason: str
    config_hash: str
    ledger_partition: int
    ledger_offset: int
    ledger_row: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DimensionEvidence:
    """The evidence of one dimension at one moment."""

    status: DimensionStatus
    n: int
    n_missing: int
    n_not_eligible: int
    estimate: float | None = None
    interval_low: float | None = None
    interval_high: float | None = None
    log_e: float
    threshold: float
    p_value: float
    log_e_futility: float
    futility_threshold: float
    log_e_worse: float
    worse_threshold: float
    pairs_to_decision: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RouterBehind:
    """A router that does not follow: the command that it obeys, when it was heard, and whom it routed to the challenger since."""

    router_id: str
    epoch: int
    sequence: int
    heard_ms: int
    challenger: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Routers:
    """How far the routers follow; `behind` names the first of those that do not, `silent` ones are beyond their lease."""

    following: int
    silent: int
    n_behind: int
    behind: list[RouterBehind]
    rolling_back: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetEvidence:
    """One dimension's error budget in a live phase, in bad answers more than the incumbent's."""

    allowed: float
    used: float
    left: float
    n: int
    planned: int
    burn_long: float | None = None
    burn_short: float | None = None
    exhausted: bool
    burning: bool
    exhausted_in_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitorEvidence:
    """The live monitor of one dimension, or why it has none."""

    unwatched: str | None = None
    n: int
    cusum: float
    cusum_threshold: float
    log_esr: float
    esr_threshold: float


@dataclass(frozen=True, slots=True, kw_only=True)
class StratumEvidence:
    """One stratum's queries in the phase: eligible and scored, by dimension."""

    eligible: dict[str, int]
    scored: dict[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckEvidence:
    """A check that holds a step: its log e-value against being in order, in this phase."""

    log_e: float
    threshold: float
    holds: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceSnapshot:
    """The evidence of a migration, now and then, for plots and status."""

    migration_id: str
    epoch: int
    phase: str
    live_share: float
    n_pairs: int
    evidence_clock_ms: int | None = None
    ledger_clock_ms: int
    ledger_partition: int
    ledger_offset: int
    ledger_row: int | None = None
    waiting_for: str
    dimensions: dict[str, DimensionEvidence]
    counters: dict[str, int]
    routers: Routers | None = None
    budgets: dict[str, BudgetEvidence] | None = None
    monitors: dict[str, MonitorEvidence] | None = None
    strata: dict[str, StratumEvidence] | None = None
    checks: dict[str, CheckEvidence] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionRecord:
    """A decision with everything that is needed to recompute and to explain it."""

    decision_id: str
    migration_id: str
    epoch: int
    sequence: int | None = None
    kind: DecisionKind
    from_phase: str | None = None
    to_phase: str | None = None
    rule: str
    reason: str
    outcome: str | None = None
    actor: str | None = None
    command_id: str | None = None
    n_pairs: int
    evidence_clock_ms: int | None = None
    ledger_clock_ms: int
    ledger_partition: int
    ledger_offset: int
    ledger_row: int | None = None
    config_hash: str
    scorer_versions: dict[str, str]
    dimensions: dict[str, DimensionEvidence]
    counters: dict[str, int]
    routing_command: RoutingCommand | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceRecord:
    """One record of the evidence topic: exactly one of its fields is given."""

    snapshot: EvidenceSnapshot | None = None
    decision: DecisionRecord | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """A record that could not be used, whole, with its origin and the reason."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None = None
    value: bytes | None = None
    truncated: bool = False
    reason: str
    migration_id: str | None = None
    worker: str
