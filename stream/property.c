#include <string.h>

#include "stream/source.h"

/* What the operator may not set, and why. */
static const struct {
	const char *name, *why;
} refused[] = {
	{"bootstrap.servers", "the brokers have their own setting"},
	{"metadata.broker.list", "the brokers have their own setting"},
	{"client.id", "the client has its own setting"},
	{"group.id", "the group has its own setting"},
	{"enable.auto.commit", "positions are kept with the state"},
	{"auto.commit.enable", "positions are kept with the state"},
	{"enable.auto.offset.store", "positions are kept with the state"},
	{"auto.offset.reset", "a position is given, never guessed"},
	{"isolation.level", "aborted records are never learned"},
	{"enable.partition.eof", "headrace watches the ends itself"},
	{"group.protocol", "partitions are assigned, not balanced by a group"},
	{"group.instance.id", "partitions are assigned, not balanced by a group"},
	{"group.remote.assignor", "partitions are assigned, not balanced by a group"},
	{"partition.assignment.strategy", "partitions are assigned, not balanced by a group"},
	{"session.timeout.ms", "partitions are assigned, not balanced by a group"},
	{"enable.idempotence", "headrace always writes idempotently"},
	{"transactional.id", "headrace does not write in transactions"},
	{"partitioner", "keys go where a JVM producer would send them"},
};

const char *hr_kafka_refused(const char *name)
{
	for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
		if (strcmp(name, refused[i].name) == 0)
			return refused[i].why;
	}
	return NULL;
}
