#!/usr/bin/env python3
"""Topics on the broker in HR_TEST_BROKERS: `create NAME PARTITIONS`, `delete PREFIX`."""
import os
import sys

from confluent_kafka.admin import AdminClient, NewTopic


def main(argv):
    admin = AdminClient({"bootstrap.servers": os.environ["HR_TEST_BROKERS"]})
    if argv[0] == "create":
        done = admin.create_topics([NewTopic(argv[1], int(argv[2]), 1)], operation_timeout=20)
    else:
        topics = [t for t in admin.list_topics(timeout=10).topics if t.startswith(argv[1])]
        done = admin.delete_topics(topics, operation_timeout=20) if topics else {}
    for future in done.values():
        future.result()


if __name__ == "__main__":
    main(sys.argv[1:])
