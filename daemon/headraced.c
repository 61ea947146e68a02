/* daemon/headraced.c - the daemon: configuration, start, signals, stop. */
#include <getopt.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/base.h"
#include "daemon/config.h"
#include "daemon/exit.h"
#include "daemon/pipeline.h"
#include "daemon/tool.h"

static const char usage[] =
	"usage: headraced [--config FILE] [--set KEY=VALUE]...\n"
	"       headraced replay --state DIR ...    makes a state anew from the log; replay --help tells more\n"
	"\n"
	"Consumes events from Kafka, trains on them as they come, publishes vectors, answers queries over HTTP.\n"
	"\n"
	"  --config FILE     YAML; every setting: headrace config sample\n"
	"  --set KEY=VALUE   overrides one setting, as in --set kafka.brokers=localhost:9092; may be repeated\n"
	"  --help, --version\n"
	"\n"
	"Signals: TERM and INT drain, write a last barrier and exit 0; a second one exits at once.\n"
	"Exit codes: 0 stopped on request, 64 usage, 65 data, 69 broker away, 70 internal, 74 disk, 78 configuration.\n";

static HR_NORETURN void fail(const struct hr_error *err)
{
	hr_pipeline_die("can not start", err);
}

/* Flags beat the environment, which beats the file, which beats the defaults: hr_config_load reads them in that order. */
static void read_config(struct hr_config *c, int argc, char **argv)
{
	static const struct option options[] = {{"config", required_argument, NULL, 'c'},
	                                        {"set", required_argument, NULL, 's'},
	                                        {"help", no_argument, NULL, 'h'},
	                                        {"version", no_argument, NULL, 'v'},
	                                        {0}};
	const char **sets = hr_alloc((size_t)argc, sizeof *sets), *path = NULL;
	size_t set_count = 0;
	struct hr_error err;
	int opt;

	while ((opt = getopt_long(argc, argv, "c:s:h", options, NULL)) != -1) {
		switch (opt) {
		case 'c': path = optarg; break;
		case 's': sets[set_count++] = optarg; break;
		case 'h': (void)fputs(usage, stdout); exit(HR_EXIT_OK);
		case 'v': (void)puts(PACKAGE_STRING); exit(HR_EXIT_OK);
		default: (void)fputs(usage, stderr); exit(HR_EXIT_USAGE);
		}
	}
	if (optind != argc) {
		(void)fprintf(stderr, "headraced: %s: no such argument\n%s", argv[optind], usage);
		exit(HR_EXIT_USAGE);
	}
	hr_config_init(c);
	if (!hr_config_load(c, path, sets, set_count, &err) || !hr_config_disk(c, &err))
		fail(&err);
	hr_free(sets);
}

static sigset_t stop_signals(void)
{
	sigset_t set;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGINT);
	return set;
}

/* Waits for the second request while the first is being carried out. */
static void *exit_at_once(void *unused)
{
	const sigset_t set = stop_signals();
	int sig;

	(void)unused;
	(void)sigwait(&set, &sig);
	hr_log(HR_LOG_WARNING, "second signal: leaving at once; the next start goes on from the last barrier", "signal=%d", sig);
	_exit(128 + sig);
}

int main(int argc, char **argv)
{
	const sigset_t set = stop_signals();
	struct hr_config config;
	struct hr_pipeline *p;
	struct hr_error err;
	pthread_t watcher;
	int sig;

	if (argc > 1 && strcmp(argv[1], "replay") == 0) {
		bool live;
		const int code = hr_cmd_replay(argc - 1, argv + 1, &config, &live);

		if (!live) {
			hr_config_fini(&config);
			return code;
		}
	} else {
		read_config(&config, argc, argv);
	}
	hr_log_set_level((enum hr_log_level)config.log_level);
	(void)signal(SIGPIPE, SIG_IGN);
	(void)pthread_sigmask(SIG_BLOCK, &set, NULL); /* one thread takes signals: this one */
	if (!hr_pipeline_start(&config, &p, &err))
		fail(&err);
	(void)sigwait(&set, &sig);
	hr_log(HR_LOG_INFO, "stopping: draining, then a last barrier", "signal=%d", sig);
	if (pthread_create(&watcher, NULL, exit_at_once, NULL) == 0)
		(void)pthread_detach(watcher);
	hr_pipeline_stop(p);
	hr_pipeline_free(p);
	hr_config_fini(&config);
	return 0;
}
