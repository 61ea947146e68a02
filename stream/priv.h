/* stream/priv.h - what the files of stream/ share. */
#ifndef HR_STREAM_PRIV_H
#define HR_STREAM_PRIV_H

#include "stream/event.h"

/** Reads headrace.v1.Event into ret_event, whose fields are already the defaults. Checks the bytes, not the values. */
enum hr_reject hr_protobuf_read(const uint8_t *p, size_t len, struct hr_event *ret_event);

/* ---- JSON: event_json.c says what a member means, event_simdjson.cc finds the members ---- */

#define HR_JSON_DEPTH_MAX 32 /* nesting of a record */
#define HR_JSON_NODES_MAX 64 /* so that one bit each fits a word */
#define HR_JSON_PADDING 64   /* bytes that simdjson may read past a record */

enum hr_json_member { HR_JSON_USER, HR_JSON_ITEM, HR_JSON_KIND, HR_JSON_TIME, HR_JSON_ID, HR_JSON_WEIGHT, HR_JSON_SESSION,
	              HR_JSON_MEMBERS };

/** One key of the field map. The children of a node are its keys one level down; a node may have several members. */
struct hr_json_node {
	const char *key;
	size_t key_len;
	unsigned members;   /* bit m: the value is that of enum hr_json_member m */
	int child, sibling; /* index of the first child and of the next node beside this one; -1: none */
};

enum hr_json_type { HR_JSON_ABSENT, HR_JSON_STRING, HR_JSON_INTEGER, HR_JSON_HUGE, HR_JSON_REAL, HR_JSON_OTHER };

/** A value found; null counts as absent. text points into the parser until its next read. */
struct hr_json_value {
	enum hr_json_type type;
	const char *text; /* STRING */
	size_t text_len;
	int64_t integer; /* INTEGER */
	uint64_t huge;   /* HUGE: an integer above INT64_MAX */
	double real;     /* REAL */
};

struct hr_json_parser;
struct hr_json_parser *hr_json_parser_new(void); /* NULL: no memory */
void hr_json_parser_free(struct hr_json_parser *parser);

/**
 * Parses one record and fills values[member] for the members in the map; nodes[0] is the first top-level key.
 * @param padded  the record, with HR_JSON_PADDING readable bytes behind it
 * @return HR_ACCEPTED, MALFORMED (bad JSON, too deep, a mapped key twice) or TYPE (not an object where the map goes on)
 */
enum hr_reject hr_json_read(struct hr_json_parser *parser, const char *padded, size_t len,
                            const struct hr_json_node *nodes, struct hr_json_value values[HR_JSON_MEMBERS]);

struct hr_json;
struct hr_json *hr_json_new(const struct hr_json_fields *fields, uint8_t default_kind); /* NULL: the map clashes */
void hr_json_free(struct hr_json *j);
enum hr_reject hr_json_decode(struct hr_json *j, const void *value, size_t len, struct hr_event *ret_event);

#endif
