/* base/crash.h - named places at which a test can have the process killed, as by a power cut between two instructions.
 *
 * HR_CRASH_POINT=name kills with SIGKILL at the first pass, HR_CRASH_POINT=name:n at the n-th. Unset, a pass costs one
 * getenv(): for barriers and files, not for inner loops. Names in use, in the order of a barrier's life: "open", "before-write",
 * "after-write" (store/), "before-announce", "before-refresh", "in-refresh", "before-marker", "before-flush", "after-refresh"
 * (daemon/).
 */
#ifndef HR_BASE_CRASH_H
#define HR_BASE_CRASH_H

/** Kills the process when HR_CRASH_POINT names this point and this pass. @thread any */
void hr_crash_point(const char *name);

#endif
