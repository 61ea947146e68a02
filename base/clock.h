/* base/clock.h - the two clocks. Neither may be read by model/ or store/: what they compute must not depend on the time. */
#ifndef HR_BASE_CLOCK_H
#define HR_BASE_CLOCK_H

#include <stdint.h>

int64_t hr_wall_ms(void);  /* ms since 1970 UTC */
int64_t hr_mono_us(void);  /* never goes back; only differences mean anything */
int64_t hr_thread_cpu_us(void);  /* CPU time of the calling thread */
int64_t hr_process_cpu_us(void); /* CPU time of all threads of this process */

#endif
