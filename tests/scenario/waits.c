/* tests/scenario/waits.c - preloaded in front of libfaketime, which moves timespec_get but not cnd_timedwait: librdkafka takes the
 * end of every wait from the first and hands it to the second, so that a second would last as long as the clock is moved. */
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int timespec_get(struct timespec *now, int base)
{
	return base == TIME_UTC && syscall(SYS_clock_gettime, CLOCK_REALTIME, now) == 0 ? base : 0;
}
