/* daemon/showcase.h - a few answers in readable form: what the demo prints. */
#ifndef HR_DAEMON_SHOWCASE_H
#define HR_DAEMON_SHOWCASE_H

#include <stdio.h>

#include "daemon/pipeline.h"

/** Three popular items with their nearest neighbours, one user's history with recommendations, by title. */
void hr_showcase(struct hr_pipeline *p, FILE *out);

#endif
