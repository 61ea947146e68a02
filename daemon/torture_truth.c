/* The truth of a torture: what every barrier writes, and the digest that it must have. */
#include <string.h>

#include "daemon/torture_priv.h"

bool hr_torture_record(uint64_t seed, uint64_t n, uint32_t i, uint8_t bytes[HR_TORTURE_RECORD_MAX], size_t *ret_len)
{
	struct hr_rng touch = hr_rng_stream(seed, HR_TORTURE_TOUCH, n * HR_TORTURE_RECORDS + i);
	struct hr_rng fill = hr_rng_stream(seed, HR_TORTURE_BYTES, n * HR_TORTURE_RECORDS + i);
	const uint32_t kind = hr_rng_below(&touch, 16);

	if (kind > 4)
		return false;
	*ret_len = kind == 0 ? 0 : 16 + hr_rng_below(&touch, HR_TORTURE_RECORD_MAX - 16);
	for (size_t at = 0; at < *ret_len; at += 8) {
		const uint64_t word = hr_rng_u64(&fill);
		memcpy(bytes + at, &word, *ret_len - at < 8 ? *ret_len - at : 8);
	}
	return true;
}

struct hr_hash128 hr_torture_hash(uint8_t cls, uint32_t number, const void *bytes, size_t len)
{
	HR_AUTO(hr_buf_fini) struct hr_buf named = {0};

	hr_buf_u8(&named, cls);
	hr_buf_u32(&named, number);
	hr_buf_bytes(&named, bytes, len);
	return hr_hash128(named.p, named.len, HR_STATE_FORMAT);
}

static void learn_next(struct hr_torture *t)
{
	struct hr_hash128 digest = t->known == 0 ? (struct hr_hash128){0} : t->digest[t->known];
	uint8_t bytes[HR_TORTURE_RECORD_MAX];
	size_t len;

	t->known++;
	for (uint32_t i = 0; i < HR_TORTURE_RECORDS; i++) {
		if (!hr_torture_record(t->expected_seed, t->known, i, bytes, &len))
			continue;
		digest = hr_hash128_sub(digest, t->hash[i]);
		t->hash[i] = len == 0 ? (struct hr_hash128){0} : hr_torture_hash(HR_REC_USER, i, bytes, len);
		digest = hr_hash128_add(digest, t->hash[i]);
	}
	t->digest = hr_grow(t->digest, &t->digest_cap, t->known + 1, sizeof *t->digest);
	t->digest[t->known] = digest;
}

struct hr_hash128 hr_torture_digest(struct hr_torture *t, uint64_t barrier)
{
	while (t->known < barrier)
		learn_next(t);
	return barrier == 0 ? (struct hr_hash128){0} : t->digest[barrier];
}

void hr_torture_expect(struct hr_torture *t, uint64_t seed)
{
	t->expected_seed = seed;
	t->known = 0;
	memset(t->hash, 0, sizeof t->hash);
}
