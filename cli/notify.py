"""`dualgate notify`: decisions as messages to people."""

import os
import threading
import time
from contextlib import suppress
from typing import Annotated

import typer
from rich.console import Console

from dualgate.cli.cluster import Prefix, Servers, cluster_settings
from dualgate.cli.operate.reading import places
from dualgate.cli.output import Json, emit, say, table
from dualgate.processors.runtime.loop import Stop, stop_on_signals
from dualgate.schemas.errors import ConfigError, DualgateError, TransientError
from dualgate.schemas.topics import EVIDENCE
from dualgate.sinks.notify import Message, Notifier, Refused, Target, Undelivered, target, trial_message

app = typer.Typer(
    help="Tell people of decisions, by webhooks.\n\nExample: `dualgate notify test --slack URL`", no_args_is_help=True
)

Webhook = Annotated[
    list[str] | None, typer.Option("--webhook", help="A URL that takes JSON; repeat for several; else DUALGATE_WEBHOOK_URL.")
]
Slack = Annotated[
    list[str] | None, typer.Option("--slack", help="A Slack incoming webhook; repeat for several; else DUALGATE_SLACK_URL.")
]


def register(root: typer.Typer) -> None:
    """Add the group to the root."""
    root.add_typer(app, name="notify")


@app.command()
def run(
    webhook: Webhook = None, slack: Slack = None, bootstrap_servers: Servers = None, prefix: Prefix = None, json: Json = False
) -> None:
    """Tell every target of each decision of all migrations, once, until stopped (Ctrl-C or SIGTERM).

    A target that fails is tried again until it takes the message; none waits for another, and the gate for none.
    The first start tells what is decided from then on; a later one goes on where it was. Run it once for a target.

    Example: `dualgate notify run --slack https://hooks.slack.com/services/…`
    """
    targets = _targets(webhook, slack)
    settings = cluster_settings(bootstrap_servers=bootstrap_servers, topic_prefix=prefix)
    with suppress(TransientError):  # a broker that is away is waited for; a topic that is not there will not come by itself
        places(settings, (EVIDENCE,))
    told: list[Message] = []
    failed: list[DualgateError] = []

    def follow(each: Target, stop: Stop) -> None:
        try:
            Notifier(each, settings, told=lambda message: _tell(told, each, message)).run(stop)
        except DualgateError as error:
            failed.append(error)
            stop.set()

    with stop_on_signals() as stop:
        say(f"notifications to {', '.join(each.name for each in targets)} from {settings.bootstrap_servers}")
        threads = [threading.Thread(target=follow, args=(each, stop), name=each.name, daemon=True) for each in targets]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    if failed:
        raise failed[0]
    emit({"told": len(told)}, json, lambda console: console.print(f"notify has stopped; {len(told)} messages were delivered"))


@app.command("test")
def trial(webhook: Webhook = None, slack: Slack = None, json: Json = False) -> None:
    """Send one test message to every target and say what it answered. Exit code 1 where one did not take it.

    Example: `dualgate notify test --webhook https://example.org/hook`
    """
    targets = _targets(webhook, slack)
    answers = {each.name: _answer(each) for each in targets}

    def human(console: Console) -> None:
        console.print(table(("target", "answer"), [(name, answer or "delivered") for name, answer in answers.items()]))

    emit({"targets": [{"name": n, "delivered": not a, "error": a or None} for n, a in answers.items()]}, json, human)
    raise typer.Exit(1 if any(answers.values()) else 0)


def _answer(each: Target) -> str:
    try:
        each.post(trial_message(time.time_ns() // 1_000_000))
    except (Undelivered, Refused) as error:
        return str(error)
    return ""


def _tell(told: list[Message], each: Target, message: Message) -> None:
    told.append(message)
    say(f"{each.name}: {message.title}")


def _targets(webhook: list[str] | None, slack: list[str] | None) -> list[Target]:
    found = [target("webhook", url) for url in webhook or _from_environment("DUALGATE_WEBHOOK_URL")]
    found += [target("slack", url) for url in slack or _from_environment("DUALGATE_SLACK_URL")]
    if not found:
        raise ConfigError("nobody to notify: give --webhook or --slack, or set DUALGATE_WEBHOOK_URL or DUALGATE_SLACK_URL")
    return found


def _from_environment(name: str) -> list[str]:
    return os.environ.get(name, "").split()
