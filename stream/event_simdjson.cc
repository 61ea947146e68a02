/* simdjson behind C: parses a record whole (so that it is valid JSON and UTF-8 to its end) and picks the mapped members.
 * No exception leaves this file: it is compiled without them. */
#include <simdjson.h>

#include <cstring>
#include <new>

extern "C" {
#include "stream/priv.h"
}

static_assert(HR_JSON_PADDING >= simdjson::SIMDJSON_PADDING, "simdjson reads further than the buffer goes");

struct hr_json_parser {
	simdjson::dom::parser parser{HR_RECORD_MAX};
};

extern "C" struct hr_json_parser *hr_json_parser_new(void)
{
	auto *p = new (std::nothrow) hr_json_parser;

	/* All memory and the depth bound are set here; a record that fits can not make the parser allocate again. One more,
	 * because simdjson refuses the level that reaches its bound. */
	if (p != nullptr && p->parser.allocate(HR_RECORD_MAX, HR_JSON_DEPTH_MAX + 1) == simdjson::SUCCESS)
		return p;
	delete p;
	return nullptr;
}

extern "C" void hr_json_parser_free(struct hr_json_parser *parser) { delete parser; }

static void take_value(simdjson::dom::element from, struct hr_json_value &to)
{
	std::string_view text;

	if (from.get(text) == simdjson::SUCCESS) {
		to.type = HR_JSON_STRING;
		to.text = text.data();
		to.text_len = text.size();
	} else if (from.get(to.integer) == simdjson::SUCCESS) {
		to.type = HR_JSON_INTEGER;
	} else if (from.get(to.huge) == simdjson::SUCCESS) {
		to.type = HR_JSON_HUGE;
	} else if (from.get(to.real) == simdjson::SUCCESS) {
		to.type = HR_JSON_REAL;
	} else {
		to.type = from.is_null() ? HR_JSON_ABSENT : HR_JSON_OTHER;
	}
}

/* Which of the nodes from first on has this key; -1: none. */
static int find_key(const struct hr_json_node *nodes, int first, std::string_view key)
{
	int i = first;

	while (i >= 0 && (nodes[i].key_len != key.size() || std::memcmp(nodes[i].key, key.data(), key.size()) != 0))
		i = nodes[i].sibling;
	return i;
}

/* Goes down only along the map, so its depth is that of the map, not of the record. */
static enum hr_reject walk(simdjson::dom::object object, const struct hr_json_node *nodes, int first,
                           struct hr_json_value *values)
{
	uint64_t seen = 0; /* bit i: nodes[i] */

	for (const auto field : object) {
		const int i = find_key(nodes, first, field.key);
		if (i < 0)
			continue;
		if ((seen >> i & 1) != 0)
			return HR_REJECT_MALFORMED; /* which of the two is meant? */
		seen |= UINT64_C(1) << i;
		for (int m = 0; m < HR_JSON_MEMBERS; m++) {
			if ((nodes[i].members >> m & 1) != 0)
				take_value(field.value, values[m]);
		}
		if (nodes[i].child < 0 || field.value.is_null())
			continue;
		simdjson::dom::object inner;
		if (field.value.get(inner) != simdjson::SUCCESS)
			return HR_REJECT_TYPE;
		const enum hr_reject why = walk(inner, nodes, nodes[i].child, values);
		if (why != HR_ACCEPTED)
			return why;
	}
	return HR_ACCEPTED;
}

extern "C" enum hr_reject hr_json_read(struct hr_json_parser *parser, const char *padded, size_t len,
                                       const struct hr_json_node *nodes, struct hr_json_value values[HR_JSON_MEMBERS])
{
	simdjson::dom::object top;

	if (parser->parser.parse(padded, len, /* realloc_if_needed */ false).get(top) != simdjson::SUCCESS)
		return HR_REJECT_MALFORMED;
	return walk(top, nodes, 0, values);
}
