"""A router that uses none of Dualgate's code: a Kafka client and the standard library. The rules are in router.md beside it.

python plain_router.py SERVERS PREFIX MIGRATION ROUTER_ID RoutingCommand.avsc

Reads keys from stdin, a line each, and answers each with the arm, the sequence that it obeys, and the probability with which the
query is to be mirrored (0 where it was not drawn).
"""

import hashlib
import json
import struct
import sys
import threading
import time
from collections import Counter

from confluent_kafka import OFFSET_BEGINNING, Consumer, Producer, TopicPartition


def decode(data, fields):
    """Return a routing command: JSON, or five bytes of header and the Avro fields in the order of the schema."""
    if data[:1] == b"{":
        return json.loads(data)
    at = 5

    def long():
        nonlocal at
        shift = value = 0
        while True:
            byte, at = data[at], at + 1
            value, shift = value | (byte & 127) << shift, shift + 7
            if byte < 128:
                return (value >> 1) ^ -(value & 1)

    def take(n):
        nonlocal at
        at += n
        return data[at - n : at]

    def value(kind):
        if isinstance(kind, list):
            return value(kind[long()])
        if isinstance(kind, dict):  # the one map: strings to doubles, in blocks
            found = {}
            while n := long():
                if n < 0:  # then the block's size in bytes follows
                    n = -n
                    long()
                found |= {value("string"): value(kind["values"]) for _ in range(n)}
            return found
        if kind == "string":
            return take(long()).decode()
        return {"null": lambda: None, "double": lambda: struct.unpack("<d", take(8))[0]}.get(kind, long)()

    return {field["name"]: value(field["type"]) for field in fields}


class Table:
    """The command in force, when it ends on the monotonic clock, and what was routed since it was last told."""

    def __init__(self):
        self.command, self.ends, self.lock, self.routed = None, 0.0, threading.Lock(), Counter()

    def apply(self, command):
        """Take in a command; return whether it is a new one (a renewal only prolongs the lease)."""
        held = self.command
        order = (command["epoch"], command["sequence"])
        before = (held["epoch"], held["sequence"]) if held else (0, 0)
        if order < before or (held and order == before and command["issued_at_ms"] <= held["issued_at_ms"]):
            return False
        lease = command["lease_ms"]
        left = float("inf") if lease is None else min(lease, command["issued_at_ms"] + lease - time.time() * 1000)
        self.command, self.ends = command, time.monotonic() * 1000 + left
        return order != before

    def answer(self, key, stratum="all"):
        """Return the arm that serves a key, the sequence obeyed, and the probability of its mirror (0: not drawn); counted."""
        command, arm, mirrored = self.command, "incumbent", 0.0
        if command and time.monotonic() * 1000 < self.ends:
            shares = command["shadow_share"]
            arm = "challenger" if drawn("route", command, key, command["live_share"]) else "incumbent"
            mirrored = shares.get(stratum, shares.get("all", 0.0))
            mirrored = mirrored if drawn("shadow", command, key, mirrored) else 0.0
        if command:
            with self.lock:
                self.routed[command["epoch"], command["sequence"], stratum, arm, mirrored > 0] += 1
        return arm, command["sequence"] if command else 0, mirrored

    def taken(self):
        """Return (epoch, sequence) and counts since the last time, those of older commands first."""
        with self.lock:
            routed, self.routed = self.routed, Counter()
        told = {(self.command["epoch"], self.command["sequence"]): []}
        for (epoch, sequence, stratum, arm, sampled), n in routed.items():
            cell = {"stratum": stratum, "arm": arm, "sampled": sampled, "count": n}
            told.setdefault((epoch, sequence), []).append(cell)
        return sorted(told.items())


def drawn(what, command, key, share):
    """Return whether a key is among this share of all keys."""
    digest = hashlib.sha256(f"{what}/{command['salt']}/{key}".encode()).digest()
    return share >= 1 or int.from_bytes(digest[:8], "big") < int(share * 2**64)


def follow(table, servers, prefix, migration, router_id, fields):
    """Obey what comes, and acknowledge each new command and every ten seconds."""
    consumer = Consumer({"bootstrap.servers": servers, "group.id": router_id, "enable.auto.commit": False})
    consumer.assign([TopicPartition(prefix + "decisions", 0, OFFSET_BEGINNING)])
    producer, told = Producer({"bootstrap.servers": servers}), 0.0
    while True:
        message, changed = consumer.poll(0.2), False
        if message is not None and message.error() is None and message.key() == migration.encode() and message.value():
            changed = table.apply(decode(message.value(), fields))
        if table.command and (changed or time.monotonic() > told + 10):
            for (epoch, sequence), counts in table.taken():
                ack = {"migration_id": migration, "router_id": router_id, "sent_at_ms": int(time.time() * 1000)}
                ack |= {"epoch": epoch, "sequence": sequence, "counts": counts}
                producer.produce(prefix + "ledger", json.dumps({"ack": ack}), migration)
            producer.flush(5)
            told = time.monotonic()


def main():
    """Follow in the background, answer in the foreground."""
    servers, prefix, migration, router_id, schema = sys.argv[1:]
    with open(schema, encoding="utf-8") as file:
        fields = json.load(file)["fields"]
    table = Table()
    threading.Thread(target=follow, args=(table, servers, prefix, migration, router_id, fields), daemon=True).start()
    for line in sys.stdin:
        print(*table.answer(line.rstrip("\n")), flush=True)


if __name__ == "__main__":
    main()
