/* daemon/evaluate_report.h - the figures of an evaluation, for people and for programs. */
#ifndef HR_DAEMON_EVALUATE_REPORT_H
#define HR_DAEMON_EVALUATE_REPORT_H

#include "daemon/config_priv.h"
#include "daemon/evaluate.h"

void hr_evaluation_print(const struct hr_evaluation *e, FILE *out);

/** @param set  "key=value" of every setting that was given */
HR_MUST_USE bool hr_evaluation_write(const struct hr_evaluation *e, enum hr_protocol protocol, enum hr_learn learn,
                                     uint64_t seed, const struct hr_strings *set, const char *path, struct hr_error *err);

#endif
