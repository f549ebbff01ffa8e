"""Notifications: decisions as messages to webhooks and Slack, each once, retried until delivered, beside the gate."""

from dualgate.sinks.notify.messages import Message, message_of, trial_message
from dualgate.sinks.notify.notifier import Notifier
from dualgate.sinks.notify.targets import Refused, Target, Undelivered, target

__all__ = ["Message", "Notifier", "Refused", "Target", "Undelivered", "message_of", "target", "trial_message"]
