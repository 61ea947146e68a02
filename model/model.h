/* model/model.h - pure computation: encoder, losses, optimiser, counters, evaluation. No I/O, no clock. */
#ifndef HR_MODEL_MODEL_H
#define HR_MODEL_MODEL_H

#include "model/batch.h"
#include "model/config.h"
#include "model/counters.h"
#include "model/kernels.h"
#include "model/mix.h"
#include "model/score.h"
#include "model/snapshot.h"
#include "model/trainer.h"

#endif
