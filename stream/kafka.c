#include "stream/kafka.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"

#define DOUBT_MS 2000

struct hr_kafka *hr_kafka_of(void *opaque)
{
	struct hr_kafka *k = opaque;

	HR_ASSERT(k != NULL && k->magic == HR_KAFKA_MAGIC);
	return k;
}

static void note_trouble(struct hr_kafka *k, const char *text)
{
	(void)pthread_mutex_lock(&k->lock);
	(void)snprintf(k->trouble, sizeof k->trouble, "%s", text);
	(void)pthread_mutex_unlock(&k->lock);
}

static void keep_log(const rd_kafka_t *rk, int level, const char *facility, const char *text)
{
	enum { SYSLOG_WARNING = 4 };

	(void)facility;
	if (level <= SYSLOG_WARNING && rk != NULL)
		note_trouble(hr_kafka_of(rd_kafka_opaque(rk)), text);
}

static void keep_error(rd_kafka_t *rk, int code, const char *reason, void *opaque)
{
	(void)rk;
	(void)code;
	note_trouble(hr_kafka_of(opaque), reason);
}

bool hr_kafka_blame(struct hr_kafka *k, struct hr_error *err)
{
	if (err == NULL)
		return false;
	const size_t told = strlen(err->msg);
	(void)pthread_mutex_lock(&k->lock);
	if (k->trouble[0] != '\0')
		(void)snprintf(err->msg + told, sizeof err->msg - told, ": %s", k->trouble);
	(void)pthread_mutex_unlock(&k->lock);
	return false;
}

static bool set(rd_kafka_conf_t *conf, const char *name, const char *value, struct hr_error *err)
{
	char why[256];

	if (rd_kafka_conf_set(conf, name, value, why, sizeof why) == RD_KAFKA_CONF_OK)
		return true;
	return hr_fail(err, HR_E_CONFIG, "kafka property %s: %s", name, why);
}

static bool set_all(rd_kafka_conf_t *conf, const struct hr_kafka_setting *settings, struct hr_error *err)
{
	for (; settings->name != NULL; settings++) {
		if (!set(conf, settings->name, settings->value, err))
			return false;
	}
	return true;
}

/* "name=value", the operator's. The value may be a secret: it is never repeated here. */
static bool set_property(rd_kafka_conf_t *conf, const char *property, struct hr_error *err)
{
	const size_t name_len = strcspn(property, "=");
	char name[128];

	if (property[name_len] == '\0' || name_len == 0 || name_len >= sizeof name)
		return hr_fail(err, HR_E_CONFIG, "a kafka property is written name=value");
	memcpy(name, property, name_len);
	name[name_len] = '\0';
	const char *why = hr_kafka_refused(name);
	if (why != NULL)
		return hr_fail(err, HR_E_CONFIG, "kafka property %s can not be set: %s", name, why);
	return set(conf, name, property + name_len + 1, err);
}

static bool configure(rd_kafka_conf_t *conf, const struct hr_kafka_config *config, const struct hr_kafka_setting *defaults,
                      const struct hr_kafka_setting *owned, struct hr_error *err)
{
	if (!set(conf, "bootstrap.servers", config->brokers, err) ||
	    !set(conf, "client.id", config->client_id != NULL ? config->client_id : "headrace", err) ||
	    !set_all(conf, defaults, err))
		return false;
	for (const char *const *p = config->properties; p != NULL && *p != NULL; p++) {
		if (!set_property(conf, *p, err))
			return false;
	}
	return set_all(conf, owned, err);
}

bool hr_kafka_open(struct hr_kafka *k, rd_kafka_type_t type, const struct hr_kafka_config *config,
                   const struct hr_kafka_setting *defaults, const struct hr_kafka_setting *owned, rd_kafka_conf_t *conf,
                   struct hr_error *err)
{
	char why[256];

	HR_ASSERT(config->brokers != NULL);
	if (!configure(conf, config, defaults, owned, err)) {
		rd_kafka_conf_destroy(conf);
		return false;
	}
	k->magic = HR_KAFKA_MAGIC;
	(void)pthread_mutex_init(&k->lock, NULL);
	rd_kafka_conf_set_opaque(conf, k);
	rd_kafka_conf_set_log_cb(conf, keep_log);
	rd_kafka_conf_set_error_cb(conf, keep_error);
	k->rk = rd_kafka_new(type, conf, why, sizeof why);
	if (k->rk != NULL)
		return true;
	rd_kafka_conf_destroy(conf);
	hr_kafka_close(k);
	return hr_fail(err, HR_E_CONFIG, "could not make a kafka client: %s", why);
}

void hr_kafka_close(struct hr_kafka *k)
{
	if (k->magic != HR_KAFKA_MAGIC)
		return; /* never opened */
	if (k->rk != NULL)
		rd_kafka_destroy_flags(k->rk, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
	k->rk = NULL;
	(void)pthread_mutex_destroy(&k->lock);
	k->magic = 0;
}

static void free_metadata(const struct rd_kafka_metadata **m)
{
	if (*m != NULL)
		rd_kafka_metadata_destroy(*m);
}

/* What the broker says of a topic: NO_ERROR and the count, when every partition has a leader. */
static rd_kafka_resp_err_t ask_topic(struct hr_kafka *k, rd_kafka_topic_t *handle, int timeout_ms, uint32_t *ret_count)
{
	HR_AUTO(free_metadata) const struct rd_kafka_metadata *m = NULL;
	const rd_kafka_resp_err_t code = rd_kafka_metadata(k->rk, 0, handle, &m, timeout_ms);

	if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
		return code;
	if (m->topic_cnt != 1)
		return RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
	const struct rd_kafka_metadata_topic *t = &m->topics[0];
	if (t->err != RD_KAFKA_RESP_ERR_NO_ERROR)
		return t->err;
	for (int i = 0; i < t->partition_cnt; i++) {
		if (t->partitions[i].leader < 0)
			return RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE;
	}
	*ret_count = (uint32_t)t->partition_cnt;
	return t->partition_cnt > 0 ? RD_KAFKA_RESP_ERR_NO_ERROR : RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
}

bool hr_kafka_count_partitions(struct hr_kafka *k, const char *topic, int doubt_ms, int timeout_ms, uint32_t *ret_count,
                               struct hr_error *err)
{
	const int64_t start = hr_mono_us(), end = start + (int64_t)timeout_ms * 1000;
	rd_kafka_topic_t *handle = rd_kafka_topic_new(k->rk, topic, NULL);
	rd_kafka_resp_err_t code = RD_KAFKA_RESP_ERR__TIMED_OUT;

	if (handle == NULL)
		return hr_fail(err, HR_E_CONFIG, "\"%s\" can not be a topic: %s", topic, rd_kafka_err2str(rd_kafka_last_error()));
	for (int64_t now = start; now < end; now = hr_mono_us()) {
		code = ask_topic(k, handle, (int)((end - now) / 1000) + 1, ret_count);
		if (code == RD_KAFKA_RESP_ERR_NO_ERROR || code == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED ||
		    code == RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION)
			break;
		if (code == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART && hr_mono_us() - start >= (int64_t)doubt_ms * 1000)
			break;
		(void)rd_kafka_poll(k->rk, 100); /* serves callbacks while time passes */
	}
	rd_kafka_topic_destroy(handle);
	if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
		return true;
	if (code == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART)
		return hr_fail(err, HR_E_BROKER, "topic \"%s\" does not exist", topic);
	(void)hr_fail(err, HR_E_BROKER, "topic \"%s\": no answer within %d ms: %s", topic, timeout_ms, rd_kafka_err2str(code));
	if (err != NULL)
		err->retriable = true;
	return hr_kafka_blame(k, err);
}

bool hr_kafka_partitions(const struct hr_kafka_config *config, const char *topic, int timeout_ms, uint32_t *ret_count,
                         struct hr_error *err)
{
	static const struct hr_kafka_setting none[] = {{0}};
	struct hr_kafka k = {0};

	/* a consumer, whose questions do not create topics */
	if (!hr_kafka_open(&k, RD_KAFKA_CONSUMER, config, none, none, rd_kafka_conf_new(), err))
		return false;
	const bool ok = hr_kafka_count_partitions(&k, topic, DOUBT_MS, timeout_ms, ret_count, err);
	hr_kafka_close(&k);
	return ok;
}
