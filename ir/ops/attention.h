/* The extents of an attention op: y[n, t, heads * e] from q[n, t, heads * d], k[n, s, kv_heads * d] and
 * v[n, s, kv_heads * e]; `shared` heads of queries use one head of keys and values. */
#ifndef ADZE_IR_OPS_ATTENTION_H
#define ADZE_IR_OPS_ATTENTION_H

#include "ir/op.h"

enum { ATTENTION_Q, ATTENTION_K, ATTENTION_V, ATTENTION_MASK };

struct heads {
    int64_t heads, kv_heads, shared;
    int64_t d, e; /* width of a head of queries and keys, and of values */
    double scale;
};

/* Of an op that passed inference. */
struct heads heads_of(const struct op *op, int64_t q_width, int64_t v_width);

#endif
