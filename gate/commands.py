"""Operators' commands: each is idempotent and gives a decision record that says what it changed."""

from collections.abc import Callable
from dataclasses import replace

from dualgate.gate import orders, phases, withdrawal
from dualgate.gate.admission import admit
from dualgate.gate.budget import uncounted_words
from dualgate.gate.decide import At, Cause, Decided, Output, Place, command, enter, record, refused
from dualgate.gate.hypotheses import hypotheses
from dualgate.gate.intake import transition
from dualgate.gate.line import Line
from dualgate.gate.paths import now
from dualgate.gate.rated_rows import is_rated
from dualgate.gate.rules import first, rules
from dualgate.gate.state import REMEMBERED_TOPICS, MigrationState, parsed
from dualgate.gate.stats import initial
from dualgate.gate.waiting import waiting_for
from dualgate.schemas.errors import ConfigError, RecordError
from dualgate.schemas.limits import command_fault, cut, migration_id_fault
from dualgate.schemas.migration import MigrationSpec
from dualgate.schemas.records import Command, Migration, RoutingCommand
from dualgate.schemas.topics import MIGRATIONS


def obey(
    state: MigrationState | None, order: Command, at: At, *, closed: bool = False
) -> tuple[MigrationState | None, list[Output]]:
    """Carry out a command, or say why not; closed: see `admit`. RecordError for one of what no migration can be."""
    if state is None and (fault := migration_id_fault(order.migration_id)):
        raise RecordError(f"command {order.kind}: {fault}")
    if fault := command_fault(order):
        return _refuse(state, cut(order), at, fault)
    if state is None:
        if order.kind == "start":
            return _start(None, order, at, closed)
        return _refuse(None, order, at, f"there is no migration {order.migration_id}; {order.kind} changes nothing")
    if orders.repeated(state, order):
        return state, []
    if fault := orders.fault(state, order):
        return _refuse(state, order, at, fault)
    remembered = orders.remembered(state, order)
    if order.kind == "start":
        return _start(remembered, order, at, closed)
    return _VERBS[order.kind](remembered, order, at)


def _refuse(state: MigrationState | None, order: Command, at: At, words: str) -> tuple[MigrationState | None, list[Output]]:
    if state is None:
        return None, [refused(order.migration_id, order, words, at, {})]
    return _say(state, order, at, "refused", words)


def _say(state: MigrationState, order: Command, at: At, outcome: str, words: str) -> Decided:
    return record(state, Cause(order.kind, words + _why(order), "command", order, outcome), Place(at))


def _applied(order: Command, words: str) -> Cause:
    return Cause(order.kind, f"{order.actor}: {words}{_why(order)}", "command", order, "applied")


def _why(order: Command) -> str:
    return f" ({order.reason})" if order.reason else ""


def _start(state: MigrationState | None, order: Command, at: At, closed: bool) -> tuple[MigrationState | None, list[Output]]:
    try:
        config = parsed(order.config or "")
        if config.spec.migration != order.migration_id:
            raise ConfigError(f"the command is for {order.migration_id}, its configuration for {config.spec.migration}")
        if state is not None and state.migration.config_hash == config.config_hash:
            return _say(state, order, at, "unchanged", f"this configuration is already {state.phase}")
        admit(order.config or "", closed=closed)
    except ConfigError as error:
        return _refuse(state, order, at, str(error))
    return _begin(state, order, order.config or "", at, closed=closed)


def _begin(state: MigrationState | None, order: Command, config: str, at: At, *, closed: bool = False) -> Decided:
    """Begin an epoch at CALIBRATING; evidence of the epoch before is never mixed in, and an operator's pause outlasts it."""
    spec, epoch = parsed(config).spec, 1 if state is None else state.migration.epoch + 1
    specs, plan = admit(config, closed=closed)
    migration = Migration(
        migration_id=spec.migration,
        epoch=epoch,
        config_hash=parsed(config).config_hash,
        config=config,
        incumbent_version=spec.incumbent,
        challenger_version=spec.challenger,
        accepted_at_ms=at.time_ms,
    )
    begun = MigrationState(
        config=config,
        migration=migration,
        phase=phases.CALIBRATING if plan.calibrating else phases.SHADOW,
        specs=specs,
        dims=tuple(initial(s) for s in specs),
        plan=plan,
        last_command=_nothing(migration, at),
        paused=state is not None and state.paused,
        ledger_clock_ms=at.time_ms,
        last_evidence_ms=at.time_ms,
        commands=(orders.ordered(order),) if state is None else state.commands,
        forgotten_ms=-1 if state is None else state.forgotten_ms,
        routers={} if state is None else state.routers,
        unlisted=None if state is None else state.unlisted,
        withdrawal=None if state is None else withdrawal.begun(state, 0.0, at.time_ms),
        line=Line() if is_rated(specs) else None,
    )
    words = f"epoch {epoch} of {spec.incumbent} → {spec.challenger} begins, configuration {migration.config_hash}"
    words += _once_more(state, spec)
    words += "; it is still paused: no larger share until resume" if begun.paused else ""
    words += "".join(f"; {remark}" for remark in uncounted_words(spec, hypotheses(spec, reruns=False)))
    before = None if state is None else state.phase
    started, outputs = command(begun, 0.0, _applied(order, words), Place(at), before)
    return started, [Output(MIGRATIONS, spec.migration, migration), *outputs]


def _once_more(state: MigrationState | None, spec: MigrationSpec) -> str:
    """Return that a challenger is tried again that was turned away as worse: nobody may do that unawares."""
    if state is None or spec.challenger != state.spec.challenger or "worse" not in state.verdicts.values():
        return ""
    worse = ", ".join(name for name, verdict in state.verdicts.items() if verdict == "worse")
    return f"; {spec.challenger} was shown worse in epoch {state.migration.epoch} ({worse}) and is tried again"


def _nothing(migration: Migration, at: At) -> RoutingCommand:
    """Return the command before the first of an epoch: sequence 0, nobody on the challenger."""
    return RoutingCommand(
        migration_id=migration.migration_id,
        epoch=migration.epoch,
        sequence=0,
        phase=phases.CALIBRATING,
        incumbent_version=migration.incumbent_version,
        challenger_version=migration.challenger_version,
        salt=f"{migration.migration_id}/{migration.epoch}",
        live_share=0.0,
        shadow_share={"all": 0.0},
        issued_at_ms=at.time_ms,
        reason="",
        config_hash=migration.config_hash,
        ledger_partition=at.partition,
        ledger_offset=at.offset,
    )


def _pause(state: MigrationState, order: Command, at: At) -> Decided:
    if not state.active:
        return _say(state, order, at, "unchanged", f"nothing runs: the migration is {state.phase}")
    if state.paused:
        return _say(state, order, at, "unchanged", "already paused")
    words = f"paused in {state.phase}: no larger share until resume; evaluation and rollback go on"
    return record(replace(state, paused=True), _applied(order, words), Place(at))


def _resume(state: MigrationState, order: Command, at: At) -> Decided:
    if not state.paused:
        return _say(state, order, at, "unchanged", "not paused")
    resumed, outputs = record(replace(state, paused=False), _applied(order, f"resumed in {state.phase}"), Place(at))
    return _onward(resumed, outputs, at)


def _onward(state: MigrationState, outputs: list[Output], at: At) -> Decided:
    """Enter the next phase at once where only this command was waited for."""
    hit = first([rule for rule in rules(now(state)) if rule.name in ("accepted", "watched")]) if state.active else None
    if hit is None:
        return state, outputs
    state, decided = transition(state, hit[1].name, hit[1].to_phase, Place(at))
    return state, outputs + decided


def _approve(state: MigrationState, order: Command, at: At) -> Decided:
    if not state.active:
        return _say(state, order, at, "refused", f"nothing waits for approval: the migration is {state.phase}")
    hit = first([r for r in rules(now(state), approved=True) if r.name in ("accepted", "watched")])
    if hit is None or not phases.needs_approval(state.spec, hit[1].to_phase):
        return _say(state, order, at, "refused", f"nothing waits for approval; waiting for {waiting_for(state)}")
    approved, outputs = record(state, _applied(order, f"approved {hit[1].to_phase}"), Place(at))
    approved, decided = transition(approved, hit[1].name, hit[1].to_phase, Place(at))
    return approved, outputs + decided


def _abort(state: MigrationState, order: Command, at: At) -> Decided:
    if not state.active:
        return _say(state, order, at, "unchanged", f"nothing runs: the migration is {state.phase}")
    return enter(state, phases.ABORTED, _applied(order, f"aborted in {state.phase}"), Place(at))


def _rollback(state: MigrationState, order: Command, at: At) -> Decided:
    if phases.is_live(state.phase) or state.phase == phases.COMPLETED:
        return enter(state, phases.ROLLED_BACK, _applied(order, f"rolled back from {state.phase}"), Place(at))
    if state.active:
        return _say(state, order, at, "refused", f"no user is on the challenger in {state.phase}; abort ends the migration")
    return _say(state, order, at, "unchanged", f"nothing to roll back: the migration is {state.phase}")


def _retry(state: MigrationState, order: Command, at: At) -> Decided:
    if state.held and state.active:
        made_anew = state.held.partition("/")[0] + "/"
        kept = {name: source for name, source in state.sources.items() if not name.startswith(made_anew)}
        old = {source.lineage for name, source in state.sources.items() if name not in kept}
        topics = " with the topics as they are now" if old else ""
        freed = replace(state, held="", sources=kept, gone=(*state.gone, *sorted(old))[-REMEMBERED_TOPICS:])
        return record(freed, _applied(order, f"goes on{topics}; was held: {state.held}"), Place(at))
    if state.active:
        return _say(state, order, at, "unchanged", f"the migration is {state.phase} and runs")
    if state.phase == phases.COMPLETED:
        return _say(state, order, at, "refused", "the migration is COMPLETED; rollback takes it back, start begins another")
    return _begin(state, order, state.config, at)


_VERBS: dict[str, Callable[[MigrationState, Command, At], Decided]] = {
    "pause": _pause,
    "resume": _resume,
    "approve": _approve,
    "abort": _abort,
    "rollback": _rollback,
    "retry": _retry,
}
