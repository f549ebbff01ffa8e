"""What the gate needs of the broker before it starts: its topics, and a ledger that is stamped by the broker."""

from collections.abc import Mapping

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, ConfigResource, ResourceType

from dualgate.schemas.errors import ConfigError, TransientError
from dualgate.schemas.settings import Settings
from dualgate.schemas.topics import BY_NAME, DEAD_LETTERS, DECISIONS, EVIDENCE, LEDGER, MIGRATIONS

NEEDED = (LEDGER, MIGRATIONS, DECISIONS, EVIDENCE, DEAD_LETTERS)
STAMP = "message.timestamp.type"
TIMEOUT_S = 30.0


def check_ground(settings: Settings) -> None:
    """Raise ConfigError where a topic is missing, has other partitions or another clock; TransientError without a broker."""
    admin = AdminClient({"bootstrap.servers": settings.bootstrap_servers, "log_level": 0})
    try:
        found = {name: len(topic.partitions) for name, topic in admin.list_topics(timeout=TIMEOUT_S).topics.items()}
        _check_topics(settings, found)
        _check_clock(settings.topic_prefix + LEDGER, admin)
    except KafkaException as failure:
        raise TransientError(
            f"no Kafka broker answers at {settings.bootstrap_servers} ({failure.args[0].str()}); "
            "start one (dualgate broker start) or set DUALGATE_BOOTSTRAP_SERVERS"
        ) from None


def _check_topics(settings: Settings, found: Mapping[str, int]) -> None:
    missing = [name for name in (settings.topic_prefix + bare for bare in NEEDED) if name not in found]
    if missing:
        raise ConfigError(f"topics {', '.join(missing)} do not exist; create them with: dualgate topics create")
    for bare in NEEDED:
        n, wanted = found[settings.topic_prefix + bare], BY_NAME[bare].partitions(settings.partitions)
        if n != wanted:
            raise ConfigError(f"topic {settings.topic_prefix + bare} has {n} partitions; the gate needs {wanted}")


def _check_clock(ledger: str, admin: AdminClient) -> None:
    """The ledger clock is the time of appending; a producer's own clock could end a phase."""
    resource = ConfigResource(ResourceType.TOPIC, ledger)
    stamp = admin.describe_configs([resource], request_timeout=TIMEOUT_S)[resource].result()[STAMP].value
    if stamp != "LogAppendTime":
        raise ConfigError(f"topic {ledger} has {STAMP}={stamp}; accepted: LogAppendTime (dualgate topics create sets it)")
