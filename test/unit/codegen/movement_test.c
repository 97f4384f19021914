/* Kernels that move elements: every op on edge shapes and every element size, relayouts, lookups, resizing.
 */
#include "test/support/kernel_case.h"
#include "test/support/unit.h"

#include <string.h>

/* One op with one operand and at most four attributes. */
static void run1(const char *name, enum elem elem, uint32_t rank, const int64_t *dims, enum op_kind kind,
                 const struct attr *(*attrs)(struct module *m, const int64_t *at, uint32_t *count),
                 const int64_t *at) {
    struct kernel_case c;
    char text[96];
    snprintf(text, sizeof text, "%s %s", name, elem_name(elem));
    kernel_case_begin(&c, text);
    if (elem != ELEM_f32) kernel_next_cpu(&c);
    value_id x = kernel_input_dims(&c, elem, rank, dims);
    uint32_t count = 0;
    const struct attr *list = attrs ? attrs(c.m, at, &count) : NULL;
    kernel_run(&c, kernel_op_with(&c, kind, &x, 1, list, count), emit_movement);
    kernel_case_end(&c);
}

static const enum elem sizes[] = {ELEM_u8, ELEM_f16, ELEM_f32, ELEM_i64};

/* at[0] numbers after it. */
static const struct attr *with_perm(struct module *m, const int64_t *at, uint32_t *count) {
    static struct attr attr;
    attr = attr_ints(m, ATTR_perm, at + 1, (uint32_t)at[0]);
    *count = 1;
    return &attr;
}

static void test_transpose(void) {
    static const struct {
        uint32_t rank;
        int64_t dims[5], perm[6];
    } rows[] = {
        {2, {16, 16}, {2, 1, 0}},
        {2, {37, 53}, {2, 1, 0}},
        {2, {3, 200}, {2, 1, 0}},
        {2, {200, 3}, {2, 1, 0}},
        {2, {1, 7}, {2, 1, 0}},
        {3, {2, 33, 18}, {3, 0, 2, 1}},
        {4, {1, 3, 20, 19}, {4, 0, 2, 3, 1}},
        {4, {1, 20, 19, 3}, {4, 0, 3, 1, 2}},
        {4, {2, 5, 3, 24}, {4, 0, 2, 1, 3}},
        {3, {4, 0, 3}, {3, 2, 1, 0}},
        {1, {5}, {1, 0}},
        {4, {2, 3, 4, 5}, {4, 3, 2, 1, 0}},
        {2, {700, 130}, {2, 1, 0}},
        {3, {17, 2, 9}, {3, 1, 2, 0}},
        {5, {2, 3, 2, 5, 4}, {5, 4, 1, 0, 3, 2}},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        for (size_t s = 0; s < COUNT_OF(sizes); s++)
            run1("transpose", sizes[s], rows[i].rank, rows[i].dims, OP_transpose, with_perm, rows[i].perm);
}

static const struct attr *with_cuts(struct module *m, const int64_t *at, uint32_t *count) {
    static struct attr attrs[4];
    uint32_t n = (uint32_t)at[0];
    attrs[0] = attr_ints(m, ATTR_starts, at + 1, n);
    attrs[1] = attr_ints(m, ATTR_ends, at + 1 + n, n);
    attrs[2] = attr_ints(m, ATTR_axes, at + 1 + 2 * n, n);
    attrs[3] = attr_ints(m, ATTR_steps, at + 1 + 3 * n, n);
    *count = 4;
    return attrs;
}

static const struct attr *with_pads(struct module *m, const int64_t *at, uint32_t *count) {
    static struct attr attrs[3];
    attrs[0] = attr_ints(m, ATTR_pads, at + 2, (uint32_t)at[1]);
    attrs[1] = attr_keyword(ATTR_mode, (enum keyword)at[0]);
    attrs[2] = attr_float(ATTR_value, 3);
    *count = 3;
    return attrs;
}

static const struct attr *with_shape(struct module *m, const int64_t *at, uint32_t *count) {
    static struct attr attr;
    attr = attr_dims(ATTR_shape, dims_from_ints(&m->types, at + 1, (uint32_t)at[0]));
    *count = 1;
    return &attr;
}

static const struct attr *with_repeats(struct module *m, const int64_t *at, uint32_t *count) {
    static struct attr attr;
    attr = attr_ints(m, ATTR_repeats, at + 1, (uint32_t)at[0]);
    *count = 1;
    return &attr;
}

static void test_boxes(void) {
    static const int64_t cube[] = {5, 6, 37}, row[] = {1, 6, 1}, wide[] = {3, 70000};
    static const int64_t cuts[][14] = {
        {1, 1, 4, 0, 1}, {2, 5, -1, -7, 30, 1, 2, -1, 3}, {1, -1, -1000, 2, -1}, {1, 36, 0, 2, -5},
        {1, 3, 3, 1, 1}, {2, 4, 36, 0, 0, 0, 2, -2, -1},
    };
    for (size_t i = 0; i < COUNT_OF(cuts); i++)
        for (size_t s = 0; s < COUNT_OF(sizes); s++)
            run1("slice", sizes[s], 3, cube, OP_slice, with_cuts, cuts[i]);
    static const int64_t pads[][10] = {
        {KEYWORD_constant, 6, 1, 0, 2, 0, 3, 1}, {KEYWORD_constant, 6, -1, 2, -2, 3, -2, -30},
        {KEYWORD_reflect, 6, 2, 1, 5, 3, 0, 7},  {KEYWORD_reflect, 6, 9, 0, 40, 9, 0, 80},
        {KEYWORD_edge, 6, 1, 2, 0, 2, 0, 20},    {KEYWORD_wrap, 6, 2, 0, 3, 1, 8, 50},
        {KEYWORD_constant, 6, 0, 0, 0, 0, 0, 0},
    };
    for (size_t i = 0; i < COUNT_OF(pads); i++)
        for (size_t s = 0; s < COUNT_OF(sizes); s++)
            run1("pad", sizes[s], 3, cube, OP_pad, with_pads, pads[i]);
    static const int64_t expand[] = {4, 2, 5, 6, 33}, flat[] = {2, 5, 222}, tile[] = {3, 2, 1, 3},
                         none[] = {3, 2, 0, 1};
    static const int64_t long_row[] = {2, 2, 105000};
    for (size_t s = 0; s < COUNT_OF(sizes); s++) {
        run1("expand", sizes[s], 3, row, OP_expand, with_shape, expand);
        run1("reshape", sizes[s], 3, cube, OP_reshape, with_shape, flat);
        run1("long reshape", sizes[s], 2, wide, OP_reshape, with_shape, long_row);
        run1("flatten", sizes[s], 3, cube, OP_flatten, NULL, NULL);
        run1("tile", sizes[s], 3, cube, OP_tile, with_repeats, tile);
        run1("tile to nothing", sizes[s], 3, cube, OP_tile, with_repeats, none);
    }
}

static void test_pieces(int64_t axis, uint32_t block) {
    struct kernel_case c;
    char name[64];
    snprintf(name, sizeof name, "pieces along %lld, block %u", (long long)axis, block);
    kernel_case_begin(&c, name);
    int64_t dims[3][4] = {{2, 16, 3, 5}, {2, 16, 3, 5}, {2, 16, 3, 5}};
    dims[1][axis] = axis == 1 ? 32 : 1;
    dims[2][axis] = axis == 1 ? 20 : 7;
    value_id x[3];
    for (int i = 0; i < 3; i++) {
        x[i] = kernel_input_dims(&c, ELEM_f32, 4, dims[i]);
        if (block) kernel_block(&c, x[i], block);
    }
    struct attr at = attr_int(ATTR_axis, axis);
    op_id join = kernel_op_with(&c, OP_concat, x, 3, &at, 1);
    if (block) kernel_block(&c, kernel_result(&c, join, 0), block);
    kernel_run(&c, join, emit_movement);
    int64_t sizes_along[] = {dims[0][axis], dims[1][axis], dims[2][axis]};
    struct attr attrs[] = {at, attr_ints(c.m, ATTR_sizes, sizes_along, 3)};
    value_id whole = kernel_result(&c, join, 0);
    op_id split = kernel_op_with(&c, OP_split, &whole, 1, attrs, 2);
    for (uint32_t r = 0; block && r < 3; r++) kernel_block(&c, kernel_result(&c, split, r), block);
    kernel_run(&c, split, emit_movement);
    kernel_case_end(&c);
}

static void test_relayout(enum elem elem, int channels, uint32_t from, uint32_t to, int height, int width) {
    struct kernel_case c;
    char name[64];
    snprintf(name, sizeof name, "relayout %s %d channels, %u to %u, %dx%d", elem_name(elem), channels, from,
             to, height, width);
    kernel_case_begin(&c, name);
    value_id x = kernel_input(&c, elem, 4, 2, channels, height, width);
    if (from) kernel_block(&c, x, from);
    struct attr at =
        attr_layout(ATTR_layout, to ? layout_channel_blocked(&c.m->types, 4, to) : (layout_id){0});
    op_id op = kernel_op_with(&c, OP_relayout, &x, 1, &at, 1);
    value_get(c.m, kernel_result(&c, op, 0))->type.layout = at.layout;
    kernel_run(&c, op, emit_movement);
    kernel_case_end(&c);
}

static void test_relayouts(void) {
    static const int channels[] = {3, 16, 17, 24, 40, 1};
    static const uint32_t blocks[][2] = {{0, 16}, {16, 0}, {0, 8},  {8, 0},  {0, 4},
                                         {4, 0},  {16, 8}, {8, 16}, {16, 16}};
    for (size_t i = 0; i < COUNT_OF(channels); i++)
        for (size_t k = 0; k < COUNT_OF(blocks); k++) {
            test_relayout(ELEM_f32, channels[i], blocks[k][0], blocks[k][1], 7, 7);
            test_relayout(ELEM_f32, channels[i], blocks[k][0], blocks[k][1], 1, 1);
            if (i < 3 && k < 4) test_relayout(ELEM_f32, channels[i], blocks[k][0], blocks[k][1], 20, 29);
        }
    for (size_t s = 0; s < COUNT_OF(sizes); s++)
        for (size_t k = 0; k < 4; k++) test_relayout(sizes[s], 21, blocks[k][0], blocks[k][1], 5, 9);
}

static void test_lookup(enum elem elem, enum elem index_elem, int64_t axis) {
    struct kernel_case c;
    kernel_case_begin(&c, "lookup");
    value_id table = kernel_input(&c, elem, 3, 5, 7, 13), indices = kernel_input(&c, index_elem, 2, 3, 11);
    int64_t extent = axis == 0 ? 5 : axis == 1 ? 7 : 13, dims[] = {3, 11};
    c.data[indices.i] = tensor_new(index_elem, 2, dims);
    for (int64_t i = 0; i < 33; i++) tensor_set_i64(&c.data[indices.i], i, i * 7 % (2 * extent) - extent);
    struct attr at = attr_int(ATTR_axis, axis);
    kernel_run(&c, kernel_op_with(&c, OP_gather, (value_id[]){table, indices}, 2, &at, 1), emit_movement);
    value_id rows = kernel_input(&c, elem, 2, (int)extent, 70);
    kernel_run(&c, kernel_op(&c, OP_embedding, 2, indices, rows), emit_movement);
    kernel_case_end(&c);
}

static void test_scatter(enum elem elem, enum elem index_elem, int64_t rows, int64_t inner,
                         enum keyword reduction) {
    struct kernel_case c;
    char name[96];
    snprintf(name, sizeof name, "scatter %s into %lld x %lld by %s, %s", keyword_text(reduction),
             (long long)rows, (long long)inner, elem_name(index_elem), elem_name(elem));
    kernel_case_begin(&c, name);
    if (!elem_is_float(elem)) c.low = 0, c.high = elem == ELEM_bool ? 2 : 100;
    value_id x = kernel_input(&c, elem, 2, (int)rows, (int)inner), at = kernel_input(&c, index_elem, 2, 3, 7);
    value_id updates = kernel_input(&c, elem, 3, 3, 7, (int)inner);
    c.data[at.i] = tensor_new(index_elem, 2, (const int64_t[]){3, 7});
    for (int64_t i = 0; i < 21; i++) tensor_set_i64(&c.data[at.i], i, i * i % (2 * rows) - rows);
    struct attr attr = attr_keyword(ATTR_reduction, reduction);
    kernel_run(&c, kernel_op_with(&c, OP_scatter, (value_id[]){x, at, updates}, 3, &attr, 1), emit_movement);
    kernel_case_end(&c);
}

static void test_scatters(void) {
    static const enum keyword reductions[] = {KEYWORD_none, KEYWORD_add, KEYWORD_mul, KEYWORD_max,
                                              KEYWORD_min};
    static const enum elem elems[] = {ELEM_f32, ELEM_f16, ELEM_bf16, ELEM_f64, ELEM_i8, ELEM_u16, ELEM_i64};
    for (size_t e = 0; e < COUNT_OF(elems); e++)
        for (size_t r = 0; r < COUNT_OF(reductions); r++) {
            test_scatter(elems[e], ELEM_i64, 5, 37, reductions[r]);
            test_scatter(elems[e], ELEM_i32, 300, 1, reductions[r]);
        }
    test_scatter(ELEM_f32, ELEM_i64, 900, 100, KEYWORD_none);
    test_scatter(ELEM_f32, ELEM_i64, 900, 100, KEYWORD_add);
    test_scatter(ELEM_bool, ELEM_i64, 9, 5, KEYWORD_none);
}

static void test_resize(enum elem elem, enum keyword mode, enum keyword coordinates, uint32_t block,
                        const int64_t *to) {
    struct kernel_case c;
    char name[96];
    snprintf(name, sizeof name, "resize %s %s %s block %u to %lldx%lld", elem_name(elem), keyword_text(mode),
             keyword_text(coordinates), block, (long long)to[2], (long long)to[3]);
    kernel_case_begin(&c, name);
    if (!elem_is_float(elem)) c.low = -100, c.high = 100;
    value_id x = kernel_input(&c, elem, 4, 2, 20, 5, 9);
    if (block) kernel_block(&c, x, block);
    struct attr attrs[] = {attr_dims(ATTR_shape, dims_from_ints(&c.m->types, to, 4)),
                           attr_keyword(ATTR_mode, mode), attr_keyword(ATTR_coordinates, coordinates)};
    op_id op = kernel_op_with(&c, OP_resize, &x, 1, attrs, 3);
    if (block) kernel_block(&c, kernel_result(&c, op, 0), block);
    kernel_run(&c, op, emit_movement);
    kernel_case_end(&c);
}

static void test_resizes(void) {
    static const int64_t twice[] = {2, 20, 10, 18}, odd[] = {2, 20, 3, 25}, all[] = {3, 11, 7, 4};
    static const enum keyword coordinates[] = {KEYWORD_half_pixel, KEYWORD_align_corners, KEYWORD_asymmetric};
    static const enum keyword modes[] = {KEYWORD_nearest, KEYWORD_linear};
    for (int m = 0; m < 2; m++)
        for (int k = 0; k < 3; k++) {
            test_resize(ELEM_f32, modes[m], coordinates[k], 0, twice);
            test_resize(ELEM_f32, modes[m], coordinates[k], 16, twice);
            test_resize(ELEM_f32, modes[m], coordinates[k], 8, odd);
            test_resize(ELEM_f16, modes[m], coordinates[k], 0, odd);
            test_resize(ELEM_i32, modes[m], coordinates[k], 0, odd);
            test_resize(ELEM_f64, modes[m], coordinates[k], 0, all);
        }
}

int main(void) {
    test_transpose();
    test_boxes();
    for (int64_t axis = 0; axis < 4; axis++) {
        test_pieces(axis, 0);
        test_pieces(axis, 16);
    }
    test_relayouts();
    for (int64_t axis = 0; axis < 3; axis++) {
        test_lookup(ELEM_f32, ELEM_i64, axis);
        test_lookup(ELEM_u8, ELEM_i32, axis);
    }
    test_scatters();
    test_resizes();
    CHECK(kernel_failures == 0);
    return unit_status();
}
