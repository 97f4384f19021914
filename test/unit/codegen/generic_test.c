/* The plain loops that take any contraction: element types, ranks, layouts, convolutions of all shapes,
 * bodies around. */
#include "test/support/kernel_case.h"
#include "test/support/unit.h"

static void small_numbers(struct kernel_case *c, enum elem elem) {
    if (elem_is_float(elem)) c->low = -1, c->high = 1;
}

static void test_linear(enum elem elem) {
    struct kernel_case c;
    kernel_case_begin(&c, "linear");
    small_numbers(&c, elem);
    value_id x = kernel_input(&c, elem, 3, 2, 3, 17), w = kernel_input(&c, elem, 2, 5, 17),
             b = kernel_input(&c, elem, 1, 5);
    kernel_run(&c, kernel_op(&c, OP_linear, 3, x, w, b), emit_generic);
    kernel_run(&c, kernel_op(&c, OP_linear, 2, x, w), emit_generic);
    kernel_case_end(&c);
}

static void test_matmul(enum elem elem) {
    static const struct {
        uint32_t rank[2];
        int64_t dims[2][4];
    } rows[] = {
        {{2, 2}, {{3, 7}, {7, 5}}},
        {{1, 1}, {{9}, {9}}},
        {{1, 2}, {{7}, {7, 5}}},
        {{2, 1}, {{3, 7}, {7}}},
        {{4, 3}, {{2, 1, 3, 7}, {4, 7, 5}}},
        {{3, 1}, {{2, 3, 7}, {7}}},
        {{1, 4}, {{7}, {2, 1, 7, 5}}},
        {{2, 2}, {{3, 0}, {0, 5}}},
        {{4, 2}, {{2, 3, 1, 7}, {7, 1}}},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct kernel_case c;
        kernel_case_begin(&c, "matmul");
        small_numbers(&c, elem);
        value_id a = kernel_input_dims(&c, elem, rows[i].rank[0], rows[i].dims[0]);
        value_id b = kernel_input_dims(&c, elem, rows[i].rank[1], rows[i].dims[1]);
        kernel_run(&c, kernel_op(&c, OP_matmul, 2, a, b), emit_generic);
        kernel_case_end(&c);
    }
}

/* c, o, kh, kw, stride, pad before and after, dilation, groups, h, w */
static void test_conv(bool transposed, const int64_t *p, enum elem elem, uint32_t block) {
    struct kernel_case c;
    kernel_case_begin(&c, transposed ? "conv_transpose2d" : "conv2d");
    small_numbers(&c, elem);
    int64_t groups = p[10];
    value_id in[3] = {kernel_input(&c, elem, 4, 2, (int)p[0], (int)p[11], (int)p[12])};
    int first = (int)(transposed ? p[0] : p[1]), second = (int)((transposed ? p[1] : p[0]) / groups);
    in[1] = kernel_input(&c, elem, 4, first, second, (int)p[2], (int)p[3]);
    in[2] = kernel_input(&c, elem, 1, (int)p[1]);
    if (block) kernel_block(&c, in[0], block);
    int64_t stride[] = {p[4], p[4]}, pad[] = {p[5], p[6], p[7], p[8]}, dilation[] = {p[9], p[9]};
    struct attr attrs[] = {attr_ints(c.m, ATTR_stride, stride, 2), attr_ints(c.m, ATTR_pad, pad, 4),
                           attr_ints(c.m, ATTR_dilation, dilation, 2), attr_int(ATTR_groups, groups)};
    op_id op = kernel_op_with(&c, transposed ? OP_conv_transpose2d : OP_conv2d, in, 3, attrs, 4);
    if (block) kernel_block(&c, kernel_result(&c, op, 0), block);
    kernel_run(&c, op, emit_generic);
    kernel_case_end(&c);
}

static void test_convs(void) {
    static const int64_t rows[][13] = {
        {3, 5, 3, 3, 1, 1, 1, 1, 1, 1, 1, 5, 6}, {4, 6, 2, 3, 2, 0, 1, 2, 0, 1, 2, 7, 5},
        {2, 2, 2, 2, 2, 0, 0, 0, 0, 1, 1, 3, 4}, {6, 6, 3, 3, 1, 2, 2, 2, 2, 2, 6, 5, 5},
        {3, 4, 1, 1, 3, 0, 0, 0, 0, 1, 1, 5, 5}, {2, 4, 4, 3, 2, 1, 0, 1, 2, 1, 2, 6, 7},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        for (int transposed = 0; transposed < 2; transposed++) {
            test_conv(transposed, rows[i], ELEM_f32, 0);
            test_conv(transposed, rows[i], ELEM_f32, 16);
            test_conv(transposed, rows[i], ELEM_f64, 0);
            test_conv(transposed, rows[i], ELEM_bf16, 0);
        }
    struct kernel_case c;
    /* Kernels that hold Inf and NaN, over padding too. */
    kernel_case_begin(&c, "conv2d on special numbers");
    c.specials = true;
    int64_t around[] = {1, 1, 1, 1};
    struct attr padded = attr_ints(c.m, ATTR_pad, around, 4);
    value_id image = kernel_input(&c, ELEM_f16, 4, 1, 2, 3, 4),
             kernels = kernel_input(&c, ELEM_f16, 4, 4, 2, 3, 3);
    kernel_run(&c, kernel_op_with(&c, OP_conv2d, (value_id[]){image, kernels}, 2, &padded, 1), emit_generic);
    kernel_case_end(&c);
    kernel_case_begin(&c, "conv1d");
    c.low = -1;
    c.high = 1;
    value_id x = kernel_input(&c, ELEM_f32, 3, 2, 4, 11), w = kernel_input(&c, ELEM_f32, 3, 6, 2, 3);
    value_id v = kernel_input(&c, ELEM_f32, 3, 4, 3, 3);
    int64_t two[] = {2}, pad[] = {1, 2};
    struct attr attrs[] = {attr_ints(c.m, ATTR_stride, two, 1), attr_ints(c.m, ATTR_pad, pad, 2),
                           attr_int(ATTR_groups, 2)};
    kernel_run(&c, kernel_op_with(&c, OP_conv1d, (value_id[]){x, w}, 2, attrs, 3), emit_generic);
    kernel_run(&c, kernel_op_with(&c, OP_conv_transpose1d, (value_id[]){x, v}, 2, attrs, 3), emit_generic);
    kernel_case_end(&c);
}

/* relu(x) * w + residual, tanh of it: work before and after the product. */
static void test_fuse(uint32_t block) {
    struct kernel_case c;
    kernel_case_begin(&c, "fuse around conv2d");
    c.low = -1;
    c.high = 1;
    value_id in[3] = {kernel_input(&c, ELEM_f32, 4, 1, 5, 4, 6), kernel_input(&c, ELEM_f32, 4, 5, 5, 1, 1),
                      kernel_input(&c, ELEM_f32, 4, 1, 5, 4, 6)};
    if (block) kernel_block(&c, in[0], block);
    if (block) kernel_block(&c, in[2], block);
    op_id fuse = build_fuse_begin(&c.b, in, 3);
    region_id body = op_get(c.m, fuse)->body;
    struct builder b = builder_at_end(c.m, body, &c.diag);
    value_id *args = region_get(c.m, body)->args.at, weights = args[1], residual = args[2];
    value_id positive = build(&b, OP_relu, &args[0], 1, NULL, 0, NULL);
    value_id product = build(&b, OP_conv2d, (value_id[]){positive, weights}, 2, NULL, 0, NULL);
    value_id sum = build(&b, OP_add, (value_id[]){product, residual}, 2, NULL, 0, NULL);
    *vec_push(&region_get(c.m, body)->results) = build(&b, OP_tanh, &sum, 1, NULL, 0, NULL);
    CHECK(build_fuse_end(&c.b, fuse, NULL) == STATUS_OK);
    if (block) kernel_block(&c, kernel_result(&c, fuse, 0), block);
    kernel_run(&c, fuse, emit_generic);
    kernel_case_end(&c);
}

static void test_attention(enum elem elem, bool causal, enum elem mask_elem) {
    struct kernel_case c;
    kernel_case_begin(&c, "attention");
    small_numbers(&c, elem);
    value_id q = kernel_input(&c, elem, 3, 2, 5, 12), k = kernel_input(&c, elem, 3, 2, 7, 6),
             v = kernel_input(&c, elem, 3, 2, 7, 4);
    struct attr attrs[] = {attr_int(ATTR_heads, 4), attr_int(ATTR_kv_heads, 2),
                           attr_bool(ATTR_causal, causal)};
    if (mask_elem == ELEM_NONE) {
        kernel_run(&c, kernel_op_with(&c, OP_attention, (value_id[]){q, k, v}, 3, attrs, 3), emit_generic);
    } else {
        value_id mask = kernel_input(&c, mask_elem, 3, 4, 1, 7);
        kernel_run(&c, kernel_op_with(&c, OP_attention, (value_id[]){q, k, v, mask}, 4, attrs, 3),
                   emit_generic);
    }
    kernel_case_end(&c);
}

int main(void) {
    static const enum elem elems[] = {ELEM_f32, ELEM_f64, ELEM_f16, ELEM_i8, ELEM_u64};
    for (size_t i = 0; i < COUNT_OF(elems); i++) {
        test_linear(elems[i]);
        test_matmul(elems[i]);
    }
    test_convs();
    test_fuse(0);
    test_fuse(16);
    for (int causal = 0; causal < 2; causal++) {
        test_attention(ELEM_f32, causal, ELEM_NONE);
        test_attention(ELEM_f32, causal, ELEM_bool);
        test_attention(ELEM_f16, causal, ELEM_f16);
        test_attention(ELEM_f64, causal, ELEM_f64);
    }
    struct kernel_case c;
    kernel_case_begin(&c, "not a contraction");
    value_id x = kernel_input(&c, ELEM_f32, 1, 4);
    CHECK(kernel_declines(&c, kernel_op(&c, OP_relu, 1, x), emit_generic));
    kernel_case_end(&c);
    CHECK(kernel_failures == 0);
    return unit_status();
}
