/* Kernels that reduce: reductions over all sets of axes, positions of extremes, pooling, normalizations. */
#include "test/support/kernel_case.h"
#include "test/support/unit.h"

#include <math.h>

static const enum op_kind reductions[] = {OP_reduce_sum, OP_reduce_mean, OP_reduce_max,
                                          OP_reduce_min, OP_reduce_prod, OP_reduce_sum_square};

static void test_reduce(enum op_kind kind, enum elem elem, uint32_t rank, const int64_t *dims, uint32_t set,
                        bool keep, uint32_t block) {
    struct kernel_case c;
    char name[96];
    snprintf(name, sizeof name, "%s %s axes %x of rank %u, block %u", op_info(kind)->name, elem_name(elem),
             set, rank, block);
    kernel_case_begin(&c, name);
    if (elem != ELEM_f32) kernel_next_cpu(&c);
    if (elem_is_float(elem)) c.low = 0.5, c.high = 1.5;
    if (kind == OP_reduce_max || kind == OP_reduce_min) c.low = c.high = 0, c.specials = elem_is_float(elem);
    if (kind == OP_reduce_prod && elem == ELEM_f16) c.relative = 0.05;
    value_id x = kernel_input_dims(&c, elem, rank, dims);
    if (block) kernel_block(&c, x, block);
    int64_t axes[MAX_RANK];
    uint32_t n = 0;
    for (uint32_t d = 0; d < rank; d++)
        if (set >> d & 1) axes[n++] = d;
    struct attr attrs[] = {attr_ints(c.m, ATTR_axes, axes, n), attr_bool(ATTR_keep, keep)};
    op_id op = kernel_op_with(&c, kind, &x, 1, attrs, 2);
    if (block) kernel_block(&c, kernel_result(&c, op, 0), block);
    kernel_run(&c, op, emit_reduction);
    kernel_case_end(&c);
}

static void test_reductions(void) {
    static const int64_t cube[] = {3, 5, 37}, blocked[] = {2, 20, 7, 7}, row[] = {1000}, flat[] = {4, 3},
                         empty[] = {3, 0, 4};
    for (size_t k = 0; k < COUNT_OF(reductions); k++) {
        for (uint32_t set = 1; set < 8; set++) test_reduce(reductions[k], ELEM_f32, 3, cube, set, set & 1, 0);
        for (enum elem elem = ELEM_NONE + 1; elem < ELEM_COUNT; elem++) {
            if (!elem_in(elem, op_info(reductions[k])->elems)) continue;
            test_reduce(reductions[k], elem, 3, cube, 4, false, 0);
            test_reduce(reductions[k], elem, 3, cube, 2, true, 0);
        }
        test_reduce(reductions[k], ELEM_f32, 1, row, 1, false, 0);
        test_reduce(reductions[k], ELEM_f32, 2, flat, 1, false, 0);
        test_reduce(reductions[k], ELEM_f32, 2, flat, 2, false, 0);
        if (reductions[k] != OP_reduce_mean) test_reduce(reductions[k], ELEM_i32, 3, empty, 2, false, 0);
    }
    for (size_t k = 0; k < 4; k++) {
        test_reduce(reductions[k], ELEM_f32, 4, blocked, 12, true, 16);
        test_reduce(reductions[k], ELEM_f32, 4, blocked, 8, true, 8);
    }
}

static void test_extreme(enum elem elem, int64_t axis, bool largest, bool last) {
    struct kernel_case c;
    char name[64];
    snprintf(name, sizeof name, "arg%s %s axis %lld", largest ? "max" : "min", elem_name(elem),
             (long long)axis);
    kernel_case_begin(&c, name);
    if (elem != ELEM_f32) kernel_next_cpu(&c);
    c.specials = elem_is_float(elem);
    if (!elem_is_float(elem)) c.low = 0, c.high = 9;
    struct attr attrs[] = {attr_int(ATTR_axis, axis), attr_bool(ATTR_last, last)};
    static const int64_t dims[][3] = {{3, 5, 37}, {2, 40, 3}, {1, 1, 1}, {70, 2, 64}};
    for (size_t i = 0; i < COUNT_OF(dims); i++) {
        value_id x = kernel_input_dims(&c, elem, 3, dims[i]);
        kernel_run(&c, kernel_op_with(&c, largest ? OP_argmax : OP_argmin, &x, 1, attrs, 2), emit_reduction);
    }
    kernel_case_end(&c);
}

static void test_order(enum elem elem, int64_t axis, bool smallest) {
    struct kernel_case c;
    char name[64];
    snprintf(name, sizeof name, "topk %s axis %lld%s", elem_name(elem), (long long)axis,
             smallest ? " smallest" : "");
    kernel_case_begin(&c, name);
    if (elem != ELEM_f32) kernel_next_cpu(&c);
    c.specials = elem_is_float(elem);
    if (!elem_is_float(elem)) c.low = 0, c.high = axis == 2 ? 9 : 0; /* many are equal, or few */
    static const int64_t dims[][3] = {{3, 5, 37}, {2, 40, 3}, {1, 1, 1}, {70, 2, 64}};
    for (size_t i = 0; i < COUNT_OF(dims); i++) {
        const int64_t extent = dims[i][axis], counts[] = {0, 1, 2, extent / 2, extent};
        value_id x = kernel_input_dims(&c, elem, 3, dims[i]);
        for (size_t k = 0; k < COUNT_OF(counts); k++) {
            if (counts[k] > extent) continue;
            struct attr attrs[] = {attr_int(ATTR_axis, axis), attr_int(ATTR_count, counts[k]),
                                   attr_bool(ATTR_smallest, smallest)};
            kernel_run(&c, kernel_op_with(&c, OP_topk, &x, 1, attrs, 3), emit_reduction);
        }
    }
    kernel_case_end(&c);
}

static void test_pool(enum op_kind kind, enum elem elem, uint32_t block, const int64_t *p, bool ceil_mode,
                      bool count_pad) {
    struct kernel_case c;
    char name[128];
    snprintf(name, sizeof name,
             "%s %s block %u window %lldx%lld stride %lld %lld pad %lld %lld %lld %lld%s%s",
             op_info(kind)->name, elem_name(elem), block, (long long)p[0], (long long)p[1], (long long)p[2],
             (long long)p[3], (long long)p[4], (long long)p[5], (long long)p[6], (long long)p[7],
             ceil_mode ? " ceil" : "", count_pad ? " count" : "");
    kernel_case_begin(&c, name);
    if (block != 16) kernel_next_cpu(&c);
    value_id x = kernel_input(&c, elem, 4, 2, 20, (int)p[10], (int)p[11]);
    if (block) kernel_block(&c, x, block);
    struct attr attrs[] = {attr_ints(c.m, ATTR_window, p, 2),    attr_ints(c.m, ATTR_stride, p + 2, 2),
                           attr_ints(c.m, ATTR_pad, p + 4, 4),   attr_ints(c.m, ATTR_dilation, p + 8, 2),
                           attr_bool(ATTR_ceil_mode, ceil_mode), attr_bool(ATTR_count_pad, count_pad)};
    op_id op = kernel_op_with(&c, kind, &x, 1, attrs, kind == OP_avgpool2d ? 6 : 5);
    if (block) kernel_block(&c, kernel_result(&c, op, 0), block);
    kernel_run(&c, op, emit_reduction);
    kernel_case_end(&c);
}

static void test_pools(void) {
    /* window, stride, pad before and after, dilation, height and width */
    static const int64_t rows[][12] = {
        {2, 2, 2, 2, 0, 0, 0, 0, 1, 1, 8, 8},  {3, 3, 2, 2, 1, 1, 1, 1, 1, 1, 13, 29},
        {3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 7, 40}, {7, 7, 1, 1, 0, 0, 0, 0, 1, 1, 7, 7},
        {2, 3, 1, 2, 0, 1, 1, 2, 2, 1, 9, 10}, {1, 1, 3, 3, 0, 0, 0, 0, 1, 1, 7, 8},
        {3, 2, 2, 1, 2, 0, 1, 1, 1, 2, 5, 6},  {5, 18, 1, 1, 4, 8, 2, 9, 1, 1, 3, 20},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        for (int variant = 0; variant < 4; variant++) {
            uint32_t block = variant == 0 ? 0 : variant == 1 ? 16 : variant == 2 ? 8 : 4;
            test_pool(OP_maxpool2d, ELEM_f32, block, rows[i], variant & 1, false);
            test_pool(OP_avgpool2d, ELEM_f32, block, rows[i], variant & 1, variant & 2);
            if (variant > 1) continue;
            test_pool(OP_maxpool2d, ELEM_i8, block, rows[i], false, false);
            test_pool(OP_avgpool2d, ELEM_f16, block, rows[i], false, true);
        }
    struct kernel_case c;
    kernel_case_begin(&c, "pool 1d");
    int64_t three[] = {3}, two[] = {2}, pad[] = {1, 0};
    struct attr attrs[] = {attr_ints(c.m, ATTR_window, three, 1), attr_ints(c.m, ATTR_stride, two, 1),
                           attr_ints(c.m, ATTR_pad, pad, 2)};
    value_id x = kernel_input(&c, ELEM_f32, 3, 2, 3, 50);
    c.specials = true;
    kernel_run(&c, kernel_op_with(&c, OP_maxpool1d, &x, 1, attrs, 3), emit_reduction);
    c.specials = false;
    kernel_run(&c, kernel_op_with(&c, OP_avgpool1d, &x, 1, attrs, 3), emit_reduction);
    kernel_case_end(&c);
}

static void test_softmax(enum op_kind kind, enum elem elem, int64_t axis, double low, double high) {
    struct kernel_case c;
    char name[96];
    snprintf(name, sizeof name, "%s %s axis %lld in [%g, %g)", op_info(kind)->name, elem_name(elem),
             (long long)axis, low, high);
    kernel_case_begin(&c, name);
    c.low = low;
    c.high = high;
    c.specials = low == 0 && high == 0;
    static const int64_t dims[][3] = {{3, 5, 37}, {2, 70, 17}, {4, 1, 1}, {1, 2, 300}};
    struct attr at = attr_int(ATTR_axis, axis);
    for (size_t i = 0; i < COUNT_OF(dims); i++) {
        value_id x = kernel_input_dims(&c, elem, 3, dims[i]);
        kernel_run(&c, kernel_op_with(&c, kind, &x, 1, &at, 1), emit_reduction);
    }
    kernel_case_end(&c);
}

static void test_layernorm(enum elem elem, int64_t axis, double low, double high) {
    struct kernel_case c;
    char name[96];
    snprintf(name, sizeof name, "layernorm %s axis %lld in [%g, %g)", elem_name(elem), (long long)axis, low,
             high);
    kernel_case_begin(&c, name);
    c.low = low;
    c.high = high;
    if (elem == ELEM_f64) c.relative = 1e-10; /* 10000 of deviation 0.3 */
    struct attr at = attr_int(ATTR_axis, axis);
    value_id x = kernel_input(&c, elem, 3, 3, 5, 77);
    kernel_run(&c, kernel_op_with(&c, OP_layernorm, &x, 1, &at, 1), emit_reduction);
    /* Scale and bias are drawn from the same range, and would cancel if it were far from 0. */
    if (low > 1000) {
        kernel_case_end(&c);
        return;
    }
    value_id scale = axis == 2 ? kernel_input(&c, elem, 1, 77) : kernel_input(&c, elem, 2, 5, 77);
    value_id bias = axis == 2 ? kernel_input(&c, elem, 1, 77) : kernel_input(&c, elem, 2, 5, 77);
    kernel_run(&c, kernel_op_with(&c, OP_layernorm, (value_id[]){x, scale, bias}, 3, &at, 1), emit_reduction);
    kernel_run(&c, kernel_op_with(&c, OP_layernorm, (value_id[]){x, {0}, bias}, 3, &at, 1), emit_reduction);
    kernel_case_end(&c);
}

static void test_batchnorm(enum elem elem) {
    struct kernel_case c;
    kernel_case_begin(&c, "batchnorm");
    c.low = 0.5;
    c.high = 2;
    value_id in[5] = {kernel_input(&c, elem, 4, 2, 5, 3, 7)};
    for (int i = 1; i < 5; i++) in[i] = kernel_input(&c, elem, 1, 5);
    kernel_run(&c, kernel_op_with(&c, OP_batchnorm, in, 5, NULL, 0), emit_reduction);
    in[0] = kernel_input(&c, elem, 2, 4, 5);
    kernel_run(&c, kernel_op_with(&c, OP_batchnorm, in, 5, NULL, 0), emit_reduction);
    kernel_case_end(&c);
}

int main(void) {
    test_reductions();
    for (enum elem elem = ELEM_NONE + 1; elem < ELEM_COUNT; elem++) {
        if (!elem_in(elem, ELEMS_NUMERIC)) continue;
        for (int64_t axis = 0; axis < 3; axis++) {
            test_extreme(elem, axis, axis != 1, axis == 2);
            test_order(elem, axis, axis == 1);
            test_order(elem, axis, axis != 1);
        }
    }
    test_pools();
    for (int64_t axis = 0; axis < 3; axis++) {
        test_softmax(OP_softmax, ELEM_f32, axis, 0, 0);
        test_softmax(OP_softmax, ELEM_f32, axis, -200, 200);
        test_softmax(OP_log_softmax, ELEM_f32, axis, -200, 200);
        test_softmax(OP_log_softmax, ELEM_f16, axis, -5, 5);
        test_softmax(OP_softmax, ELEM_f16, axis, -5, 5);
        test_softmax(OP_softmax, ELEM_f64, axis, -30, 30);
    }
    for (int64_t axis = 1; axis < 3; axis++) {
        test_layernorm(ELEM_f32, axis, -4, 4);
        test_layernorm(ELEM_f32, axis, 10000, 10001);
        test_layernorm(ELEM_f64, axis, 10000, 10001);
        test_layernorm(ELEM_f16, axis, -4, 4);
    }
    test_batchnorm(ELEM_f32);
    test_batchnorm(ELEM_bf16);
    CHECK(kernel_failures == 0);
    return unit_status();
}
