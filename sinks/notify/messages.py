"""What is told of a decision: a message with its severity, as JSON for webhooks and in Slack's format."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

from dualgate.schemas.records import DecisionRecord

Severity = Literal["info", "warning", "error"]
TURNED_AWAY = ("REJECTED", "ROLLED_BACK")
MARKS = {"info": ":large_green_circle:", "warning": ":large_yellow_circle:", "error": ":red_circle:"}


@dataclass(frozen=True, slots=True)
class Message:
    """One decision as it is told; `id` is the decision's own, the same in every repetition."""

    id: str
    migration_id: str
    epoch: int
    sequence: int | None
    severity: Severity
    title: str
    reason: str
    rule: str
    from_phase: str | None
    to_phase: str | None
    live_share: float | None
    actor: str | None
    n_pairs: int
    decided_at_ms: int

    def json(self) -> dict[str, Any]:
        """Return the body of a webhook."""
        return asdict(self)

    def slack(self) -> dict[str, Any]:
        """Return the body of a Slack webhook; Slack wants &, < and > escaped."""
        title, reason = (_escaped(text) for text in (self.title, self.reason))
        where = f"epoch {self.epoch}, sequence {self.sequence}, pair {self.n_pairs:,}"
        context = f"{where} · `dualgate explain {self.migration_id}`"
        return {
            "text": f"{MARKS[self.severity]} {title}: {reason}",
            "blocks": [
                {"type": "section", "text": {"type": "mrkdwn", "text": f"{MARKS[self.severity]} *{title}*\n{reason[:2_900]}"}},
                {"type": "context", "elements": [{"type": "mrkdwn", "text": _escaped(context)}]},
            ],
        }


def message_of(decision: DecisionRecord) -> Message | None:
    """Return what is told of a decision; None where nothing has changed: a refused or repeated command, a renewed lease."""
    if decision.kind == "renewal" or decision.outcome in ("refused", "unchanged"):
        return None
    command = decision.routing_command
    return Message(
        id=decision.decision_id,
        migration_id=decision.migration_id,
        epoch=decision.epoch,
        sequence=decision.sequence,
        severity=_severity(decision),
        title=_title(decision),
        reason=decision.reason,
        rule=decision.rule,
        from_phase=decision.from_phase,
        to_phase=decision.to_phase,
        live_share=None if command is None else command.live_share,
        actor=decision.actor,
        n_pairs=decision.n_pairs,
        decided_at_ms=decision.ledger_clock_ms,
    )


def trial_message(now_ms: int) -> Message:
    """Return the message of `dualgate notify test`."""
    words = "this is a test: notifications of this migration gate arrive here"
    return Message(f"test/{now_ms}", "test", 0, 0, "info", "Dualgate", words, "test", None, None, None, None, 0, now_ms)


def _severity(decision: DecisionRecord) -> Severity:
    if (decision.to_phase or "").startswith(TURNED_AWAY) and decision.from_phase != decision.to_phase:
        return "error"
    if decision.kind == "hold" or decision.to_phase in ("ABORTED", "INCONCLUSIVE") or decision.rule == "pause":
        return "warning"
    return "info"


def _title(decision: DecisionRecord) -> str:
    share = f", challenger serves {decision.routing_command.live_share:.0%}" if decision.routing_command else ""
    if decision.from_phase != decision.to_phase and decision.from_phase:
        return f"{decision.migration_id}: {decision.from_phase} → {decision.to_phase}{share}"
    return f"{decision.migration_id}: {decision.rule} in {decision.to_phase}{share}"


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
