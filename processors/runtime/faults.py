"""What each error of Kafka means to a worker: one disposition each."""

from confluent_kafka import KafkaError

from dualgate.schemas.errors import ConfigError, DualgateError, OwnershipLost, RecordError, StateError, TransientError

# Another member owns the partitions now, or a rebalance is under way: drop the batch and join again.
_LOST = {
    KafkaError.UNKNOWN_MEMBER_ID,
    KafkaError.ILLEGAL_GENERATION,
    KafkaError.REBALANCE_IN_PROGRESS,
    KafkaError.FENCED_MEMBER_EPOCH,
    KafkaError.STALE_MEMBER_EPOCH,
    KafkaError.UNSTABLE_OFFSET_COMMIT,
    KafkaError._MAX_POLL_EXCEEDED,
    KafkaError._ASSIGNMENT_LOST,
    KafkaError.INVALID_PRODUCER_EPOCH,
    KafkaError.INVALID_PRODUCER_ID_MAPPING,
    KafkaError.UNKNOWN_PRODUCER_ID,
    KafkaError.INVALID_TXN_STATE,
    KafkaError.PRODUCER_FENCED,
    KafkaError._FENCED,
}
# The broker timed our transaction out, or another process began with our transactional id.
# A consumer tells that its slot was taken as a fatal error, with no other code.
_FENCED = {KafkaError.PRODUCER_FENCED, KafkaError._FENCED, KafkaError.INVALID_PRODUCER_EPOCH, KafkaError._FATAL}
# A live process with the same slot: joining again would throw it out in turn, for ever.
_SUPERSEDED = {KafkaError.FENCED_INSTANCE_ID}
# Positions and logs do not fit together.
_STATE = {
    KafkaError.OFFSET_OUT_OF_RANGE,
    KafkaError._AUTO_OFFSET_RESET,
    KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError._UNKNOWN_TOPIC,
    KafkaError._UNKNOWN_PARTITION,
    KafkaError.UNKNOWN_TOPIC_ID,
    KafkaError.INCONSISTENT_TOPIC_ID,
}
_CONFIG = {
    KafkaError._INVALID_ARG,
    KafkaError._RESOLVE,
    KafkaError._AUTHENTICATION,
    KafkaError._SSL,
    KafkaError.SASL_AUTHENTICATION_FAILED,
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.GROUP_AUTHORIZATION_FAILED,
    KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    KafkaError.INVALID_TRANSACTION_TIMEOUT,
    KafkaError.OFFSET_METADATA_TOO_LARGE,
}
_RECORD = {KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.INVALID_MSG_SIZE}
_SLOT = "another process has begun with this slot (DUALGATE_SLOT), or this one slept for too long; one live process a slot: "


def error_of(error: KafkaError | None, words: str, slot: bool = False) -> DualgateError:
    """Return our error for one of Kafka's; what is not known to be anything else may work when tried again.

    A process with a slot that is fenced gives way: joining again would fence the other one in turn, for ever.
    """
    code = None if error is None else error.code()
    if code in _SUPERSEDED or (slot and code in _FENCED):
        return StateError(_SLOT + words)
    for kind, codes in ((OwnershipLost, _LOST), (StateError, _STATE), (ConfigError, _CONFIG), (RecordError, _RECORD)):
        if code in codes:
            return kind(words)
    return TransientError(words)
