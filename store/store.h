/* store/store.h - the durable state: histories, catalogue, records, barriers. */
#ifndef HR_STORE_STORE_H
#define HR_STORE_STORE_H

#include "store/barrier.h"
#include "store/catalogue.h"
#include "store/checkpoint.h"
#include "store/history.h"
#include "store/state.h"

#endif
