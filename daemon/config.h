/* daemon/config.h - the settings of headraced: a YAML file, the environment and --set, over the table of daemon/settings.h.
 *
 * File: nested maps (model: {width: 64}) or dotted keys (model.width: 64). Anchors, aliases, tags, duplicate keys, a second
 * document and more than 8 levels are refused. Inside a value ${VAR}, ${VAR:-default} and ${VAR:?message} are replaced from
 * the environment; an unset VAR without a default is an error, and $${ stands for a plain ${. Keys are never expanded.
 * Environment: HEADRACE__MODEL__WIDTH=64; two underscores stand for a dot, case does not matter.
 * Precedence is the order of the calls, later wins: hr_config_load() does default, file, environment, --set.
 * Values: duration 500ms 5s 10m 1.5h 7d 2w; size 512B 64KiB 16MiB 2GiB; bool true false yes no on off.
 * A property of a list is one key more: kafka.properties.linger.ms=5 replaces linger.ms and leaves the others.
 */
#ifndef HR_DAEMON_CONFIG_H
#define HR_DAEMON_CONFIG_H

#include <stdio.h>

#include "base/error.h"
#include "daemon/settings.h"
#include "model/config.h"

/** Texts, NULL-terminated once there is one; p is NULL when empty. */
struct hr_strings {
	char **p;
	size_t count, cap;
};

#define HR_CTYPE_BOOL bool
#define HR_CTYPE_U32 uint32_t
#define HR_CTYPE_U64 uint64_t
#define HR_CTYPE_F32 float
#define HR_CTYPE_F64 double
#define HR_CTYPE_STRING char *
#define HR_CTYPE_ENUM uint32_t    /* index of the word: see the enums below */
#define HR_CTYPE_DURATION int64_t /* ms */
#define HR_CTYPE_BYTES uint64_t
#define HR_CTYPE_LIST struct hr_strings

enum hr_setting_number {
#define HR_SETTING_NUMBER(member, ...) HR_SETTING_##member,
	HR_SETTINGS(HR_SETTING_NUMBER)
#undef HR_SETTING_NUMBER
	HR_SETTING_COUNT
};

/** events.format is enum hr_format, events.default_kind enum hr_kind (0: none), log.level enum hr_log_level. */
enum hr_events_start { HR_EVENTS_EARLIEST, HR_EVENTS_LATEST };

enum hr_origin { HR_FROM_DEFAULT, HR_FROM_FILE, HR_FROM_ENV, HR_FROM_FLAG };

/** One member for each setting: kafka_brokers, model_width, ... Strings and lists are owned. */
struct hr_config {
#define HR_SETTING_MEMBER(member, key, type, ...) HR_CTYPE_##type member;
	HR_SETTINGS(HR_SETTING_MEMBER)
#undef HR_SETTING_MEMBER
	enum hr_origin origin[HR_SETTING_COUNT];
	char *where[HR_SETTING_COUNT]; /* "etc/headrace.conf:12:3", "environment HEADRACE__...", "--set"; NULL: default; owned */
};

void hr_config_init(struct hr_config *c); /* defaults */
void hr_config_fini(struct hr_config *c);

/** Defaults are in c already: file (NULL: none), environment, sets ("key=value"), then hr_config_check. */
HR_MUST_USE bool hr_config_load(struct hr_config *c, const char *path, const char *const *sets, size_t set_count,
                                struct hr_error *err);

/** HR_E_IO when the file can not be read, HR_E_CONFIG "path:line:column: key: what is wrong". */
HR_MUST_USE bool hr_config_file(struct hr_config *c, const char *path, struct hr_error *err);
HR_MUST_USE bool hr_config_env(struct hr_config *c, struct hr_error *err);
HR_MUST_USE bool hr_config_set(struct hr_config *c, const char *key, const char *value, enum hr_origin origin,
                               struct hr_error *err);
/** "key=value". */
HR_MUST_USE bool hr_config_assign(struct hr_config *c, const char *text, enum hr_origin origin, struct hr_error *err);

/** What no single row can know: required settings, and settings that contradict each other. */
HR_MUST_USE bool hr_config_check(const struct hr_config *c, struct hr_error *err);

/** HR_E_IO with both numbers when the disk of state.dir (or of the nearest folder above it) has less free than state.free_min. */
HR_MUST_USE bool hr_config_disk(const struct hr_config *c, struct hr_error *err);

/**
 * The partitions of events.partitions, ascending.
 * @param topic_partitions  how many the topic has; a higher number in the setting is HR_E_CONFIG
 * @param ret_list  returned: hr_free() it
 */
HR_MUST_USE bool hr_config_partitions(const struct hr_config *c, uint32_t topic_partitions, uint32_t **ret_list,
                                      size_t *ret_count, struct hr_error *err);

/** YAML that hr_config_file reads back, one dotted key a line; origins as comments. Secrets are printed as [hidden]. */
void hr_config_print(const struct hr_config *c, FILE *out, bool with_origin);
/** etc/headrace.conf: every setting with its sentence, unit and bounds; defaults are commented out. */
void hr_config_sample(FILE *out);
/** etc/headrace.conf.5: the same as a manual page. */
void hr_config_man(FILE *out);

void hr_config_model(const struct hr_config *c, struct hr_model_config *ret_model);
/** Every setting that training depends on, in canonical text: "key=value\n" each, as a manifest holds them. */
void hr_config_training(const struct hr_config *c, char *out, size_t out_bytes);

#endif
