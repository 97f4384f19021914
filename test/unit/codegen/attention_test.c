/* Attention in one kernel: partial blocks of queries, keys and columns, shared heads of keys, causality,
 * masks of all broadcasts, rows that a mask hides wholly, several blocks of keys. */
#include "test/support/kernel_case.h"
#include "test/support/unit.h"

#include <math.h>

struct attention_case {
    int n, t, s, heads, kv_heads, d, e;
    bool causal;
    int mask_rank; /* -1: none */
    int mask[4];
    enum elem mask_elem;
};

static const struct attention_case cases[] = {
    {1, 1, 1, 1, 0, 1, 1, false, -1, {0}, ELEM_f32},
    {2, 16, 16, 2, 0, 16, 16, false, -1, {0}, ELEM_f32},
    {1, 33, 21, 3, 0, 20, 9, false, -1, {0}, ELEM_f32},
    {1, 70, 70, 2, 1, 8, 24, true, -1, {0}, ELEM_f32},
    {1, 9, 5, 2, 0, 16, 16, true, -1, {0}, ELEM_f32},
    {2, 17, 30, 2, 0, 8, 8, false, 4, {2, 1, 1, 30}, ELEM_bool},
    {1, 17, 30, 4, 2, 8, 8, false, 2, {17, 30}, ELEM_f32},
    {1, 17, 30, 2, 0, 8, 8, true, 4, {1, 2, 17, 30}, ELEM_bool},
    {2, 5, 12, 2, 0, 8, 8, false, 3, {2, 5, 1}, ELEM_f32},
    {1, 20, 1100, 1, 0, 8, 8, false, 1, {1100}, ELEM_f32},
    {1, 1030, 1030, 1, 0, 4, 4, true, -1, {0}, ELEM_f32},
};

static void test(const struct attention_case *k) {
    struct kernel_case c;
    kernel_case_begin(&c, "attention");
    c.low = -2, c.high = 2;
    c.relative = 0x1p-16;
    int kv = k->kv_heads ? k->kv_heads : k->heads;
    int64_t mask[MAX_RANK] = {0};
    for (int i = 0; i < k->mask_rank; i++) mask[i] = k->mask[i];
    value_id operands[4] = {
        kernel_input(&c, ELEM_f32, 3, k->n, k->t, k->heads * k->d),
        kernel_input(&c, ELEM_f32, 3, k->n, k->s, kv * k->d),
        kernel_input(&c, ELEM_f32, 3, k->n, k->s, kv * k->e),
    };
    if (k->mask_rank >= 0) {
        operands[3] = kernel_input_dims(&c, k->mask_elem, (uint32_t)k->mask_rank, mask);
        if (k->mask_elem == ELEM_bool) { /* random but for one row that sees nothing */
            struct tensor t = tensor_new(ELEM_bool, (uint32_t)k->mask_rank, mask);
            for (int64_t i = mask[k->mask_rank - 1]; i < tensor_count(&t); i++)
                tensor_set_i64(&t, i, i * 7 % 3 != 0);
            c.data[operands[3].i] = t;
        }
    }
    struct attr attrs[] = {attr_int(ATTR_heads, k->heads), attr_int(ATTR_kv_heads, k->kv_heads),
                           attr_bool(ATTR_causal, k->causal)};
    kernel_run(&c, kernel_op_with(&c, OP_attention, operands, k->mask_rank >= 0 ? 4 : 3, attrs, 3),
               emit_attention);
    kernel_case_end(&c);
}

static void test_refusals(void) {
    struct kernel_case c;
    kernel_case_begin(&c, "refusals");
    value_id x = kernel_input(&c, ELEM_f64, 3, 1, 4, 4), y = kernel_input(&c, ELEM_f32, 2, 4, 4);
    CHECK(kernel_declines(&c, kernel_op(&c, OP_attention, 3, x, x, x), emit_attention));
    CHECK(kernel_declines(&c, kernel_op(&c, OP_relu, 1, y), emit_attention));
    kernel_case_end(&c);
}

int main(void) {
    for (uint32_t i = 0; i < COUNT_OF(cases); i++) test(&cases[i]);
    test_refusals();
    CHECK(kernel_failures == 0);
    return unit_status();
}
