"""The exception tree. Each leaf has one disposition; the engine has exactly one ``except`` per disposition.

::

    DualgateError
    ├─ ConfigError               stop at start, exit code 2: names the field, the value, and what is accepted
    ├─ RecordError               → dead-letters, with topic, partition, offset and a reason
    ├─ TransientError            retry with back-off, then stop
    ├─ StateError                stop, never skip
    ├─ OwnershipLost             drop the batch, rejoin (fenced, revoked)
    └─ DeadLetterBudgetExceeded  hold that migration's evidence, go on with the others
"""


class DualgateError(Exception):
    """Root of every error that Dualgate raises on purpose."""


class ConfigError(DualgateError):
    """A setting, a file or an argument is wrong; the message names it, its value and what is accepted."""


class RecordError(DualgateError):
    """One record cannot be used; it goes to dead-letters with this message as the reason."""


class TransientError(DualgateError):
    """Something outside failed that may work when tried again."""


class StateError(DualgateError):
    """What is stored and what is read do not fit together; going on would lose or double evidence."""


class OwnershipLost(DualgateError):
    """Another process owns this work now; nothing of the current batch may be published."""


class DeadLetterBudgetExceeded(DualgateError):
    """Too many records of one migration were unusable; its evidence is held, the others go on."""
