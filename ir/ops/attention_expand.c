/* Attention as primitives: heads become a dimension, two matmuls around a softmax. With fewer heads of keys
 * than of queries there is one more dimension, along which keys and values broadcast. */
#include "ir/ops/attention.h"
#include "ir/ops/functions.h"

#include <math.h>
#include <string.h>

static dim_id dim_of(const struct builder *b, value_id v, uint32_t axis) {
    return dims_at(&b->m->types, value_get(b->m, v)->type.shape, axis);
}

static dim_id constant(const struct builder *b, int64_t value) {
    return dim_const(&b->m->types, value);
}

static value_id reshape(struct builder *b, value_id x, const dim_id *dims, uint32_t rank) {
    struct attr shape = attr_dims(ATTR_shape, dims_make(&b->m->types, dims, rank));
    return x.i ? build(b, OP_reshape, &x, 1, &shape, 1, NULL) : x;
}

static value_id transpose(struct builder *b, value_id x, const int64_t *perm, uint32_t rank) {
    struct attr attr = attr_ints(b->m, ATTR_perm, perm, rank);
    return x.i ? build(b, OP_transpose, &x, 1, &attr, 1, NULL) : x;
}

static value_id apply(struct builder *b, enum op_kind kind, value_id x, value_id y) {
    const value_id operands[] = {x, y};
    return x.i && y.i ? build(b, kind, operands, 2, NULL, 0, NULL) : (value_id){0};
}

static value_id number(struct builder *b, enum elem elem, double value) {
    return module_add_literal(b->m, tensor_scalar_f64(elem, value));
}

/* [n, positions, kv_heads * shared * width] -> [n, kv_heads, shared, positions, width], or the last two
 * swapped. */
static value_id split_heads(struct builder *b, value_id x, int64_t kv_heads, int64_t shared, int64_t width,
                            bool swapped) {
    static const int64_t order[] = {0, 2, 3, 1, 4}, swapping[] = {0, 2, 3, 4, 1};
    const dim_id dims[] = {dim_of(b, x, 0), dim_of(b, x, 1), constant(b, kv_heads), constant(b, shared),
                           constant(b, width)};
    return transpose(b, reshape(b, x, dims, 5), swapped ? swapping : order, 5);
}

/* mask[n | 1, heads | 1, t | 1, s | 1] with its heads in two dimensions. */
static value_id split_mask(struct builder *b, value_id mask, const struct heads *h) {
    uint32_t rank = type_rank(&b->m->types, value_get(b->m, mask)->type);
    if (rank < 3) return mask; /* no heads */
    dim_id dims[5];
    uint32_t n = 0;
    for (uint32_t d = 0; d < rank; d++) {
        dim_id dim = dim_of(b, mask, d);
        bool all_heads = d == rank - 3 && !dim_same(dim, constant(b, 1));
        dims[n++] = all_heads ? constant(b, h->kv_heads) : dim;
        if (d == rank - 3) dims[n++] = constant(b, all_heads ? h->shared : 1);
    }
    return reshape(b, mask, dims, n);
}

static value_id hide(struct builder *b, value_id visible, value_id scores) {
    const value_id operands[] = {visible, scores, number(b, value_get(b->m, scores)->type.elem, -INFINITY)};
    return build(b, OP_where, operands, 3, NULL, 0, NULL);
}

/* What a mask of bool adds: 0, or -Inf where it hides. A score that is NaN stays NaN. */
static value_id as_term(struct builder *b, value_id visible, enum elem elem) {
    const value_id operands[] = {visible, number(b, elem, 0), number(b, elem, -INFINITY)};
    return build(b, OP_where, operands, 3, NULL, 0, NULL);
}

/* The literal [t, s] that is true where j <= i. */
static value_id hide_future(struct builder *b, value_id scores, dim_id t, dim_id s) {
    int64_t dim[2];
    if (!dim_is_const(&b->m->types, t, &dim[0]) || !dim_is_const(&b->m->types, s, &dim[1])) {
        diag_error(b->diag, b->loc,
                   "causal attention expands into primitives for constant numbers of positions only");
        return (value_id){0};
    }
    struct tensor visible = tensor_new(ELEM_bool, 2, dim);
    for (int64_t i = 0; i < dim[0]; i++)
        memset((char *)visible.data + i * dim[1], 1, (size_t)min_i64(i + 1, dim[1]));
    return hide(b, module_add_literal(b->m, visible), scores);
}

static value_id softmax(struct builder *b, value_id x) {
    struct attr axis = attr_int(ATTR_axis, -1);
    return x.i ? build(b, OP_softmax, &x, 1, &axis, 1, NULL) : x;
}

enum status expand_attention(struct builder *b, const struct op *op, value_id *out) {
    value_id q = op->operand[ATTENTION_Q], k = op->operand[ATTENTION_K], v = op->operand[ATTENTION_V];
    bool causal = op_bool(op, ATTR_causal);
    value_id mask = op->operand_count > ATTENTION_MASK ? op->operand[ATTENTION_MASK] : (value_id){0};
    dim_id n = dim_of(b, q, 0), t = dim_of(b, q, 1), s = dim_of(b, k, 1);
    enum elem elem = value_get(b->m, q)->type.elem;
    int64_t q_width, v_width;
    check(dim_is_const(&b->m->types, dim_of(b, q, 2), &q_width) &&
          dim_is_const(&b->m->types, dim_of(b, v, 2), &v_width));
    struct heads h = heads_of(op, q_width, v_width);
    value_id scores = apply(b, OP_matmul, split_heads(b, q, h.kv_heads, h.shared, h.d, false),
                            split_heads(b, k, h.kv_heads, 1, h.d, true));
    scores = apply(b, OP_mul, scores, number(b, elem, h.scale));
    if (scores.i && mask.i) {
        bool visible = value_get(b->m, mask)->type.elem == ELEM_bool;
        mask = split_mask(b, mask, &h);
        scores = apply(b, OP_add, scores, visible && mask.i ? as_term(b, mask, elem) : mask);
    }
    if (scores.i && causal) scores = hide_future(b, scores, t, s);
    value_id y = apply(b, OP_matmul, softmax(b, scores), split_heads(b, v, h.kv_heads, 1, h.e, false));
    static const int64_t joining[] = {0, 3, 1, 2, 4};
    const dim_id joined[] = {n, t, constant(b, h.heads * h.e)};
    out[0] = reshape(b, transpose(b, y, joining, 5), joined, 3);
    return out[0].i ? STATUS_OK : STATUS_FAILED;
}
