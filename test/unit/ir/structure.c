/* Indices, symbolic shapes of movement, what a reshape does to channels, and fuses. */
#include "ir/interp.h"
#include "ir/verify.h"
#include "test/support/op_apply.h"
#include "test/support/op_samples.h"
#include "test/support/unit.h"

/* -- indices -- */

/* What gathering at `index` from 4 rows says; "" if it works. */
static const char *gather_error(enum op_kind kind, int64_t index, double *first) {
    static char text[200];
    struct module *m = module_new("gather");
    struct diag diag = {0};
    struct builder b = builder_at_end(m, m->root, &diag);
    double values[] = {0, 1, 10, 11, 20, 21, 30, 31};
    struct tensor table = tensor_of(ELEM_f32, (const int64_t[]){4, 2}, 2, values), y;
    struct tensor indices = tensor_scalar_i64(ELEM_i64, index);
    value_id x = module_add_input(m, "x", type_make(ELEM_f32, dims_from_ints(&m->types, table.dim, 2)),
                                  (struct loc){0});
    value_id i = module_add_input(m, "i", type_make(ELEM_i64, (dims_id){0}), (struct loc){0});
    value_id operands[2] = {kind == OP_gather ? x : i, kind == OP_gather ? i : x};
    module_add_output(m, "y", build(&b, kind, operands, 2, NULL, 0, NULL));
    bool good = interp_run(m, (const struct tensor[]){table, indices}, NULL, &y, &diag) == STATUS_OK;
    snprintf(text, sizeof text, "%s", good ? "" : diag.list.at[0].text);
    if (good) {
        *first = tensor_get_f64(&y, 0);
        tensor_free(&y);
    }
    tensor_free(&table);
    tensor_free(&indices);
    diag_free(&diag);
    module_free(m);
    return text;
}

static void indices(void) {
    double first = 0;
    for (int64_t i = -4; i < 4; i++) {
        CHECK_TEXT(gather_error(OP_gather, i, &first), "");
        CHECK(first == 10 * (double)((i + 4) % 4));
        CHECK_TEXT(gather_error(OP_embedding, i, &first), "");
        CHECK(first == 10 * (double)((i + 4) % 4));
    }
    CHECK_TEXT(gather_error(OP_gather, 4, &first), "gather: index 4 is out of range for an extent of 4");
    CHECK_TEXT(gather_error(OP_gather, -5, &first), "gather: index -5 is out of range for an extent of 4");
    CHECK_TEXT(gather_error(OP_embedding, INT64_MIN, &first),
               "embedding: index -9223372036854775808 is out of range for an extent of 4");
}

static void footprint_of_constant_indices(void) {
    struct module *m = module_new("gather");
    struct diag diag = {0};
    struct builder b = builder_at_end(m, m->root, &diag);
    struct tensor indices = tensor_of(ELEM_i64, (const int64_t[]){2, 2}, 2, (const double[]){7, 2, -1, 4});
    value_id operands[2] = {
        module_add_input(m, "x", type_make(ELEM_f32, dims_from_ints(&m->types, (const int64_t[]){3, 9}, 2)),
                         (struct loc){0}),
        module_add_literal(m, indices)};
    struct attr axis = attr_int(ATTR_axis, 1);
    op_id op = build_op(&b, OP_gather, operands, 2, &axis, 1, NULL);
    struct box rows = {3, {1, 0, 0}, {2, 1, 2}}, all = {3, {0, 0, 0}, {3, 2, 2}}, x;
    op_info(OP_gather)->footprint(m, op_get(m, op), 0, &rows, &x);
    CHECK(x.rank == 2 && x.lo[0] == 1 && x.hi[0] == 2 && x.lo[1] == 2 && x.hi[1] == 8);
    op_info(OP_gather)->footprint(m, op_get(m, op), 0, &all, &x);
    CHECK(x.lo[0] == 0 && x.hi[0] == 3 && x.lo[1] == 2 && x.hi[1] == 9);
    diag_free(&diag);
    module_free(m);
}

/* -- symbols -- */
#define INFER(kind, types, ...)                                                                              \
    op_infer_text(OP_##kind, types, COUNT_OF(types), (const struct attr[]){__VA_ARGS__},                     \
                  sizeof((const struct attr[]){__VA_ARGS__}) / sizeof(struct attr))
#define TYPES(...) ((const char *const[]){__VA_ARGS__})

static void symbols(void) {
    CHECK_TEXT(op_infer_text(OP_flatten, TYPES("f32[batch, 3, h, 2]"), 1, NULL, 0), "f32[batch, 6 * h]");
    CHECK_TEXT(INFER(squeeze, TYPES("f32[batch, 1]"), INTS(axes, 1)), "f32[batch]");
    CHECK_TEXT(INFER(unsqueeze, TYPES("u8[batch]"), INTS(axes, -1, 0)), "u8[1, batch, 1]");
    CHECK_TEXT(INFER(transpose, TYPES("f32[batch, seq, 8]"), INTS(perm, 0, 2, 1)), "f32[batch, 8, seq]");
    CHECK_TEXT(INFER(concat, TYPES("f32[batch, n]", "f32[batch, 3]", "f32[batch, n]"), INT(axis, 1)),
               "f32[batch, 2 * n + 3]");
    CHECK_TEXT(INFER(split, TYPES("f32[batch, 5]"), INT(axis, 1), INTS(sizes, 2, 3)), "f32[batch, 2]");
    CHECK_TEXT(INFER(pad, TYPES("f32[n, 5]"), INTS(pads, 1, -1, 2, 0)), "f32[n + 3, 4]");
    CHECK_TEXT(INFER(tile, TYPES("f32[n, 5]"), INTS(repeats, 3, 1)), "f32[3 * n, 5]");
    CHECK_TEXT(INFER(gather, TYPES("f32[v, 8]", "i32[batch, seq]"), INT(axis, 0)), "f32[batch, seq, 8]");
    CHECK_TEXT(INFER(reduce_mean, TYPES("f32[batch, seq, 8]"), INTS(axes, 1), BOOL(keep, true)),
               "f32[batch, 1, 8]");
    CHECK_TEXT(INFER(softmax, TYPES("f32[batch, seq]"), INT(axis, 1)), "f32[batch, seq]");
    /* Cuts: what follows from 0 <= n, or from n + 4 being 4 or more. */
    CHECK_TEXT(INFER(slice, TYPES("f32[n, 5]"), INTS(starts, 1), INTS(ends, -1), INTS(axes, 1)), "f32[n, 3]");
    CHECK_TEXT(INFER(slice, TYPES("f32[n]"), INTS(starts, 0), INTS(ends, INT64_MAX)), "f32[n]");
    CHECK_TEXT(INFER(slice, TYPES("f32[n]"), INTS(starts, -1), INTS(ends, INT64_MIN), INTS(steps, -1)),
               "f32[n]");
    CHECK_TEXT(INFER(slice, TYPES("f32[n+4]"), INTS(starts, 1), INTS(ends, 4)), "f32[3]");
    CHECK_TEXT(INFER(slice, TYPES("f32[n+4]"), INTS(starts, 2), INTS(ends, -1)), "f32[n + 1]");
    CHECK_TEXT(INFER(slice, TYPES("f32[n*2]"), INTS(starts, 0), INTS(ends, INT64_MAX), INTS(steps, 2)),
               "f32[n]");
    CHECK_TEXT(INFER(slice, TYPES("f32[n]"), INTS(starts, INT64_MAX), INTS(ends, INT64_MAX)), "f32[0]");
    CHECK_TEXT(INFER(slice, TYPES("f32[n]"), INTS(starts, 1), INTS(ends, -1)),
               "slice: the extent of 1 to -1 along dimension 0 does not follow from the bounds of n");
}

/* -- channels of a reshape -- */
static void describe(const struct channel_map *map, struct str *out) {
    for (uint32_t i = 0; i < map->links.count; i++) {
        const struct channel_link *l = &map->links.at[i];
        str_printf(out, "%lld: %u+%lld*%lld x%lld = %u+%lld*%lld x%lld; ", (long long)l->count, l->a.dim,
                   (long long)l->a.start, (long long)l->a.stride, (long long)l->a.chunk, l->b.dim,
                   (long long)l->b.start, (long long)l->b.stride, (long long)l->b.chunk);
    }
    for (uint32_t i = 0; i < map->frozen.count; i++)
        str_printf(out, "%s%u frozen; ", map->frozen.at[i].port ? "y" : "x", map->frozen.at[i].dim);
}

static dims_id dims_of(struct module *m, const int64_t *dim, uint32_t rank) {
    dim_id dims[MAX_RANK];
    for (uint32_t i = 0; i < rank; i++)
        dims[i] = dim[i] < 0 ? dim_symbol(&m->types, dim[i] == -1 ? "n" : "k", 0, DIM_MAX)
                             : dim_const(&m->types, dim[i]);
    return dims_make(&m->types, dims, rank);
}

/* Extents -1 and -2 are symbols. */
static void check_reshape(uint32_t rank_x, const int64_t *x, uint32_t rank_y, const int64_t *y,
                          const char *want) {
    struct module *m = module_new("reshape");
    struct diag diag = {0};
    struct builder b = builder_at_end(m, m->root, &diag);
    value_id in = module_add_input(m, "x", type_make(ELEM_f32, dims_of(m, x, rank_x)), (struct loc){0});
    struct attr shape = attr_dims(ATTR_shape, dims_of(m, y, rank_y));
    op_id op = build_op(&b, OP_reshape, &in, 1, &shape, 1, NULL);
    if (CHECK(op.i != 0)) {
        struct channel_map map = {.m = m, .op = op_get(m, op)};
        struct str text = {0};
        op_info(OP_reshape)->channels(&map);
        describe(&map, &text);
        CHECK_TEXT(str_text(&text), want);
        str_free(&text);
        vec_free(&map.links);
        vec_free(&map.frozen);
    }
    diag_print(&diag, stderr);
    diag_free(&diag);
    module_free(m);
}
#define RANKED(...)                                                                                          \
    sizeof((const int64_t[]){__VA_ARGS__}) / sizeof(int64_t), (const int64_t[]) {                            \
        __VA_ARGS__                                                                                          \
    }

static void channels_of_reshape(void) {
    check_reshape(RANKED(2, 6, 3, 3), RANKED(2, 54),
                  "2: 0+0*1 x1 = 0+0*1 x1; 6: 1+0*1 x1 = 1+0*9 x9; x2 frozen; x3 frozen; ");
    check_reshape(RANKED(2, 12), RANKED(2, 3, 4),
                  "2: 0+0*1 x1 = 0+0*1 x1; 3: 1+0*4 x4 = 1+0*1 x1; y2 frozen; ");
    check_reshape(RANKED(1, 8), RANKED(8), "8: 1+0*1 x1 = 0+0*1 x1; ");
    check_reshape(RANKED(8, 1, 1), RANKED(1, 8), "8: 0+0*1 x1 = 1+0*1 x1; ");
    check_reshape(RANKED(4, 6), RANKED(8, 3),
                  "4: 0+0*1 x1 = 0+0*2 x2; 3: 1+0*1 x1 = 1+0*1 x1; 3: 1+3*1 x1 = 1+0*1 x1; ");
    check_reshape(RANKED(4, 6), RANKED(6, 4), "x0 frozen; x1 frozen; y0 frozen; y1 frozen; ");
    check_reshape(RANKED(-1, 3, 8), RANKED(-1, 24),
                  "3: 1+0*1 x1 = 1+0*8 x8; x0 frozen; y0 frozen; x2 frozen; ");
    check_reshape(RANKED(-1, -2, 8), RANKED(-1, -2, 2, 4),
                  "2: 2+0*4 x4 = 2+0*1 x1; x0 frozen; y0 frozen; x1 frozen; y1 frozen; y3 frozen; ");
    check_reshape(RANKED(0, 4), RANKED(0, 7), "x0 frozen; y0 frozen; x1 frozen; y1 frozen; ");
}

/* -- fuse: a body whose mapping is known: y = linear(flatten(relu(x)), w) -- */
static void channels_of_fuse(void) {
    const struct op_sample *s = NULL;
    for (size_t i = 0; (s = op_sample_at(i)) && (s->kind != OP_fuse || strcmp(s->what, "a contraction"));)
        i++;
    if (!CHECK(s != NULL)) return;
    struct op_instance instance = op_instance_new(s, 1); /* x[2, 3, 2, 2], w[5, 12] */
    struct channel_map map = {.m = instance.m, .op = op_get(instance.m, instance.op)};
    struct str text = {0};
    op_info(OP_fuse)->channels(&map);
    describe(&map, &text);
    CHECK_TEXT(str_text(&text), "3: 1+0*1 x1 = 1+0*4 x4; 2: 0+0*1 x1 = 0+0*1 x1; 5: 0+0*1 x1 = 1+0*1 x1; "
                                "x2 frozen; x3 frozen; ");
    struct box result = {2, {0, 1}, {1, 3}}, x, w;
    op_info(OP_fuse)->footprint(instance.m, map.op, 0, &result, &x);
    op_info(OP_fuse)->footprint(instance.m, map.op, 1, &result, &w);
    CHECK(x.rank == 4 && x.lo[0] == 0 && x.hi[0] == 1 && x.lo[1] == 0 && x.hi[1] == 3 && x.hi[2] == 2 &&
          x.hi[3] == 2);
    CHECK(w.rank == 2 && w.lo[0] == 1 && w.hi[0] == 3 && w.lo[1] == 0 && w.hi[1] == 12);
    str_free(&text);
    vec_free(&map.links);
    vec_free(&map.frozen);
    op_instance_free(&instance);
}

int main(void) {
    indices();
    footprint_of_constant_indices();
    symbols();
    channels_of_reshape();
    channels_of_fuse();
    return unit_status();
}
