#include "daemon/feed.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

enum { ASK_MS = 3000, TOPIC_TIMEOUT_MS = 30000, FLUSH_TIMEOUT_MS = 120000, CLOSE_TIMEOUT_MS = 5000 };

static volatile sig_atomic_t stopped;

/* A second signal ends the program at once, as it would have. */
static void on_signal(int number)
{
	stopped = 1;
	(void)signal(number, SIG_DFL);
}

bool hr_feed_stopped(void) { return stopped != 0; }

static void catch_signals(void)
{
	struct sigaction action = {.sa_handler = on_signal};

	(void)sigemptyset(&action.sa_mask);
	(void)sigaction(SIGINT, &action, NULL);
	(void)sigaction(SIGTERM, &action, NULL);
}

/* A person who mistyped the address should not have to wait for the end to learn of it. */
static bool make_topic(const struct hr_feed *f, struct hr_error *err)
{
	const struct hr_feed_options *o = f->options;

	if (hr_topic_create(&f->kafka, o->topic, o->partitions, /* compact */ false, ASK_MS, err))
		return true;
	if (!err->retriable || hr_feed_stopped())
		return false;
	(void)fprintf(stderr, "headrace: no broker answers at %s yet, trying for %d s more (%s)\n", o->brokers,
	              TOPIC_TIMEOUT_MS / 1000, err->msg);
	return hr_topic_create(&f->kafka, o->topic, o->partitions, false, TOPIC_TIMEOUT_MS, err);
}

bool hr_feed_open(struct hr_feed *f, const struct hr_feed_options *options, struct hr_error *err)
{
	*f = (struct hr_feed){
	        .options = options,
	        .kafka = {.brokers = options->brokers,
	                  .client_id = "headrace",
	                  .group_id = "headrace",
	                  .properties = (const char *const *)options->property.p},
	        .pacer = {.rate = options->rate},
	};
	catch_signals();
	if (!make_topic(f, err) || !hr_sink_open(&f->kafka, &f->sink, err))
		return false;
	hr_progress_begin(&f->progress, "events");
	return true;
}

/* The record's own timestamp is now, not the event's: Kafka keeps records by their timestamps, and a history of last year
 * would be deleted as fast as it is written. */
bool hr_feed_event(struct hr_feed *f, const struct hr_event *event, double share, struct hr_error *err)
{
	hr_pace(&f->pacer, f->sent);
	hr_buf_clear(&f->record);
	hr_event_encode(event, &f->record);
	if (!hr_sink_send(f->sink, f->options->topic, event->user, event->user_len, f->record.p, f->record.len,
	                  /* timestamp_ms */ -1, NULL, 0, err))
		return false;
	f->sent++;
	hr_progress_update(&f->progress, f->sent, share);
	return true;
}

bool hr_feed_finish(struct hr_feed *f, struct hr_error *err)
{
	const bool ok = hr_sink_flush(f->sink, FLUSH_TIMEOUT_MS, err);

	hr_progress_end(&f->progress, ok ? f->sent : hr_sink_delivered(f->sink));
	return ok;
}

void hr_feed_close(struct hr_feed *f)
{
	if (f->sink != NULL)
		hr_sink_close(f->sink, CLOSE_TIMEOUT_MS);
	hr_buf_fini(&f->record);
}
