/* Every op refuses what it cannot mean, when it is built and when it is verified.
 *
 * Faults of the table are found by shape inference; their error has to contain the given words. What all ops
 * have in common (operand counts, element types, types of results, attributes) is tried on every sample. */
#include "ir/verify.h"
#include "test/support/op_samples.h"
#include "test/support/unit.h"

#include <stdlib.h>

/* Extents below 0 are symbols: n of any extent, and m of 4 to 100. */
enum { N = -1, M = -2 };

struct fault {
    struct op_sample sample; /* .what is the words */
};
#define FAULT(id, words, operands, ...)                                                                      \
    {                                                                                                        \
        { OP_##id, words, {UNPACK operands}, {__VA_ARGS__}, NULL }                                           \
    }
#define UNPACK(...) __VA_ARGS__
#define NO_ATTR                                                                                              \
    { 0 }
#define NO_NUMBERS(id)                                                                                       \
    { .name = ATTR_##id }

static op_id build_wrong_relayout(struct builder *b, const value_id *operands) {
    struct attr attr = attr_layout(ATTR_layout, layout_channel_blocked(&b->m->types, 4, 8));
    return build_op(b, OP_relayout, operands, 1, &attr, 1, NULL);
}

static op_id build_empty_fuse(struct builder *b, const value_id *operands) {
    op_id id = build_fuse_begin(b, operands, 1);
    CHECK(build_fuse_end(b, id, NULL) == STATUS_FAILED);
    return (op_id){0};
}

static const struct fault faults[] = {
    FAULT(add, "broadcast", (OPERAND(f32, 2, 3), OPERAND(f32, 2)), NO_ATTR),
    FAULT(sub, "broadcast", (OPERAND(f32, N), OPERAND(f32, 4)), NO_ATTR),
    FAULT(mul, "is f64", (OPERAND(f32, 2), OPERAND(f64, 2)), NO_ATTR),
    FAULT(div, "broadcast", (OPERAND(f32, 2, 3), OPERAND(f32, 3, 2)), NO_ATTR),
    FAULT(mod, "is i8", (OPERAND(i32, 2), OPERAND(i8, 2)), NO_ATTR),
    FAULT(pow, "broadcast", (OPERAND(f32, 2, 3), OPERAND(f32, 4)), NO_ATTR),
    FAULT(min, "broadcast", (OPERAND(f32, 2, 3), OPERAND(f32, 4)), NO_ATTR),
    FAULT(max, "broadcast", (OPERAND(f32, N), OPERAND(f32, M)), NO_ATTR),
    FAULT(prelu, "broadcast", (OPERAND(f32, 2, 3), OPERAND(f32, 2)), NO_ATTR),
    FAULT(and, "is f32", (OPERAND(bool, 2), OPERAND(f32, 2)), NO_ATTR),
    FAULT(or, "broadcast", (OPERAND(bool, 2), OPERAND(bool, 3)), NO_ATTR),
    FAULT(xor, "broadcast", (OPERAND(bool, 2), OPERAND(bool, 3)), NO_ATTR),
    FAULT(equal, "is u8", (OPERAND(bool, 2), OPERAND(u8, 2)), NO_ATTR),
    FAULT(less, "broadcast", (OPERAND(f32, 2), OPERAND(f32, 3)), NO_ATTR),
    FAULT(less_equal, "broadcast", (OPERAND(f32, 2), OPERAND(f32, 3)), NO_ATTR),
    FAULT(greater, "broadcast", (OPERAND(f32, 2), OPERAND(f32, 3)), NO_ATTR),
    FAULT(greater_equal, "broadcast", (OPERAND(f32, 2), OPERAND(f32, 3)), NO_ATTR),
    FAULT(where, "is f64", (OPERAND(bool, 2), OPERAND(f32, 2), OPERAND(f64, 2)), NO_ATTR),
    FAULT(cast, "element type", (OPERAND(f32, 2)), {.name = ATTR_to}),

    FAULT(linear, "extent", (OPERAND(f32, 2, 3), OPERAND(f32, 5, 4)), NO_ATTR),
    FAULT(matmul, "extent", (OPERAND(f32, 2, 3), OPERAND(f32, 4, 5)), NO_ATTR),
    FAULT(conv1d, "groups", (OPERAND(f32, 1, 4, 8), OPERAND(f32, 4, 2, 3)), INT(groups, 3)),
    FAULT(conv2d, "rank", (OPERAND(f32, 1, 4, 8), OPERAND(f32, 4, 4, 3, 3)), NO_ATTR),
    FAULT(conv_transpose1d, "extent", (OPERAND(f32, 1, 4, 8), OPERAND(f32, 5, 2, 3)), NO_ATTR),
    FAULT(conv_transpose2d, "output_pad", (OPERAND(f32, 1, 2, 4, 4), OPERAND(f32, 2, 2, 3, 3)),
          INTS(output_pad, 1, -1)),
    FAULT(attention, "heads", (OPERAND(f32, 1, 3, 6), OPERAND(f32, 1, 3, 6), OPERAND(f32, 1, 3, 6)),
          INT(heads, 4)),
    FAULT(maxpool1d, "window", (OPERAND(f32, 1, 2, 4)), INTS(window, 9), INTS(stride, 1)),
    FAULT(maxpool2d, "rank", (OPERAND(f32, 2, 4, 4)), INTS(window, 2, 2)),
    FAULT(avgpool1d, "padding", (OPERAND(f32, 1, 2, 4)), INTS(window, 2), INTS(pad, 2, 0)),
    FAULT(avgpool2d, "stride", (OPERAND(f32, 1, 2, 4, 4)), INTS(window, 2, 2), INTS(stride, -1, 1)),

    FAULT(reduce_sum, "axes is 2", (OPERAND(f32, 2, 3)), INTS(axes, 2)),
    FAULT(reduce_mean, "axes is -3", (OPERAND(f32, 2, 3)), INTS(axes, -3)),
    FAULT(reduce_max, "dimension 1 twice", (OPERAND(f32, 2, 3)), INTS(axes, 1, -1)),
    FAULT(reduce_min, "axes is 0", (SCALAR(f32)), INTS(axes, 0)),
    FAULT(reduce_prod, "dimension 0 twice", (OPERAND(f32, 2, 3)), INTS(axes, 0, 0)),
    FAULT(reduce_sum_square, "axes is 7", (OPERAND(f32, 2, 3)), INTS(axes, 7)),
    FAULT(argmax, "axis is 2", (OPERAND(f32, 2, 3)), INT(axis, 2)),
    FAULT(argmin, "no elements to choose from", (OPERAND(f32, 2, 0)), INT(axis, 1)),
    FAULT(topk, "count is 4, but dimension 1 has 3 elements", (OPERAND(f32, 2, 3)), INT(count, 4)),
    FAULT(topk, "count is -1", (OPERAND(f32, 2, 3)), INT(count, -1)),
    FAULT(topk, "axis is -1", (SCALAR(f32)), INT(count, 0)),
    FAULT(softmax, "axis is -3", (OPERAND(f32, 2, 3)), INT(axis, -3)),
    FAULT(log_softmax, "axis is -1", (SCALAR(f32)), NO_ATTR),
    FAULT(layernorm, "scale has shape [2]", (OPERAND(f32, 2, 3), OPERAND(f32, 2)), NO_ATTR),
    FAULT(layernorm, "bias is f16", (OPERAND(f32, 2, 3), LEFT_OUT, OPERAND(f16, 3)), NO_ATTR),
    FAULT(layernorm, "scale has shape [3]", (OPERAND(f32, 2, 3), OPERAND(f32, 3)), INT(axis, 0)),
    FAULT(batchnorm, "rank 1",
          (OPERAND(f32, 3), OPERAND(f32, 3), OPERAND(f32, 3), OPERAND(f32, 3), OPERAND(f32, 3)), NO_ATTR),
    FAULT(batchnorm, "mean has shape [2]",
          (OPERAND(f32, 1, 3), OPERAND(f32, 3), OPERAND(f32, 3), OPERAND(f32, 2), OPERAND(f32, 3)), NO_ATTR),
    FAULT(batchnorm, "variance is f64",
          (OPERAND(f32, 1, 3), OPERAND(f32, 3), OPERAND(f32, 3), OPERAND(f32, 3), OPERAND(f64, 3)), NO_ATTR),

    FAULT(reshape, "shape [4, 2] does not hold as many elements as [2, 3]", (OPERAND(f32, 2, 3)),
          INTS(shape, 4, 2)),
    FAULT(reshape, "at most one -1", (OPERAND(f32, 2, 3)), INTS(shape, -1, -1)),
    FAULT(reshape, "at most one -1", (OPERAND(f32, 2, 3)), INTS(shape, -2, 3)),
    FAULT(reshape, "does not follow", (OPERAND(f32, 2, 3)), INTS(shape, -1, 4)),
    FAULT(reshape, "does not follow", (OPERAND(f32, N)), INTS(shape, -1, 2)),
    FAULT(reshape, "beside one of extent 0", (OPERAND(f32, 0, 3)), INTS(shape, 0, -1)),
    FAULT(reshape, "6, not 3 * n", (OPERAND(f32, N, 3)), INTS(shape, 6)),
    FAULT(flatten, "axis is 3", (OPERAND(f32, 2, 3)), INT(axis, 3)),
    FAULT(squeeze, "dimension 1 has extent 3", (OPERAND(f32, 1, 3)), INTS(axes, 1)),
    FAULT(squeeze, "dimension 0 (n)", (OPERAND(f32, N, 1)), NO_ATTR),
    FAULT(unsqueeze, "axes is 3", (OPERAND(f32, 1, 3)), INTS(axes, 3)),
    FAULT(unsqueeze, "rank 10", (OPERAND(f32, 1, 1, 1, 1, 1, 1, 1)), INTS(axes, 0, 1, 2)),
    FAULT(transpose, "no permutation", (OPERAND(f32, 1, 3)), INTS(perm, 0, 0)),
    FAULT(transpose, "no permutation", (OPERAND(f32, 1, 3)), INTS(perm, 0, 2)),
    FAULT(transpose, "3 numbers, expected 2", (OPERAND(f32, 1, 3)), INTS(perm, 0, 2, 1)),
    FAULT(expand, "does not broadcast: extent 3, expected 4 or 1", (OPERAND(f32, 2, 3)), INTS(shape, 4)),
    FAULT(expand, "does not broadcast", (OPERAND(f32, N)), INTS(shape, 4)),
    FAULT(slice, "as many of each", (OPERAND(f32, 2, 3)), INTS(starts, 0, 1), INTS(ends, 1)),
    FAULT(slice, "at most 1", (OPERAND(f32, 5)), INTS(starts, 0, 1), INTS(ends, 1, 2)),
    FAULT(slice, "dimension 0 twice", (OPERAND(f32, 2, 3)), INTS(starts, 0, 1), INTS(ends, 1, 2),
          INTS(axes, 0, -2)),
    FAULT(slice, "other than 0", (OPERAND(f32, 2)), INTS(starts, 0), INTS(ends, 1), INTS(steps, 0)),
    FAULT(slice, "bounds of n", (OPERAND(f32, N)), INTS(starts, 0), INTS(ends, 4)),
    FAULT(slice, "bounds of m", (OPERAND(f32, M)), INTS(starts, 2), INTS(ends, 5)),
    FAULT(slice, "bounds of n", (OPERAND(f32, N)), INTS(starts, 0), INTS(ends, -100), INTS(steps, -1)),
    FAULT(concat, "operand 1 has shape [3, 3]", (OPERAND(f32, 2, 3), OPERAND(f32, 3, 3)), INT(axis, 1)),
    FAULT(concat, "operand 1 is f64", (OPERAND(f32, 2, 3), OPERAND(f64, 2, 3)), INT(axis, 1)),
    FAULT(concat, "operand 1 has shape [2]", (OPERAND(f32, 2, 3), OPERAND(f32, 2)), INT(axis, 0)),
    FAULT(concat, "axis is 1", (OPERAND(f32, 2)), INT(axis, 1)),
    FAULT(split, "add up to 5", (OPERAND(f32, 2, 6)), INT(axis, 1), INTS(sizes, 2, 3)),
    FAULT(split, "0 or more", (OPERAND(f32, 2, 6)), INT(axis, 1), INTS(sizes, 7, -1)),
    FAULT(split, "1 to 64", (OPERAND(f32, 2, 6)), NO_NUMBERS(sizes)),
    FAULT(split, "dimension 0 is n", (OPERAND(f32, N)), INTS(sizes, 1, 1)),
    FAULT(pad, "expected 4", (OPERAND(f32, 2, 6)), INTS(pads, 1, 1)),
    FAULT(pad, "mode is nearest", (OPERAND(f32, 2)), INTS(pads, 1, 1), WORD(mode, nearest)),
    FAULT(pad, "cuts 3 elements", (OPERAND(f32, 2)), INTS(pads, -1, -2)),
    FAULT(pad, "mode edge could repeat", (OPERAND(f32, 0)), INTS(pads, 1, 0), WORD(mode, edge)),
    FAULT(pad, "mode reflect could repeat", (OPERAND(f32, 3)), INTS(pads, -3, 1), WORD(mode, reflect)),
    FAULT(pad, "out of range", (OPERAND(f32, 3)), INTS(pads, INT64_MIN, 1)),
    FAULT(tile, "expected 2", (OPERAND(f32, 2, 6)), INTS(repeats, 1)),
    FAULT(tile, "0 or more", (OPERAND(f32, 2)), INTS(repeats, -1)),
    FAULT(tile, "too large", (OPERAND(f32, 4)), INTS(repeats, INT64_MAX)),
    FAULT(resize, "expected rank 2", (OPERAND(f32, 2, 6)), INTS(shape, 4)),
    FAULT(resize, "scales has 1 numbers", (OPERAND(f32, 2, 6)), INTS(shape, 4, 6), FLOATS(scales, 2)),
    FAULT(resize, "positive", (OPERAND(f32, 2)), INTS(shape, 4), FLOATS(scales, -2)),
    FAULT(resize, "not the scale 3", (OPERAND(f32, 2)), INTS(shape, 4), FLOATS(scales, 3)),
    FAULT(resize, "mode is wrap", (OPERAND(f32, 2)), INTS(shape, 4), WORD(mode, wrap)),
    FAULT(resize, "coordinates is floor", (OPERAND(f32, 2)), INTS(shape, 4), WORD(coordinates, floor)),
    FAULT(resize, "rounding is half_pixel", (OPERAND(f32, 2)), INTS(shape, 4), WORD(rounding, half_pixel)),
    FAULT(resize, "no elements", (OPERAND(f32, 0)), INTS(shape, 4)),

    FAULT(scatter, "operand updates has shape [4], expected rank 2",
          (OPERAND(f32, 2, 3), INDEX(i64, 2, 4), OPERAND(f32, 4)), NO_ATTR),
    FAULT(scatter, "expected extent 3 in dimension 1",
          (OPERAND(f32, 2, 3), INDEX(i64, 2, 4), OPERAND(f32, 4, 2)), NO_ATTR),
    FAULT(scatter, "indices is u8", (OPERAND(f32, 2, 3), OPERAND(u8, 4), OPERAND(f32, 4, 3)), NO_ATTR),
    FAULT(scatter, "updates is f16", (OPERAND(f32, 2, 3), INDEX(i64, 2, 4), OPERAND(f16, 4, 3)), NO_ATTR),
    FAULT(scatter, "reduction is tanh", (OPERAND(f32, 2, 3), INDEX(i64, 2, 4), OPERAND(f32, 4, 3)),
          WORD(reduction, tanh)),
    FAULT(gather, "indices is f32", (OPERAND(f32, 2, 6), OPERAND(f32, 2)), NO_ATTR),
    FAULT(gather, "axis is 2", (OPERAND(f32, 2, 6), INDEX(i64, 2, 2)), INT(axis, 2)),
    FAULT(gather, "rank 9", (OPERAND(f32, 2, 2, 2, 2, 2), INDEX(i64, 2, 1, 1, 1, 1, 1)), NO_ATTR),
    FAULT(embedding, "table has rank 3", (INDEX(i64, 2, 2), OPERAND(f32, 2, 3, 4)), NO_ATTR),
    {{OP_relayout, "does not cover", {OPERAND(f32, 2, 8, 4)}, {{0}}, build_wrong_relayout}},
    {{OP_fuse, "returns 0", {OPERAND(f32, 2)}, {{0}}, build_empty_fuse}},
};

static bool has_error(const struct diag *diag, const char *words) {
    for (uint32_t i = 0; i < diag->list.count; i++)
        if (strstr(diag->list.at[i].text, words)) return true;
    return false;
}

static void report(const char *what, const struct op_sample *s, const struct diag *diag) {
    fprintf(stderr, "%s: %s: no such error: %s\n", op_info(s->kind)->name, what, s->what);
    diag_print(diag, stderr);
    unit_failures++;
}

static struct type operand_type(struct module *m, const struct sample_operand *o) {
    dim_id dims[MAX_RANK];
    for (uint32_t d = 0; d < o->rank; d++)
        dims[d] = o->dim[d] >= 0   ? dim_const(&m->types, o->dim[d])
                  : o->dim[d] == N ? dim_symbol(&m->types, "n", 0, DIM_MAX)
                                   : dim_symbol(&m->types, "m", 4, 100);
    return type_make(o->elem, dims_make(&m->types, dims, o->rank));
}

/* A failed build leaves its op behind, complete but erased and without results. Here it goes into the module
 * after all, as a pass might leave it. */
static void force_last_op(struct module *m, struct type type) {
    op_id id = {m->ops.count - 1};
    value_id y = module_add_result(m, id, 0, m->root, "y", type, (struct loc){0});
    struct op *op = op_get(m, id);
    op->erased = false;
    op->result = arena_copy(&m->arena, &y, sizeof y);
    op->result_count = 1;
    *vec_push(&region_get(m, m->root)->ops) = id;
    module_add_output(m, "y", y);
}

static void check_fault(const struct op_sample *s) {
    struct module *m = module_new("fault");
    struct diag built = {0}, verified = {0};
    struct builder b = builder_at_end(m, m->root, &built);
    value_id operands[SAMPLE_OPERANDS] = {{0}};
    struct attr attrs[SAMPLE_ATTRS];
    uint32_t count = 0, n = 0;
    for (uint32_t i = 0; i < SAMPLE_OPERANDS; i++) {
        if (s->operand[i].elem == ELEM_NONE) continue;
        operands[i] = module_add_input(m, NULL, operand_type(m, &s->operand[i]), (struct loc){0});
        count = i + 1;
    }
    for (; n < SAMPLE_ATTRS && s->attr[n].name; n++) attrs[n] = op_sample_attr(m, s, s->attr[n]);
    op_id id = s->build ? s->build(&b, operands) : build_op(&b, s->kind, operands, count, attrs, n, NULL);
    if (id.i || !has_error(&built, s->what)) {
        report("built", s, &built);
    } else {
        force_last_op(m, value_get(m, operands[0])->type);
        if (verify_module(m, true, &verified) == STATUS_OK || !has_error(&verified, s->what))
            report("verified", s, &verified);
    }
    diag_free(&built);
    diag_free(&verified);
    module_free(m);
}

/* -- what all ops have in common -- */
static struct op_instance spoilt; /* the sample under change */

static struct op *spoilt_op(void) {
    return op_get(spoilt.m, spoilt.op);
}

static bool spoil_element_type_of_operand(void) {
    struct op *op = spoilt_op();
    elem_set allowed = op_info(op->kind)->elems;
    for (enum elem e = ELEM_NONE + 1; e < ELEM_COUNT; e++)
        if (!elem_in(e, allowed)) {
            value_get(spoilt.m, op->operand[0])->type.elem = e;
            return true;
        }
    return false;
}

static bool spoil_element_type_of_result(void) {
    enum elem *elem = &value_get(spoilt.m, spoilt_op()->result[0])->type.elem;
    *elem = *elem == ELEM_u32 ? ELEM_u16 : ELEM_u32;
    return true;
}

static bool spoil_shape_of_result(void) {
    const struct op *op = spoilt_op();
    dims_id *shape = &value_get(spoilt.m, op->result[op->result_count - 1])->type.shape;
    *shape = dims_from_ints(&spoilt.m->types, (const int64_t[]){77, 5}, 2);
    return true;
}

static bool spoil_number_of_operands(void) {
    spoilt_op()->operand_count = 0;
    return true;
}

static bool spoil_required_operand(void) {
    spoilt_op()->operand[0] = (value_id){0};
    return true;
}

static bool spoil_attribute(void) {
    struct op *op = spoilt_op();
    uint32_t n = op_info_attrs(op_info(op->kind));
    if (!n) return false;
    struct attr *attrs = arena_copy(&spoilt.m->arena, op->attr, n * sizeof *attrs);
    attrs[n - 1].name = ATTR_NONE;
    op->attr = attrs;
    return true;
}

static bool spoil_kind(void) {
    spoilt_op()->kind = OP_COUNT;
    return true;
}

static const struct common {
    const char *what;
    bool (*spoil)(void);
} commons[] = {
    {"element type of an operand", spoil_element_type_of_operand},
    {"element type of a result", spoil_element_type_of_result},
    {"shape of a result", spoil_shape_of_result},
    {"number of operands", spoil_number_of_operands},
    {"operand left out", spoil_required_operand},
    {"attribute missing", spoil_attribute},
    {"kind", spoil_kind},
};

static void check_commons(const struct op_sample *s, const struct common *common) {
    struct diag diag = {0};
    char name[96];
    spoilt = op_instance_new(s, 3);
    if (verify_module(spoilt.m, true, &diag) != STATUS_OK) {
        fprintf(stderr, "%s does not verify\n", op_sample_name(s, name));
        diag_print(&diag, stderr);
        unit_failures++;
    } else if (common->spoil() && verify_module(spoilt.m, true, &diag) == STATUS_OK) {
        fprintf(stderr, "%s: %s: not found\n", op_sample_name(s, name), common->what);
        unit_failures++;
    }
    diag_free(&diag);
    op_instance_free(&spoilt);
}

/* Ops that take anything have nothing to refuse. */
static void check_every_op_has_a_fault(void) {
    bool has[OP_COUNT] = {false};
    for (size_t i = 0; i < COUNT_OF(faults); i++) has[faults[i].sample.kind] = true;
    for (enum op_kind k = OP_NONE + 1; k < OP_COUNT; k++) {
        const struct op_info *info = op_info(k);
        bool unary = op_info_operands(info, NULL) == 1 && info->class == CLASS_POINTWISE && k != OP_cast;
        if (has[k] || unary) continue;
        fprintf(stderr, "op %s has no fault in unit/ir/op_faults.c\n", info->name);
        unit_failures++;
    }
}

int main(void) {
    const struct op_sample *s;
    check_every_op_has_a_fault();
    for (size_t i = 0; i < COUNT_OF(faults); i++) check_fault(&faults[i].sample);
    for (size_t i = 0; (s = op_sample_at(i)); i++)
        for (size_t k = 0; k < COUNT_OF(commons); k++) check_commons(s, &commons[k]);
    return unit_status();
}
