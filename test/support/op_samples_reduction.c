/* Reductions, normalizations, indexing and structure. */
#include "test/support/op_samples.h"

extern const struct op_sample op_samples_reduction[];

#define REDUCE(id)                                                                                           \
    {OP_##id, "", {OPERAND(f32, 2, 3, 4)}, {INTS(axes, 1)}, NULL},                                           \
        {OP_##id, "all", {OPERAND(f32, 2, 3)}, {BOOL(keep, true)}, NULL}, {                                  \
        OP_##id, "integers", {OPERAND(i16, 2, 3, 2)}, {INTS(axes, -1, 0)}, NULL                              \
    }

/* relu(x + 2 * w), and x shown from the other side. */
static op_id build_two_results(struct builder *b, const value_id *operands) {
    op_id id = build_fuse_begin(b, operands, 2);
    const struct region *body = region_get(b->m, op_get(b->m, id)->body);
    value_id x = body->args.at[0], w = body->args.at[1];
    struct builder in = builder_at_end(b->m, op_get(b->m, id)->body, b->diag);
    value_id doubled =
        build(&in, OP_mul, (value_id[]){w, module_literal_f32(b->m, 2)}, 2, NULL, 0, "doubled");
    value_id sum = build(&in, OP_add, (value_id[]){x, doubled}, 2, NULL, 0, "sum");
    value_id y = build(&in, OP_relu, &sum, 1, NULL, 0, "y");
    value_id turned = build(&in, OP_transpose, &x, 1, NULL, 0, "turned");
    *vec_push(&region_get(b->m, in.region)->results) = y;
    *vec_push(&region_get(b->m, in.region)->results) = turned;
    return build_fuse_end(b, id, NULL) == STATUS_OK ? id : (op_id){0};
}

/* linear(flatten(relu(x)), w): channels of x are columns of w in runs. */
static op_id build_contraction(struct builder *b, const value_id *operands) {
    op_id id = build_fuse_begin(b, operands, 2);
    const struct region *body = region_get(b->m, op_get(b->m, id)->body);
    value_id x = body->args.at[0], w = body->args.at[1];
    struct builder in = builder_at_end(b->m, op_get(b->m, id)->body, b->diag);
    value_id act = build(&in, OP_relu, &x, 1, NULL, 0, NULL);
    value_id flat = build(&in, OP_flatten, &act, 1, NULL, 0, NULL);
    value_id y = build(&in, OP_linear, (value_id[]){flat, w}, 2, NULL, 0, NULL);
    *vec_push(&region_get(b->m, in.region)->results) = y;
    return build_fuse_end(b, id, NULL) == STATUS_OK ? id : (op_id){0};
}

const struct op_sample op_samples_reduction[] = {
    REDUCE(reduce_sum),
    REDUCE(reduce_mean),
    REDUCE(reduce_max),
    REDUCE(reduce_min),
    REDUCE(reduce_prod),
    REDUCE(reduce_sum_square),
    {OP_argmax, "", {OPERAND(f32, 2, 5)}, {INT(axis, 1)}, NULL},
    {OP_argmax, "last, kept", {OPERAND(u8, 5, 2)}, {BOOL(keep, true), BOOL(last, true)}, NULL},
    {OP_argmin, "", {OPERAND(f32, 3, 4, 2)}, {INT(axis, -2)}, NULL},
    {OP_topk, "", {OPERAND(f32, 2, 5)}, {INT(count, 3)}, NULL},
    {OP_topk, "smallest", {OPERAND(u8, 5, 2)}, {INT(axis, 0), INT(count, 5), BOOL(smallest, true)}, NULL},
    {OP_softmax, "", {OPERAND(f32, 2, 5)}, {{0}}, NULL},
    {OP_softmax, "in the middle", {OPERAND(f32, 2, 3, 2)}, {INT(axis, 1)}, NULL},
    {OP_log_softmax, "", {OPERAND(f32, 3, 4)}, {INT(axis, 0)}, NULL},
    {OP_layernorm, "", {OPERAND(f32, 3, 8), OPERAND(f32, 8), OPERAND(f32, 8)}, {{0}}, NULL},
    {OP_layernorm,
     "two dimensions, scale",
     {OPERAND(f32, 3, 2, 4), OPERAND(f32, 2, 4)},
     {INT(axis, 1)},
     NULL},
    {OP_layernorm,
     "bias alone",
     {OPERAND(f32, 2, 6), LEFT_OUT, OPERAND(f32, 6)},
     {FLOAT(epsilon, 0.1)},
     NULL},
    {OP_layernorm, "plain", {OPERAND(f32, 2, 6)}, {{0}}, NULL},
    {OP_batchnorm,
     "",
     {OPERAND(f32, 2, 3, 2, 2), OPERAND(f32, 3), OPERAND(f32, 3), OPERAND(f32, 3), POSITIVE(f32, 3)},
     {FLOAT(epsilon, 0.01)},
     NULL},
    {OP_batchnorm,
     "without space",
     {OPERAND(f32, 4, 3), OPERAND(f32, 3), OPERAND(f32, 3), OPERAND(f32, 3), POSITIVE(f32, 3)},
     {{0}},
     NULL},
    {OP_gather, "", {OPERAND(f32, 4, 3), INDEX(i64, 4, 2, 2)}, {{0}}, NULL},
    {OP_gather, "columns", {OPERAND(i8, 2, 5, 3), INDEX(i32, 5, 4)}, {INT(axis, 1)}, NULL},
    {OP_gather, "one", {OPERAND(f32, 2, 5), {ELEM_i64, FILL_INDEX, 5, 0, {0}}}, {INT(axis, -1)}, NULL},
    {OP_scatter, "", {OPERAND(f32, 4, 3), INDEX(i64, 4, 2, 2), OPERAND(f32, 2, 2, 3)}, {{0}}, NULL},
    {OP_scatter,
     "sum",
     {OPERAND(i8, 5, 2), INDEX(i32, 5, 4), OPERAND(i8, 4, 2)},
     {WORD(reduction, add)},
     NULL},
    {OP_embedding, "", {INDEX(i64, 6, 2, 3), OPERAND(f32, 6, 4)}, {{0}}, NULL},
    {OP_relayout, "", {OPERAND(f32, 1, 6, 2, 2)}, {INTS(layout, 4)}, NULL},
    {OP_fuse, "two results", {OPERAND(f32, 2, 3), OPERAND(f32, 3)}, {{0}}, build_two_results},
    {OP_fuse, "a contraction", {OPERAND(f32, 2, 3, 2, 2), OPERAND(f32, 5, 12)}, {{0}}, build_contraction},
    {OP_NONE, NULL, {{0}}, {{0}}, NULL},
};
