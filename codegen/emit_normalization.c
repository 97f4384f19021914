/* Kernels of softmax, log_softmax, layernorm and batchnorm: a few passes over each line of elements.
 *
 * Lines of softmax along an inner dimension lie side by side in the lanes of vectors. Operand and result may
 * be the same memory: a line is read before it is written. */
#include "codegen/emit_reduction.h"
#include "codegen/fold.h"
#include "codegen/register.h"
#include "codegen/simd_memory.h"
#include "codegen/vmath.h"
#include "ir/ops/shape.h"

#include <math.h>

struct normalizer {
    struct emit *e;
    const struct op *op;
    enum elem elem, acc;
    bool logarithm;          /* log_softmax */
    bool keeps_exponentials; /* softmax: e^(x - max) is stored on the way, unless that would round it */
    struct line line;
    LLVMValueRef from, to, scale, bias; /* pointers, scale and bias may be NULL */
    LLVMValueRef shift, factor;         /* of the pass that is emitted, in all lanes */
};

static LLVMValueRef load(const struct normalizer *n, LLVMValueRef pointer, const struct line_at *at,
                         double fill) {
    return register_cast(n->e, line_load(&n->line, pointer, at, fill), n->elem, n->acc);
}

static void store(const struct normalizer *n, const struct line_at *at, LLVMValueRef y) {
    line_store(&n->line, n->to, at, register_round(n->e, n->elem, register_cast(n->e, y, n->acc, n->elem)));
}

static LLVMValueRef number(const struct normalizer *n, double value) {
    return register_number(n->e, n->acc, value, n->line.lanes);
}

static LLVMValueRef subtract(const struct normalizer *n, LLVMValueRef x, LLVMValueRef y) {
    return LLVMBuildFSub(n->e->builder, x, y, "");
}

static void fold_line(struct normalizer *n, struct fold *fold, LLVMValueRef *acc) {
    fold->ctx = n;
    for (uint32_t k = 0; k < fold->count; k++) acc[k] = fold->identity[k];
    line_fold(&n->line, fold, acc);
    fold_across(&n->line, fold, acc);
}

static void merge_sums(void *ctx, LLVMValueRef *acc, const LLVMValueRef *other) {
    const struct normalizer *n = ctx;
    acc[0] = LLVMBuildFAdd(n->e->builder, acc[0], other[0], "");
}

static void merge_two_sums(void *ctx, LLVMValueRef *acc, const LLVMValueRef *other) {
    const struct normalizer *n = ctx;
    for (uint32_t k = 0; k < 2; k++) acc[k] = LLVMBuildFAdd(n->e->builder, acc[k], other[k], "");
}

/* -- softmax -- */

static void step_max(void *ctx, const struct line_at *at, LLVMValueRef *acc) {
    const struct normalizer *n = ctx;
    acc[0] = vmath_max(n->e->builder, acc[0], load(n, n->from, at, -INFINITY));
}

static void merge_max(void *ctx, LLVMValueRef *acc, const LLVMValueRef *other) {
    const struct normalizer *n = ctx;
    acc[0] = vmath_max(n->e->builder, acc[0], other[0]);
}

static LLVMValueRef exponential(const struct normalizer *n, const struct line_at *at) {
    return vmath_exp(n->e->builder, subtract(n, load(n, n->from, at, -INFINITY), n->shift));
}

static void step_exponential(void *ctx, const struct line_at *at, LLVMValueRef *acc) {
    const struct normalizer *n = ctx;
    LLVMValueRef y = exponential(n, at);
    if (n->keeps_exponentials) store(n, at, y);
    /* Where the shift is -Inf, -Inf beyond the end gives NaN: rightly so, all the line is NaN then. */
    acc[0] = LLVMBuildFAdd(n->e->builder, acc[0], y, "");
}

static void write_softmax(void *ctx, const struct line_at *at) {
    const struct normalizer *n = ctx;
    LLVMBuilderRef b = n->e->builder;
    if (n->logarithm) {
        LLVMValueRef x = subtract(n, load(n, n->from, at, 0), n->shift);
        store(n, at, subtract(n, x, n->factor));
        return;
    }
    LLVMValueRef y = n->keeps_exponentials ? load(n, n->to, at, 0) : exponential(n, at);
    store(n, at, LLVMBuildFMul(b, y, n->factor, ""));
}

static void softmax_line(struct normalizer *n) {
    LLVMBuilderRef b = n->e->builder;
    LLVMValueRef acc[FOLD_MAX];
    struct fold max = {.count = 1, .step = step_max, .merge = merge_max, .identity = {number(n, -INFINITY)}};
    fold_line(n, &max, acc);
    n->shift = acc[0];
    struct fold sum = {.count = 1, .step = step_exponential, .merge = merge_sums, .identity = {number(n, 0)}};
    fold_line(n, &sum, acc);
    n->factor = n->logarithm ? vmath_log(b, acc[0]) : LLVMBuildFDiv(b, number(n, 1), acc[0], "");
    line_each(&n->line, write_softmax, n);
}

/* -- layernorm -- */

static void step_sum(void *ctx, const struct line_at *at, LLVMValueRef *acc) {
    const struct normalizer *n = ctx;
    acc[0] = LLVMBuildFAdd(n->e->builder, acc[0], load(n, n->from, at, 0), "");
}

/* Sums of x - shift and of its square. */
static void step_moments(void *ctx, const struct line_at *at, LLVMValueRef *acc) {
    const struct normalizer *n = ctx;
    LLVMBuilderRef b = n->e->builder;
    LLVMValueRef d = subtract(n, load(n, n->from, at, 0), n->shift);
    if (at->mask) d = LLVMBuildSelect(b, at->mask, d, number(n, 0), "");
    acc[0] = LLVMBuildFAdd(b, acc[0], d, "");
    acc[1] = simd_fma(b, d, d, acc[1]);
}

/* n->shift is the mean as first found, n->factor 1 / deviation; rest is what the mean was off. */
struct layer {
    struct normalizer *n;
    LLVMValueRef rest;
};

static void write_layer(void *ctx, const struct line_at *at) {
    const struct layer *layer = ctx;
    const struct normalizer *n = layer->n;
    LLVMBuilderRef b = n->e->builder;
    LLVMValueRef y = subtract(n, subtract(n, load(n, n->from, at, 0), n->shift), layer->rest);
    y = LLVMBuildFMul(b, y, n->factor, "");
    if (n->scale) y = LLVMBuildFMul(b, y, load(n, n->scale, at, 0), "");
    if (n->bias) y = LLVMBuildFAdd(b, y, load(n, n->bias, at, 0), "");
    store(n, at, y);
}

/* The mean of large numbers is off by its rounding; the second pass measures by how much. */
static void layer_line(struct normalizer *n) {
    LLVMBuilderRef b = n->e->builder;
    LLVMValueRef acc[FOLD_MAX], count = number(n, (double)n->line.extent);
    struct fold sum = {.count = 1, .step = step_sum, .merge = merge_sums, .identity = {number(n, 0)}};
    fold_line(n, &sum, acc);
    n->shift = LLVMBuildFDiv(b, acc[0], count, "");
    struct fold moments = {
        .count = 2, .step = step_moments, .merge = merge_two_sums, .identity = {number(n, 0), number(n, 0)}};
    fold_line(n, &moments, acc);
    struct layer layer = {n, LLVMBuildFDiv(b, acc[0], count, "")};
    LLVMValueRef variance = LLVMBuildFDiv(b, acc[1], count, "");
    variance = subtract(n, variance, LLVMBuildFMul(b, layer.rest, layer.rest, ""));
    variance = simd_at_least(b, variance, 0);
    variance = LLVMBuildFAdd(b, variance, number(n, op_float(n->op, ATTR_epsilon)), "");
    n->factor = vmath_rsqrt(b, variance);
    line_each(&n->line, write_layer, &layer);
}

/* -- batchnorm: a line is one channel of one image -- */

static LLVMValueRef channel_parameter(const struct normalizer *n, LLVMValueRef buf, uint32_t i,
                                      LLVMValueRef channel) {
    struct emit *e = n->e;
    enum elem elem = operand_type(e->m, n->op, i).elem;
    LLVMValueRef pointer = operand_pointer(e, n->op, i, buf);
    LLVMTypeRef type = memory_type(e->context, elem, 1);
    LLVMValueRef x = simd_load(e->builder, type, simd_address(e->builder, type, pointer, channel), NULL);
    return register_cast(e, register_from_memory(e, elem, x), elem, n->acc);
}

static void write_channel(void *ctx, const struct line_at *at) {
    const struct normalizer *n = ctx;
    LLVMBuilderRef b = n->e->builder;
    LLVMValueRef y = LLVMBuildFMul(b, subtract(n, load(n, n->from, at, 0), n->shift), n->factor, "");
    store(n, at, LLVMBuildFAdd(b, y, n->bias, ""));
}

static void channel_line(struct normalizer *n, LLVMValueRef buf, LLVMValueRef channel) {
    LLVMBuilderRef b = n->e->builder;
    LLVMValueRef p[5];
    for (uint32_t i = 1; i < 5; i++) p[i] = channel_parameter(n, buf, i, channel);
    LLVMValueRef variance =
        LLVMBuildFAdd(b, p[4], simd_f(LLVMTypeOf(p[4]), op_float(n->op, ATTR_epsilon)), "");
    LLVMValueRef factor = LLVMBuildFDiv(b, p[1], vmath_sqrt(b, variance), "");
    n->shift = simd_splat(b, p[3], n->line.lanes);
    n->factor = simd_splat(b, factor, n->line.lanes);
    n->bias = simd_splat(b, p[2], n->line.lanes);
    line_each(&n->line, write_channel, n);
}

/* -- items -- */

/* Before, along and after the line's dimension (or dimensions). */
struct extents {
    int64_t outer, along, inner;
};

static struct extents extents_of(const struct normalizer *n) {
    int64_t dims[MAX_RANK];
    uint32_t rank = operand_extents(n->e->m, n->op, 0, dims);
    if (n->op->kind == OP_batchnorm)
        return (struct extents){extent_product(dims, 0, 2), extent_product(dims, 2, rank), 1};
    uint32_t axis = op_axis(n->op, rank);
    int64_t outer = extent_product(dims, 0, axis);
    if (n->op->kind == OP_layernorm) return (struct extents){outer, extent_product(dims, axis, rank), 1};
    return (struct extents){outer, dims[axis], extent_product(dims, axis + 1, rank)};
}

static void normalize_line(struct normalizer *n, LLVMValueRef buf, LLVMValueRef line) {
    int64_t dims[MAX_RANK];
    operand_extents(n->e->m, n->op, 0, dims);
    if (n->op->kind == OP_layernorm)
        layer_line(n);
    else if (n->op->kind == OP_batchnorm)
        channel_line(n, buf, LLVMBuildURem(n->e->builder, line, int64(n->e, dims[1]), ""));
    else
        softmax_line(n);
}

/* Lines side by side: vector v of the inner positions, whole or what is left. */
static void normalize_beside(struct normalizer *n, const struct extents *x, LLVMValueRef v) {
    struct emit *e = n->e;
    int64_t lanes = n->line.lanes, whole = x->inner / lanes, left = x->inner % lanes;
    for (int pass = 0; pass < 2; pass++) {
        if (pass == 0 ? whole == 0 : left == 0) continue;
        struct branch branch;
        bool both = whole > 0 && left > 0;
        LLVMIntPredicate when = pass == 0 ? LLVMIntSLT : LLVMIntEQ;
        if (both) branch_begin(e, &branch, LLVMBuildICmp(e->builder, when, v, int64(e, whole), ""));
        n->line.active = (unsigned)(pass == 0 ? lanes : left);
        softmax_line(n);
        if (both) branch_end(e, &branch);
    }
}

static void normalize_item(struct normalizer *n, const struct extents *x, LLVMValueRef buf,
                           LLVMValueRef item) {
    struct emit *e = n->e;
    LLVMTypeRef elem = memory_type(e->context, n->elem, 1);
    LLVMValueRef offset = scale64(e, item, x->along), v = NULL;
    if (n->line.side_by_side) {
        int64_t vectors = ceil_div(x->inner, n->line.lanes);
        v = LLVMBuildURem(e->builder, item, int64(e, vectors), "");
        offset = LLVMBuildUDiv(e->builder, item, int64(e, vectors), "");
        offset = add64(e, scale64(e, offset, x->along * x->inner), scale64(e, v, n->line.lanes));
    }
    LLVMValueRef from = n->from, to = n->to;
    n->from = simd_address(e->builder, elem, from, offset);
    n->to = simd_address(e->builder, elem, to, offset);
    if (n->line.side_by_side)
        normalize_beside(n, x, v);
    else
        normalize_line(n, buf, item);
    n->from = from;
    n->to = to;
}

static const char *obstacle(const struct normalizer *n) {
    const struct module *m = n->e->m;
    if (result_type(m, n->op, 0).layout.i) return "a layout that is not plain";
    for (uint32_t i = 0; i < n->op->operand_count; i++)
        if (n->op->operand[i].i && operand_type(m, n->op, i).layout.i) return "a layout that is not plain";
    return op_info(n->op->kind)->class == CLASS_NORMALIZATION ? NULL : "an op that does not normalize";
}

static LLVMValueRef optional_pointer(const struct normalizer *n, LLVMValueRef buf, uint32_t i) {
    if (n->op->kind != OP_layernorm || i >= n->op->operand_count || value_none(n->op->operand[i]))
        return NULL;
    return operand_pointer(n->e, n->op, i, buf);
}

enum emit_result emit_normalization(struct emit *e, op_id id, const char *symbol, struct kernel *out,
                                    const char **why_not) {
    struct normalizer n = {.e = e, .op = op_get(e->m, id)};
    *why_not = obstacle(&n);
    if (*why_not) return EMIT_DECLINED;
    n.elem = result_type(e->m, n.op, 0).elem;
    n.acc = n.elem == ELEM_f64 ? ELEM_f64 : ELEM_f32;
    n.logarithm = n.op->kind == OP_log_softmax;
    n.keeps_exponentials = n.op->kind == OP_softmax && n.elem == n.acc;
    struct extents x = extents_of(&n);
    bool beside = x.inner > 1;
    n.line = beside ? line_beside(e, n.elem, x.along, x.inner, (unsigned)min_i64(x.inner, 64))
                    : line_along(e, n.elem, x.along);
    int64_t items = x.outer * (beside ? ceil_div(x.inner, n.line.lanes) : x.inner);
    if (x.along == 0) items = 0;
    if (items >= UINT32_MAX) {
        *why_not = "more items than a kernel may have";
        return EMIT_DECLINED;
    }
    struct kernel_code code = kernel_begin(e, symbol);
    if (items > 0) {
        n.from = operand_pointer(e, n.op, 0, code.buf);
        n.to = kernel_pointer(e, code.buf, n.op->operand_count);
        n.scale = optional_pointer(&n, code.buf, 1);
        n.bias = optional_pointer(&n, code.buf, 2);
        struct loop loop;
        loop_begin(e, &loop, code.lo, code.hi, 1);
        normalize_item(&n, &x, code.buf, loop.index);
        loop_end(e, &loop);
    }
    kernel_end(e);
    *out = (struct kernel){.function = code.function, .items = (uint32_t)items};
    return EMIT_DONE;
}
