/* Making a topic, by the admin interface. */
#include <string.h>

#include "stream/kafka.h"
#include "stream/sink.h"

static void free_queue(rd_kafka_queue_t **q) { rd_kafka_queue_destroy(*q); }
static void free_options(rd_kafka_AdminOptions_t **o) { rd_kafka_AdminOptions_destroy(*o); }
static void free_new_topic(rd_kafka_NewTopic_t **t)
{
	if (*t != NULL)
		rd_kafka_NewTopic_destroy(*t);
}
static void free_event(rd_kafka_event_t **e)
{
	if (*e != NULL)
		rd_kafka_event_destroy(*e);
}

/* What became of the one topic asked for. */
static rd_kafka_resp_err_t read_result(rd_kafka_event_t *event, char *why, size_t why_bytes)
{
	const rd_kafka_CreateTopics_result_t *result = event != NULL ? rd_kafka_event_CreateTopics_result(event) : NULL;
	size_t count = 0;

	why[0] = '\0';
	if (result == NULL)
		return RD_KAFKA_RESP_ERR__TIMED_OUT;
	if (rd_kafka_event_error(event) != RD_KAFKA_RESP_ERR_NO_ERROR)
		return rd_kafka_event_error(event);
	const rd_kafka_topic_result_t **topics = rd_kafka_CreateTopics_result_topics(result, &count);
	if (count != 1)
		return RD_KAFKA_RESP_ERR__BAD_MSG;
	const char *text = rd_kafka_topic_result_error_string(topics[0]);
	strncat(why, text != NULL ? text : "", why_bytes - 1);
	return rd_kafka_topic_result_error(topics[0]);
}

static rd_kafka_resp_err_t create(struct hr_kafka *k, rd_kafka_NewTopic_t *new_topic, int timeout_ms, char *why,
                                  size_t why_bytes)
{
	HR_AUTO(free_queue) rd_kafka_queue_t *queue = rd_kafka_queue_new(k->rk);
	HR_AUTO(free_options)
	rd_kafka_AdminOptions_t *options = rd_kafka_AdminOptions_new(k->rk, RD_KAFKA_ADMIN_OP_CREATETOPICS);
	const rd_kafka_resp_err_t code = rd_kafka_AdminOptions_set_request_timeout(options, timeout_ms, why, why_bytes);

	if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
		return code;
	rd_kafka_CreateTopics(k->rk, &new_topic, 1, options, queue);
	HR_AUTO(free_event) rd_kafka_event_t *event = rd_kafka_queue_poll(queue, timeout_ms + 1000);
	return read_result(event, why, why_bytes);
}

static bool create_and_wait(struct hr_kafka *k, const char *topic, uint32_t partitions, bool compact, int timeout_ms,
                            struct hr_error *err)
{
	char why[256];
	HR_AUTO(free_new_topic)
	rd_kafka_NewTopic_t *new_topic =
		rd_kafka_NewTopic_new(topic, (int)partitions, /* the broker's default */ -1, why, sizeof why);
	uint32_t count;

	if (new_topic == NULL)
		return hr_fail(err, HR_E_CONFIG, "topic \"%s\" with %u partitions: %s", topic, partitions, why);
	if (compact && rd_kafka_NewTopic_set_config(new_topic, "cleanup.policy", "compact") != RD_KAFKA_RESP_ERR_NO_ERROR)
		return hr_fail(err, HR_E_CONFIG, "topic \"%s\": cleanup.policy was refused", topic);
	const rd_kafka_resp_err_t code = create(k, new_topic, timeout_ms, why, sizeof why);
	if (code != RD_KAFKA_RESP_ERR_NO_ERROR && code != RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS) {
		(void)hr_fail(err, HR_E_BROKER, "could not make topic \"%s\": %s", topic, why[0] != '\0' ? why : rd_kafka_err2str(code));
		if (err != NULL)
			err->retriable = code == RD_KAFKA_RESP_ERR__TIMED_OUT || code == RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT;
		return hr_kafka_blame(k, err);
	}
	return hr_kafka_count_partitions(k, topic, timeout_ms, timeout_ms, &count, err);
}

bool hr_topic_create(const struct hr_kafka_config *config, const char *topic, uint32_t partitions, bool compact,
                     int timeout_ms, struct hr_error *err)
{
	static const struct hr_kafka_setting none[] = {{0}};
	struct hr_kafka k = {0};
	struct hr_error why;
	uint32_t count;

	/* a consumer, whose questions do not create topics (but the embedded broker makes every topic it is asked about) */
	if (!hr_kafka_open(&k, RD_KAFKA_CONSUMER, config, none, none, rd_kafka_conf_new(), err))
		return false;
	const bool ok = hr_kafka_count_partitions(&k, topic, 0, timeout_ms, &count, &why) ||
	                (!why.retriable && create_and_wait(&k, topic, partitions, compact, timeout_ms, &why));
	if (!ok && err != NULL)
		*err = why;
	hr_kafka_close(&k);
	return ok;
}
