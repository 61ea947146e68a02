#include <stdarg.h>
#include <stdio.h>

#include "serve/priv.h"

bool hr_problem(struct hr_problem *problem, unsigned status, const char *fmt, ...)
{
	va_list args;

	problem->status = status;
	problem->allow = NULL;
	va_start(args, fmt);
	(void)vsnprintf(problem->detail, sizeof problem->detail, fmt, args);
	va_end(args);
	return false;
}

static const char *status_title(unsigned status)
{
	switch (status) {
	case 400: return "Bad Request";
	case 404: return "Not Found";
	case 405: return "Method Not Allowed";
	case 413: return "Content Too Large";
	case 414: return "URI Too Long";
	case 503: return "Service Unavailable";
	default: return "Internal Server Error";
	}
}

void hr_reply_problem(struct hr_reply *reply, const struct hr_problem *problem)
{
	struct hr_json j = {.out = &reply->body};

	reply->status = problem->status;
	reply->content_type = "application/problem+json";
	reply->allow = problem->allow;
	hr_buf_clear(&reply->body);
	hr_json_open(&j, '{');
	hr_json_key(&j, "type");
	hr_json_string(&j, "about:blank");
	hr_json_key(&j, "title");
	hr_json_string(&j, status_title(problem->status));
	hr_json_key(&j, "status");
	hr_json_u64(&j, problem->status);
	hr_json_key(&j, "detail");
	hr_json_string(&j, problem->detail);
	hr_json_close(&j, '}');
}
