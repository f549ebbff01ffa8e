"""Where messages go: an HTTP endpoint, one POST a message, and what its answer means."""

import hashlib
import json
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from dualgate.processors.runtime.posting import OPENER
from dualgate.schemas.errors import ConfigError
from dualgate.sinks.notify.messages import Message

Form = Literal["webhook", "slack"]
TIMEOUT_S = 5.0
AGAIN = (408, 425, 429)
"""Answers below 500 that ask to try again later."""


class Undelivered(Exception):
    """The endpoint did not take the message now: it is tried again."""


class Refused(Exception):
    """The endpoint will never take this message: trying again changes nothing."""


@dataclass(frozen=True, slots=True)
class Target:
    """One endpoint. Its URL may hold a secret: logs and positions name it by `name` alone."""

    form: Form
    url: str

    @property
    def name(self) -> str:
        """Return form, host and a short hash of the URL."""
        return f"{self.form}-{urlsplit(self.url).hostname}-{hashlib.sha256(self.url.encode()).hexdigest()[:8]}"

    def post(self, message: Message, timeout_s: float = TIMEOUT_S) -> None:
        """Deliver one message; Undelivered or Refused says why not. A receiver tells repetitions by Idempotency-Key."""
        body = json.dumps(message.slack() if self.form == "slack" else message.json(), ensure_ascii=False).encode()
        headers = {"Content-Type": "application/json; charset=utf-8", "Idempotency-Key": message.id, "User-Agent": "dualgate"}
        request = urllib.request.Request(self.url, body, headers, method="POST")
        try:
            with OPENER.open(request, timeout=timeout_s) as answer:
                answer.read(1_000)
        except urllib.error.HTTPError as error:
            words = f"{self.name} answered {error.code} {error.reason}"
            raise (Undelivered if error.code >= 500 or error.code in AGAIN else Refused)(words) from None
        except OSError as error:  # not reachable, reset, too slow: URLError and TimeoutError are OSErrors
            raise Undelivered(f"{self.name}: {getattr(error, 'reason', error)}") from None


def target(form: Form, url: str) -> Target:
    """Return the target of a URL; ConfigError where it is none of http or https with a host."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigError(f"{form} URL {parts.scheme or url[:20]!r}…: accepted are http://host/… and https://host/…")
    return Target(form, url)
