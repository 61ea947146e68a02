#!/usr/bin/env python3
"""Good events with bad records among them: `malformed.py TOPIC protobuf|json|confluent GOOD.tsv BAD.tsv`.

GOOD.tsv gets "user, tab, events" of the good ones; BAD.tsv "reason, tab, records" of the bad ones, the reasons being the
ones of stream/event.h. Every user has the bad records of every kind among the good events, on the same partition.
"""
import collections
import json
import os
import struct
import sys
import time

from confluent_kafka import Producer

from headrace.v1 import event_pb2 as pb

TOMORROW_MS = int(time.time() * 1000) + 86_400_000
START_MS, STEP_MS, USERS, EVENTS_OF_USER = 1_700_000_000_000, 1000, 40, 50


def event(user, item, time_ms, kind=pb.VIEW, **more):
    return pb.Event(user=user, item=item, kind=kind, time_ms=time_ms, **more).SerializeToString()


def bad_protobuf(user, now):
    yield "empty", b""
    yield "malformed", event(user, b"i1", now)[:-3]
    yield "malformed", b"\xff" * 40
    yield "malformed", b'{"user":"u","item":"i","kind":"view","time":%d}' % now
    yield "oversized", event(user, b"i1", now, session=b"s" * 70_000)
    yield "no_user", event(b"", b"i1", now)
    yield "no_item", event(user, b"", now)
    yield "id_length", event(user, b"i" * 10_240, now)
    yield "id_length", event(b"u" * 257, b"i1", now)
    yield "id_encoding", event(user, b"caf\xe9", now)
    yield "id_encoding", event(user, b"two\nlines", now)
    yield "id_encoding", event(b"\xc0\x80", b"i1", now)
    yield "kind", event(user, b"i1", now, kind=0)
    yield "kind", event(user, b"i1", now, kind=99)
    yield "time", event(user, b"i1", 0)
    yield "time", event(user, b"i1", now // 1000)
    yield "time", event(user, b"i1", -now)
    yield "future", event(user, b"i1", TOMORROW_MS)
    yield "weight", event(user, b"i1", now, weight=float("nan"))
    yield "weight", event(user, b"i1", now, weight=-1)


def bad_json(user, now):
    def text(**changed):
        members = {"user": user.decode(), "item": "i1", "kind": "view", "time": now, **changed}
        return json.dumps({k: v for k, v in members.items() if v is not ...}).encode()

    yield "empty", b""
    yield "malformed", text()[:-5]
    yield "malformed", b"not json"
    yield "malformed", event(user, b"i1", now)
    yield "type", text(user=17.5)
    yield "type", text(item=["i1"])
    yield "type", text(time={"ms": now})
    yield "type", text(weight="heavy")
    yield "no_user", text(user="")
    yield "no_item", text(item=...)
    yield "id_length", text(item="i" * 10_240)
    yield "kind", text(kind="teleport")
    yield "time", text(time=now // 1000)


def bad_confluent(user, now):
    yield "framing", event(user, b"i1", now)
    yield "framing", b"\x00\x00\x00"


def good_value(kind_of_topic, user, item, now):
    if kind_of_topic == "json":
        return json.dumps({"user": user.decode(), "item": item.decode(), "kind": "click", "time": now, "new": {"a": [1]}}).encode()
    value = event(user, item, now, kind=pb.CLICK)
    # Confluent framing: a zero byte, the schema's id, and the path of the message in its file, 0 being the first.
    return b"\x00" + struct.pack(">I", 7) + b"\x00" + value if kind_of_topic == "confluent" else value


BAD = {"protobuf": bad_protobuf, "json": bad_json, "confluent": bad_confluent}


def main(topic, kind_of_topic, good_path, bad_path):
    producer = Producer({"bootstrap.servers": os.environ["HR_TEST_BROKERS"], "enable.idempotence": True, "linger.ms": 20})
    good, bad = collections.Counter(), collections.Counter()
    for n in range(USERS * EVENTS_OF_USER):
        user, now = b"u%d" % (n % USERS), START_MS + n * STEP_MS
        producer.produce(topic, good_value(kind_of_topic, user, b"i%d" % (n * 7 % 101), now), user)
        good[user] += 1
        if n // USERS != EVENTS_OF_USER // 2:
            continue
        for reason, value in BAD[kind_of_topic](user, now):
            producer.produce(topic, value, user)
            bad[reason] += 1
    left = producer.flush(60)
    if left:
        sys.exit(f"{left} records were not acknowledged in 60 s")
    for path, counts in ((good_path, {k.decode(): v for k, v in good.items()}), (bad_path, bad)):
        with open(path, "w", encoding="utf-8") as file:
            file.writelines(f"{k}\t{v}\n" for k, v in sorted(counts.items()))


if __name__ == "__main__":
    main(*sys.argv[1:])
