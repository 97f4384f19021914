/* Rules of pooling, reductions and normalizations. */
#include "test/support/fuzz/gen.h"

static struct gen_want nonempty(enum op_kind kind, uint32_t min_rank, uint32_t max_rank) {
    return (struct gen_want){
        .elems = op_info(kind)->elems, .min_rank = min_rank, .max_rank = max_rank, .nonempty = true};
}

static int64_t any_axis(struct gen *g, uint32_t rank) {
    int64_t axis = gen_between(g, 0, (int64_t)rank - 1);
    return gen_chance(g, 30) ? axis - (int64_t)rank : axis;
}

bool gen_rule_pool(struct gen *g, enum op_kind kind) {
    uint32_t spatial = kind == OP_maxpool1d || kind == OP_avgpool1d ? 1 : 2;
    bool average = kind == OP_avgpool1d || kind == OP_avgpool2d;
    value_id x = gen_find(g, nonempty(kind, spatial + 2, spatial + 2));
    int64_t dim[MAX_RANK], window[2], stride[2], dilation[2], pad[4];
    if (!x.i) {
        gen_shape(g, spatial + 2, 2000, dim);
        for (uint32_t i = 0; i < spatial + 2; i++) dim[i] = max_i64(dim[i], 1);
        x = gen_leaf(g, NULL, gen_elem(g, op_info(kind)->elems), spatial + 2, dim);
    }
    gen_dims(g, x, dim);
    bool whole = gen_chance(g, 12); /* global */
    for (uint32_t s = 0; s < spatial; s++) {
        window[s] = whole ? dim[2 + s] : gen_between(g, 1, gen_chance(g, 85) ? 4 : 9);
        stride[s] = gen_chance(g, 40) ? 0 : gen_between(g, 1, 4);
        dilation[s] = gen_chance(g, 75) ? 1 : gen_between(g, 2, 4);
        int64_t extent = (window[s] - 1) * dilation[s] + 1;
        pad[s] = gen_chance(g, 50) ? 0 : gen_between(g, 0, extent - 1);
        pad[spatial + s] = gen_chance(g, 50) ? pad[s] : gen_between(g, 0, extent - 1);
        if (dim[2 + s] + pad[s] + pad[spatial + s] < extent) return false;
    }
    struct attr attrs[6] = {
        attr_ints(g->m, ATTR_window, window, spatial), attr_ints(g->m, ATTR_stride, stride, spatial),
        attr_ints(g->m, ATTR_pad, pad, 2 * spatial), attr_ints(g->m, ATTR_dilation, dilation, spatial),
        attr_bool(ATTR_ceil_mode, gen_chance(g, 30))};
    uint32_t n = 5;
    if (average) attrs[n++] = attr_bool(ATTR_count_pad, gen_chance(g, 50));
    return gen_op(g, kind, &x, 1, attrs, n).i;
}

static struct attr some_axes(struct gen *g, uint32_t rank) {
    int64_t axes[MAX_RANK];
    uint32_t n = 0;
    unsigned percent = gen_chance(g, 50) ? 30 : 60;
    for (uint32_t i = 0; i < rank; i++)
        if (gen_chance(g, percent)) axes[n++] = gen_chance(g, 25) ? (int64_t)i - (int64_t)rank : (int64_t)i;
    return attr_ints(g->m, ATTR_axes, axes, n);
}

bool gen_rule_reduce(struct gen *g, enum op_kind kind) {
    struct gen_want want = nonempty(kind, 0, MAX_RANK);
    want.nonempty = gen_chance(g, 95);
    value_id x = gen_pick(g, want);
    int64_t dim[MAX_RANK];
    struct attr attrs[] = {some_axes(g, gen_dims(g, x, dim)), attr_bool(ATTR_keep, gen_chance(g, 50))};
    return gen_op(g, kind, &x, 1, attrs, 2).i;
}

bool gen_rule_arg(struct gen *g, enum op_kind kind) {
    value_id x = gen_pick(g, nonempty(kind, 1, MAX_RANK));
    int64_t dim[MAX_RANK];
    struct attr attrs[] = {attr_int(ATTR_axis, any_axis(g, gen_dims(g, x, dim))),
                           attr_bool(ATTR_keep, gen_chance(g, 50)), attr_bool(ATTR_last, gen_chance(g, 40))};
    return gen_op(g, kind, &x, 1, attrs, 3).i;
}

bool gen_rule_topk(struct gen *g, enum op_kind kind) {
    value_id x = gen_pick(g, nonempty(kind, 1, MAX_RANK));
    int64_t dim[MAX_RANK], axis = any_axis(g, gen_dims(g, x, dim));
    int64_t extent = dim[axis < 0 ? axis + (int64_t)gen_dims(g, x, dim) : axis];
    int64_t count = gen_chance(g, 25) ? extent : gen_between(g, gen_chance(g, 10) ? 0 : 1, extent);
    struct attr attrs[] = {attr_int(ATTR_axis, axis), attr_int(ATTR_count, count),
                           attr_bool(ATTR_smallest, gen_chance(g, 50))};
    return gen_op(g, kind, &x, 1, attrs, 3).i;
}

bool gen_rule_softmax(struct gen *g, enum op_kind kind) {
    value_id x = gen_pick(g, nonempty(kind, 1, MAX_RANK));
    int64_t dim[MAX_RANK];
    uint32_t rank = gen_dims(g, x, dim);
    struct attr axis = attr_int(ATTR_axis, gen_chance(g, 50) ? -1 : any_axis(g, rank));
    return gen_op(g, kind, &x, 1, &axis, 1).i;
}

bool gen_rule_layernorm(struct gen *g, enum op_kind kind) {
    value_id x = gen_pick(g, nonempty(kind, 1, MAX_RANK)), scale = {0}, bias = {0};
    int64_t dim[MAX_RANK];
    uint32_t rank = gen_dims(g, x, dim);
    int64_t axis = gen_chance(g, 60) ? -1 : any_axis(g, rank);
    uint32_t from = (uint32_t)(axis < 0 ? axis + (int64_t)rank : axis);
    enum elem elem = gen_elem_of(g, x);
    if (gen_chance(g, 75)) scale = gen_parameter(g, elem, rank - from, dim + from, 3);
    if (gen_chance(g, 65)) bias = gen_parameter(g, elem, rank - from, dim + from, 3);
    struct attr attrs[] = {attr_int(ATTR_axis, axis),
                           attr_float(ATTR_epsilon, gen_chance(g, 50) ? 1e-5 : 1e-2)};
    return gen_op(g, kind, (value_id[]){x, scale, bias}, 3, attrs, 2).i;
}

bool gen_rule_batchnorm(struct gen *g, enum op_kind kind) {
    struct gen_want want = nonempty(kind, 2, 5);
    want.nonempty = gen_chance(g, 95);
    value_id operand[5] = {gen_pick(g, want)};
    int64_t dim[MAX_RANK];
    gen_dims(g, operand[0], dim);
    enum elem elem = gen_elem_of(g, operand[0]);
    for (uint32_t i = 1; i < 4; i++) operand[i] = gen_parameter(g, elem, 1, &dim[1], 3);
    operand[4] = gen_leaf(g, FUZZ_POSITIVE, elem, 1, &dim[1]);
    return gen_op(g, kind, operand, 5, NULL, 0).i;
}
