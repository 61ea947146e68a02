#include "stream/broker.h"

#include "base/mem.h"
#include "stream/kafka.h"

struct hr_broker {
	rd_kafka_t *rk; /* the cluster runs on a thread of this client, which talks to nobody */
	rd_kafka_mock_cluster_t *cluster;
};

static void drop_log(const rd_kafka_t *rk, int level, const char *facility, const char *text)
{
	(void)rk;
	(void)level;
	(void)facility;
	(void)text;
}

bool hr_broker_start(struct hr_broker **ret_broker, struct hr_error *err)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	struct hr_broker *b = hr_alloc(1, sizeof *b);
	char why[256];

	rd_kafka_conf_set_log_cb(conf, drop_log);
	b->rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof why);
	if (b->rk == NULL) {
		rd_kafka_conf_destroy(conf);
		hr_free(b);
		return hr_fail(err, HR_E_IO, "could not start the embedded broker: %s", why);
	}
	b->cluster = rd_kafka_mock_cluster_new(b->rk, 1);
	if (b->cluster == NULL) {
		hr_broker_stop(b);
		return hr_fail(err, HR_E_IO, "could not start the embedded broker: no socket on 127.0.0.1");
	}
	*ret_broker = b;
	return true;
}

const char *hr_broker_bootstrap(const struct hr_broker *b) { return rd_kafka_mock_cluster_bootstraps(b->cluster); }

rd_kafka_mock_cluster_t *hr_broker_cluster(struct hr_broker *b) { return b->cluster; }

bool hr_broker_create_topic(struct hr_broker *b, const char *topic, uint32_t partitions, struct hr_error *err)
{
	const rd_kafka_resp_err_t code = rd_kafka_mock_topic_create(b->cluster, topic, (int)partitions, 1);

	if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
		return true;
	return hr_fail(err, HR_E_CONFIG, "topic \"%s\" with %u partitions: %s", topic, partitions, rd_kafka_err2str(code));
}

void hr_broker_stop(struct hr_broker *b)
{
	if (b == NULL)
		return;
	if (b->cluster != NULL)
		rd_kafka_mock_cluster_destroy(b->cluster);
	rd_kafka_destroy(b->rk);
	hr_free(b);
}
