#!/usr/bin/env python3
"""An independent reader of the output topic: Google's protobuf and confluent-kafka, nothing of headrace but its .proto.

Reads TOPIC from its beginning until every id of the file EXPECTED (id, tab, anything) has a vector, then on to the end that the
topic has at that moment. Every value must be a finite vector of DIMENSIONS numbers and of length 1, under its own id as key.
"""
import argparse
import math
import os
import struct
import sys
import time

from confluent_kafka import Consumer, TopicPartition

from headrace.v1 import embedding_pb2 as pb

FORMATS = {pb.F32: "f", pb.F16: "e"}


def numbers_of(embedding):
    if embedding.encoding == pb.INT8:
        return [embedding.norm * v / 127 for v in struct.unpack(f"{len(embedding.vector)}b", embedding.vector)]
    code = FORMATS[embedding.encoding]
    return struct.unpack(f"<{len(embedding.vector) // struct.calcsize(code)}{code}", embedding.vector)


def fault_of(embedding, key, dimensions):
    """What is wrong with one vector; None when it is as it should be."""
    numbers = numbers_of(embedding)
    if embedding.id != key:
        return f"its key is {key!r}"
    if embedding.dimensions != dimensions or len(numbers) != dimensions:
        return f"{len(numbers)} numbers, {embedding.dimensions} announced, {dimensions} expected"
    if not all(map(math.isfinite, numbers)):
        return "not finite"
    length = math.sqrt(sum(v * v for v in numbers))
    if abs(length - 1) > 1e-2:
        return f"its length is {length:.4f}, not 1"
    if not embedding.version.lineage or not embedding.space:
        return "no lineage or no space"
    return None


class Reader:
    def __init__(self, topic):
        self.consumer = Consumer({"bootstrap.servers": os.environ["HR_TEST_BROKERS"], "group.id": "headrace-test",
                                  "auto.offset.reset": "earliest", "enable.auto.commit": False})
        self.topic, self.partitions = topic, []
        self.vectors, self.refreshes, self.records = {}, [], 0

    def open(self, deadline):
        """The daemon makes its topic when it first has something to say: wait for it."""
        while not self.partitions and time.monotonic() < deadline:
            known = self.consumer.list_topics(timeout=10).topics.get(self.topic)
            self.partitions = sorted(known.partitions) if known and not known.error else []
            if not self.partitions:
                time.sleep(0.5)
        self.consumer.assign([TopicPartition(self.topic, p, 0) for p in self.partitions])
        self.next_offset = dict.fromkeys(self.partitions, 0)

    def read(self, seconds):
        for message in self.consumer.consume(10000, timeout=seconds):
            if message.error():
                sys.exit(f"error of the broker: {message.error()}")
            self.records += 1
            self.next_offset[message.partition()] = message.offset() + 1
            self.take(message)

    def take(self, message):
        if message.value() is None:
            self.vectors.pop(message.key(), None)
        elif message.key() == b"\x01refresh":
            self.refreshes.append(pb.Refresh.FromString(message.value()))
        else:
            self.vectors[message.key()] = pb.Embedding.FromString(message.value())

    def read_to_end(self, deadline):
        end = {p: self.consumer.get_watermark_offsets(TopicPartition(self.topic, p), timeout=10)[1] for p in self.partitions}
        while any(self.next_offset[p] < end[p] for p in end) and time.monotonic() < deadline:
            self.read(0.5)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("topic")
    parser.add_argument("expected")
    parser.add_argument("--dimensions", type=int, required=True)
    parser.add_argument("--within", type=float, default=60, help="seconds")
    parser.add_argument("--exactly", action="store_true", help="no other id may have a vector")
    args = parser.parse_args()
    with open(args.expected, "rb") as file:
        expected = {line.split(b"\t")[0].rstrip(b"\n") for line in file}
    deadline = time.monotonic() + args.within
    reader = Reader(args.topic)
    reader.open(deadline)
    while not expected <= reader.vectors.keys() and time.monotonic() < deadline:
        reader.read(0.5)
    reader.read_to_end(deadline + 10)

    faults = [f"{key!r}: {fault}" for key, v in reader.vectors.items() if (fault := fault_of(v, key, args.dimensions))]
    missing = sorted(expected - reader.vectors.keys())
    more = sorted(reader.vectors.keys() - expected) if args.exactly else []
    print(f"    # {args.topic}: {reader.records} records, {len(reader.refreshes)} refreshes, vectors of {len(reader.vectors)} ids "
          f"({len(expected)} expected), spaces {sorted({v.space for v in reader.vectors.values()})}")
    for what, found in (("wrong", faults), ("missing", missing), ("not expected", more)):
        if found:
            print(f"    # {len(found)} {what}, such as {found[:3]}")
    sys.exit(1 if faults or missing or more or not expected else 0)


if __name__ == "__main__":
    main()
