/* base/base.h - what every module may use: errors, memory, bytes, hashing, clocks, queues, counters. */
#ifndef HR_BASE_BASE_H
#define HR_BASE_BASE_H

#include "base/buf.h"
#include "base/clock.h"
#include "base/crash.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/histogram.h"
#include "base/idmap.h"
#include "base/kind.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metric.h"
#include "base/queue.h"
#include "base/record.h"
#include "base/rng.h"

#endif
