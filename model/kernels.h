/* model/kernels.h - the arithmetic, behind one table of functions chosen at start.
 *
 * Sets: "reference" (plain C, OpenBLAS for the matrix products), "avx2", "avx512", "avx512bf16" (vdpbf16ps), "amx".
 * HEADRACE_KERNELS=NAME forces one; a set that the processor lacks is refused by name. Rules for every set:
 *   - a pure function of its arguments: same bits on every call, whatever the thread;
 *   - dense row-major arrays, shapes beside the names, no allocation, no globals; scratch is given;
 *   - "dx += " means added, the caller zeroes once a step; "y = " means assigned;
 *   - master weights, activations and gradients are fp32 in memory; a bf16 set rounds inside.
 */
#ifndef HR_MODEL_KERNELS_H
#define HR_MODEL_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/** Floats of scratch that a call on P rows of at most N columns may use, aligned to 64 bytes: linear* take (P, max(in, out)),
 * gemm_* (N, K) whatever M is, attention* (T, max(T, d)), scores (Q, D). */
#define HR_SCRATCH_FLOATS(P, N) ((size_t)4 * ((P) + 64) * ((N) + 64))

/** y = x w + b, w (in, out) row-major. packed: the set's own copy of w, refreshed by pack() whenever w changed. */
struct hr_linear {
	size_t in, out;
	const float *w; /* (in, out) */
	const float *b; /* (out), NULL for none */
	void *packed;   /* packed_bytes(in, out), 64-byte aligned; NULL when that is 0 */
};

/** Dropout that needs no stored mask: element i of a tensor is kept when bits(key, i) say so, the same in both directions. */
struct hr_dropout {
	uint64_t key; /* from hr_random_bits(seed, step, layer, ...) */
	float p;      /* share dropped, below 1, in steps of 1/65536; 0: off. Kept elements are scaled by 1 / (1 - p) */
};

/** Attention of one sequence and one head. Rows of q, k, v are ld floats apart, those of the output and its gradient ld_o. */
struct hr_attention {
	size_t T, d;         /* positions, head width */
	size_t ld, ld_o;
	const float *q, *k, *v; /* (T, d) */
	const float *bias;   /* (T, T) row i: bias of keys 0..i for query i, added after scaling; causal: j > i is never read */
	float *probs;        /* (T, T) out of forward, in of backward: softmax before dropout; above the diagonal unspecified */
	struct hr_dropout drop;
	uint64_t drop_at;    /* number of element (0, 0) of this head's probs in the dropout stream; row i starts at drop_at + i T */
	size_t first;        /* forward alone: queries before it are left out, and q, bias, o, probs of theirs not touched */
};

/** A query in eight bits against rows in seven: model/coarse.h. */
struct hr_coarse_query {
	const int8_t *code; /* (D) */
	int32_t zero;       /* what the codes' offset adds to every product */
	float step;         /* score = step * scale of the row * (product - zero) ... */
	float reach, rest;  /* ... within reach * rest of the row + rest */
};

struct hr_kernels {
	const char *name;
	size_t (*packed_bytes)(size_t in, size_t out);
	void (*pack)(struct hr_linear *l);

	/* ---- dense layers: x (P, in), y (P, out), rows dense ---- */
	void (*linear)(float *y, const float *x, const struct hr_linear *l, size_t P, float *scratch);            /* y = x w + b */
	/* the same bits in the columns from `from` on; what the others hold is unspecified */
	void (*linear_from)(float *y, const float *x, const struct hr_linear *l, size_t from, size_t P, float *scratch);
	void (*linear_dx)(float *dx, const float *dy, const struct hr_linear *l, size_t P, bool add, float *scratch); /* dx (+)= dy w' */
	void (*linear_dw)(float *dw, float *db, const float *x, const float *dy, size_t in, size_t out, size_t P,
	                  float *scratch);                                                    /* dw += x' dy; db += column sums, NULL allowed */

	/* ---- general products, C (M, N), leading dimensions in floats ---- */
	void (*gemm_nn)(float *C, size_t ldc, const float *A, size_t lda, const float *B, size_t ldb, size_t M, size_t N,
	                size_t K, bool add, float *scratch); /* C (+)= A B,  A (M,K), B (K,N) */
	void (*gemm_nt)(float *C, size_t ldc, const float *A, size_t lda, const float *B, size_t ldb, size_t M, size_t N,
	                size_t K, bool add, float *scratch); /* C (+)= A B', A (M,K), B (N,K) */
	void (*gemm_tn)(float *C, size_t ldc, const float *A, size_t lda, const float *B, size_t ldb, size_t M, size_t N,
	                size_t K, bool add, float *scratch); /* C (+)= A' B, A (K,M), B (K,N) */

	/* ---- attention: o = dropout(softmax(q k' / sqrt(d) + bias, causal)) v; probs NULL when there is no way back ---- */
	void (*attention)(float *o, const struct hr_attention *a, float *scratch);
	/* adds to dq, dk, dv (rows ld apart) and to dbias (T, T), which may be NULL */
	void (*attention_back)(float *dq, float *dk, float *dv, float *dbias, const float *do_, const struct hr_attention *a,
	                       float *scratch);

	/* ---- rows of width D ---- */
	/* y = (x - mean) rstd g + b; keeps xhat (P, D), which may be y when there is no way back, and rstd (P). Epsilon 1e-5. Ba et al. 2016 */
	void (*norm)(float *y, float *xhat, float *rstd, const float *x, const float *g, const float *b, size_t P, size_t D);
	void (*norm_back)(float *dx, float *dg, float *db, const float *dy, const float *xhat, const float *rstd, const float *g,
	                  size_t P, size_t D); /* dx += */
	/* y = x / |x|, keeps 1/|x| (P); |x| is bounded below by 1e-6 */
	void (*unit)(float *y, float *inv, const float *x, size_t P, size_t D);
	void (*unit_back)(float *dx, const float *dy, const float *y, const float *inv, size_t P, size_t D); /* dx += */

	/* ---- element-wise, n elements ---- */
	void (*gelu)(float *y, const float *x, size_t n); /* tanh form, Hendrycks and Gimpel 2016; y may be x */
	void (*gelu_back)(float *dx, const float *dy, const float *x, size_t n); /* dx = */
	/* y += dropout(x), element i of the stream is at + i */
	void (*add_dropped)(float *y, const float *x, const struct hr_dropout *drop, uint64_t at, size_t n);
	/* y = dropout(x); also the backward of it, with dy in place of x. y may be x */
	void (*dropped)(float *y, const float *x, const struct hr_dropout *drop, uint64_t at, size_t n);

	/* ---- softmax cross-entropy over the rows of logits (P, C), rows ld apart, in place:
	 * logits become (softmax - onehot(label)) * weight[p]; returns sum_p weight[p] * -log softmax[label].
	 * bias (C) is added to every logit first except the label's own, NULL for none (the -log inclusion of sampled softmax);
	 * a logit that is -INFINITY stays out ---- */
	double (*softmax_xent)(float *logits, size_t ld, const float *bias, const uint32_t *label, const float *weight, size_t P,
	                       size_t C);

	/* ---- optimisers ---- */
	/* AdamW (Loshchilov and Hutter 2019): t counts from 1; g is zeroed afterwards */
	void (*adamw)(float *w, float *m, float *v, float *g, size_t n, float rate, float beta1, float beta2, float eps,
	              float decay, uint64_t t);
	/* row-wise Adagrad of one row: *acc += mean(g^2); w -= rate g / sqrt(acc), the change's norm clipped to clip (0: off) */
	void (*adagrad_row)(float *w, float *acc, const float *g, size_t D, float rate, float clip);

	/* ---- search: scores (Q, N) = q (Q, D) . rows (N, D) ---- */
	void (*scores)(float *scores, size_t ld, const float *q, const float *rows, size_t Q, size_t N, size_t D, float *scratch);
	/* upper (16 blocks) = coarse score + bonus + everything it may be wrong by; over (blocks): bit r is set when that of the
	 * block's row r is at least bar. code, scale, rest: of those blocks, as in model/coarse.h; bonus (16 blocks), NULL for none */
	void (*coarse)(float *upper, uint16_t *over, float bar, const struct hr_coarse_query *q, const uint8_t *code,
	               const float *scale, const float *rest, const float *bonus, size_t blocks, size_t D);
	/* y = log(x), x > 0, relative error below 4e-7 */
	void (*logs)(float *y, const float *x, size_t n);
	/* how many x[i] >= bar have open[i] = 1; open is 0 or 1, n below 2^24 */
	size_t (*count_open)(const float *x, const float *open, float bar, size_t n);
};

/** The reference set; always there. */
const struct hr_kernels *hr_kernels_reference(void);

/** The set named, or the best one for this processor when name is NULL or "auto". HR_E_CONFIG with the list of names. */
HR_MUST_USE bool hr_kernels_choose(const char *name, const struct hr_kernels **ret_kernels, struct hr_error *err);

/** Names of the sets that this processor can run, best first, NULL-terminated. */
const char *const *hr_kernels_available(void);

/** Keep bits of 16 elements in a row: bit b set = element at + b is kept. The one definition of dropout's randomness. */
uint16_t hr_dropout_bits(const struct hr_dropout *drop, uint64_t at_multiple_of_16);

#endif
