/* model/kernels_vector.h - the body of a vector set: the includer has chosen the instructions and kernels_simd_*.h. */
#include "model/kernels_math.h"

#include "model/kernels_fp32.h"

#include "model/kernels_rows.h"

#include "model/kernels_attention.h"

#include "model/kernels_coarse.h"

#define HR_VECTOR_KERNELS(set) \
	{ \
		.name = set, .packed_bytes = packed_bytes, .pack = pack, .linear = linear, \
		.linear_from = linear_from, .linear_dx = linear_dx, .linear_dw = linear_dw, .gemm_nn = gemm_nn, .gemm_nt = gemm_nt, .gemm_tn = gemm_tn, \
		.attention = attention, .attention_back = attention_back, .norm = norm, .norm_back = norm_back, \
		.unit = unit_rows, .unit_back = unit_rows_back, .gelu = gelu, .gelu_back = gelu_back, \
		.add_dropped = add_dropped, .dropped = dropped, .softmax_xent = softmax_xent, .adamw = adamw, \
		.adagrad_row = adagrad_row, .scores = scores, .coarse = coarse, .logs = logs, \
		.count_open = count_open, \
	}
