/* base/record.h - the names of the pieces a state is made of.
 *
 * A state is a set of records, each named by (class, number). Whoever owns a piece writes its bytes and specifies them
 * in its own header; store/ keeps them, hashes them into the digest and hands them back, without looking inside.
 */
#ifndef HR_BASE_RECORD_H
#define HR_BASE_RECORD_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

enum hr_record_class {
	HR_REC_USER = 'u',     /* number: user; store/history.h */
	HR_REC_ITEM = 'i',     /* number: item row; store/catalogue.h */
	HR_REC_SCHEDULE = 's', /* number: 0; daemon/intake.h: the window of recent events, the event ordinal, stream time */
	HR_REC_PAGE = 'p',     /* number: page of 64 item rows; model/items.h: vectors with optimiser state */
	HR_REC_DENSE = 'w',    /* number: 0; model/trainer.h: dense weights with optimiser state */
	HR_REC_RULES = 'r',    /* number: item row; model/counters.h: what followed it */
	HR_REC_POPULARITY = 'q', /* number: page of 1,024 item rows; model/counters.h */
	HR_REC_TRAINER = 't',  /* number: 0; model/trainer.h: step, evaluation windows, RNG position */
};

/** Takes one record. bytes are borrowed for the call. A NULL bytes with len 0 deletes. */
typedef void hr_record_put_fn(void *ctx, enum hr_record_class cls, uint32_t number, const void *bytes, size_t len);

#endif
