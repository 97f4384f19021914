/* RotaryEmbedding: pairs of numbers of each head turned by angles that depend on the position. */
#include "frontend/onnx/importer.h"

#include <inttypes.h>

struct rotary {
    bool interleaved, flat; /* pairs lie side by side, not half a head apart; heads lie in one dimension */
    int64_t heads, size, turned; /* numbers of a head, and how many of them turn */
};

static ref part(struct node *n, ref x, int64_t axis, int64_t start, int64_t end, int64_t step) {
    return emit1_with(n, OP_slice, x, node_attr_ints(n, ATTR_starts, &start, 1),
                      node_attr_ints(n, ATTR_ends, &end, 1), node_attr_ints(n, ATTR_axes, &axis, 1),
                      node_attr_ints(n, ATTR_steps, &step, 1));
}

static enum status read_rotary(struct node *n, ref x, struct rotary *r) {
    uint32_t rank = ref_rank(n->im, x);
    *r = (struct rotary){.interleaved = node_int(n, "interleaved", 0) != 0, .flat = rank == 3};
    r->heads = node_int(n, "num_heads", 0);
    int64_t told = node_int(n, "rotary_embedding_dim", 0);
    if (rank != 3 && rank != 4) return node_error(n, "input 0 has rank %u, expected 3 or 4", rank);
    if (!dim_is_const(&n->im->m->types, ref_dim(n->im, x, rank - 1), &r->size))
        return unsupported(n, "RotaryEmbedding of heads without a size (fix it by --shape or --dim)");
    if (r->flat && (r->heads < 1 || r->size % r->heads))
        return node_error(n, "%" PRId64 " heads in %" PRId64 " numbers", r->heads, r->size);
    if (r->flat) r->size /= r->heads;
    r->turned = told ? told : r->size;
    if (r->turned < 2 || r->turned % 2 || r->turned > r->size)
        return node_error(n, "%" PRId64 " numbers of a head of %" PRId64 " turn", r->turned, r->size);
    return STATUS_OK;
}

static enum status check_angles(struct node *n, const struct rotary *r, uint32_t input) {
    uint32_t rank = ref_rank(n->im, node_in(n, input)), expected = ref_none(node_in(n, 3)) ? 3 : 2;
    int64_t width;
    if (rank != expected) return node_error(n, "input %u has rank %u, expected %u", input, rank, expected);
    dim_id last = ref_dim(n->im, node_in(n, input), rank - 1);
    if (dim_is_const(&n->im->m->types, last, &width) && width != r->turned / 2)
        return node_error(n, "input %u has %" PRId64 " angles for %" PRId64 " pairs", input, width,
                          r->turned / 2);
    return STATUS_OK;
}

/* The cosines or sines of all tokens, beside the heads. */
static ref angles(struct node *n, const struct rotary *r, uint32_t input) {
    ref table = node_in_wide(n, input), at = node_in(n, 3);
    const int64_t heads = r->flat ? 2 : 1;
    if (!ref_none(at)) table = emit2_with(n, OP_gather, table, at, attr_int(ATTR_axis, 0));
    return emit1_with(n, OP_unsqueeze, table, node_attr_ints(n, ATTR_axes, &heads, 1));
}

/* Two halves of pairs put together as they were. */
static ref joined(struct node *n, const struct rotary *r, ref first, ref second) {
    if (!r->interleaved) return emit2_with(n, OP_concat, first, second, attr_int(ATTR_axis, 3));
    const int64_t last = 4;
    if (ref_none(first)) return first;
    const dim_id dims[4] = {ref_dim(n->im, first, 0), ref_dim(n->im, first, 1), ref_dim(n->im, first, 2),
                            dim_const(&n->im->m->types, r->turned)};
    first = emit1_with(n, OP_unsqueeze, first, node_attr_ints(n, ATTR_axes, &last, 1));
    second = emit1_with(n, OP_unsqueeze, second, node_attr_ints(n, ATTR_axes, &last, 1));
    ref pairs = emit2_with(n, OP_concat, first, second, attr_int(ATTR_axis, 4));
    return emit1_with(n, OP_reshape, pairs, node_attr_dims(n, ATTR_shape, dims, 4));
}

enum status import_rotary_embedding(struct node *n) {
    struct types *types = &n->im->m->types;
    ref x = node_in_wide(n, 0), given = x;
    struct rotary r;
    TRY(read_rotary(n, x, &r));
    for (uint32_t i = 1; i <= 2; i++) TRY(check_angles(n, &r, i));
    if (r.flat) {
        const dim_id apart[4] = {ref_dim(n->im, x, 0), ref_dim(n->im, x, 1), dim_const(types, r.heads),
                                 dim_const(types, r.size)};
        x = emit1_with(n, OP_reshape, x, node_attr_dims(n, ATTR_shape, apart, 4));
    }
    int64_t half = r.turned / 2, step = r.interleaved ? 2 : 1;
    ref first = part(n, x, 3, 0, r.interleaved ? r.turned : half, step);
    ref second = part(n, x, 3, r.interleaved ? 1 : half, r.turned, step);
    ref cosine = angles(n, &r, 1), sine = angles(n, &r, 2);
    ref real = emit2(n, OP_sub, emit2(n, OP_mul, cosine, first), emit2(n, OP_mul, sine, second));
    ref imaginary = emit2(n, OP_add, emit2(n, OP_mul, sine, first), emit2(n, OP_mul, cosine, second));
    ref y = joined(n, &r, real, imaginary);
    if (r.turned < r.size)
        y = emit2_with(n, OP_concat, y, part(n, x, 3, r.turned, r.size, 1), attr_int(ATTR_axis, 3));
    if (r.flat) {
        const dim_id dims[3] = {ref_dim(n->im, given, 0), ref_dim(n->im, given, 1), ref_dim(n->im, given, 2)};
        y = emit1_with(n, OP_reshape, y, node_attr_dims(n, ATTR_shape, dims, 3));
    }
    return node_result_narrow(n, y);
}
