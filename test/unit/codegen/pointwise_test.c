/* Pointwise kernels: every op on every element type it takes, broadcasts of all sides, layouts, tails, long
 * chains. */
#include "test/support/jit.h"
#include "test/support/kernel_case.h"
#include "test/support/unit.h"

#include <string.h>

/* Operand element types of a pointwise op by name of the operand; `where` picks between any. */
static void test_op(enum op_kind kind, enum elem elem) {
    const struct op_info *info = op_info(kind);
    char name[64];
    snprintf(name, sizeof name, "%s %s", info->name, elem_name(elem));
    struct kernel_case c;
    kernel_case_begin(&c, name);
    if (elem != ELEM_f32) kernel_next_cpu(&c);
    c.specials = true;
    uint32_t required;
    uint32_t operands = op_info_operands(info, &required);
    value_id x[3];
    for (uint32_t i = 0; i < operands; i++) x[i] = kernel_input(&c, elem, 2, 3, 41);
    if (kind == OP_where) x[0] = kernel_input(&c, ELEM_bool, 2, 3, 41);
    struct attr attrs[] = {attr_float(ATTR_min, -1.5), attr_float(ATTR_max, 2.5)};
    kernel_run(&c, kernel_op_with(&c, kind, x, operands, attrs, kind == OP_clip ? 2 : 0), emit_pointwise);
    kernel_case_end(&c);
}

/* Those have attributes that must be given, and a test of their own. */
static bool is_quantizer(enum op_kind kind) {
    return kind == OP_quantize || kind == OP_dequantize;
}

static void test_all_ops(void) {
    for (enum op_kind kind = OP_NONE + 1; kind < OP_COUNT; kind++) {
        const struct op_info *info = op_info(kind);
        if (info->class != CLASS_POINTWISE || kind == OP_cast || is_quantizer(kind)) continue;
        for (enum elem elem = ELEM_NONE + 1; elem < ELEM_COUNT; elem++)
            if (elem_in(elem, info->elems) || kind == OP_where) test_op(kind, elem);
    }
}

static void test_casts(void) {
    for (enum elem from = ELEM_NONE + 1; from < ELEM_COUNT; from++)
        for (enum elem to = ELEM_NONE + 1; to < ELEM_COUNT; to++) {
            if (!elem_in(from, ELEMS_ANY) || !elem_in(to, ELEMS_ANY)) continue;
            char name[64];
            snprintf(name, sizeof name, "cast %s to %s", elem_name(from), elem_name(to));
            struct kernel_case c;
            kernel_case_begin(&c, name);
            kernel_next_cpu(&c);
            c.specials = true;
            /* Range: some of it beyond the smaller integers. */
            if (elem_is_float(from)) c.low = -300, c.high = 300;
            value_id x = kernel_input(&c, from, 1, 133);
            struct attr attr = attr_elem(ATTR_to, to);
            kernel_run(&c, kernel_op_with(&c, OP_cast, &x, 1, &attr, 1), emit_pointwise);
            kernel_case_end(&c);
        }
}

static void test_broadcast(void) {
    static const struct {
        uint32_t rank[2];
        int64_t dims[2][5];
    } rows[] = {
        {{1, 1}, {{1}, {1}}},
        {{0, 0}, {{0}, {0}}},
        {{2, 1}, {{7, 19}, {19}}},
        {{2, 2}, {{7, 1}, {1, 19}}},
        {{2, 2}, {{7, 19}, {7, 1}}},
        {{4, 4}, {{2, 3, 4, 5}, {1, 3, 1, 1}}},
        {{4, 3}, {{2, 1, 4, 1}, {3, 1, 5}}},
        {{4, 0}, {{2, 3, 4, 5}, {0}}},
        {{3, 3}, {{4, 0, 3}, {4, 1, 3}}},
        {{2, 2}, {{3, 1}, {3, 33}}},
        {{1, 1}, {{70001}, {1}}},
        {{2, 2}, {{3, 20000}, {1, 20000}}},
        {{5, 5}, {{2, 2, 2, 2, 17}, {2, 1, 2, 1, 17}}},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char name[64];
        snprintf(name, sizeof name, "broadcast %zu", i);
        struct kernel_case c;
        kernel_case_begin(&c, name);
        value_id x[2];
        for (int k = 0; k < 2; k++) x[k] = kernel_input_dims(&c, ELEM_f32, rows[i].rank[k], rows[i].dims[k]);
        kernel_run(&c, kernel_op(&c, OP_sub, 2, x[0], x[1]), emit_pointwise);
        kernel_run(&c, kernel_op(&c, OP_div, 2, x[1], x[0]), emit_pointwise);
        kernel_case_end(&c);
    }
}

/* A fuse of x, bias and residual with the layouts given; block 0: plain. */
static void test_layouts(uint32_t channels, uint32_t block_x, uint32_t block_bias, uint32_t block_rest,
                         bool cast) {
    char name[96];
    snprintf(name, sizeof name, "layouts %u channels %u %u %u", channels, block_x, block_bias, block_rest);
    struct kernel_case c;
    kernel_case_begin(&c, name);
    value_id in[3] = {kernel_input(&c, ELEM_f32, 4, 2, (int)channels, 3, 5),
                      kernel_input(&c, ELEM_f32, 4, 1, (int)channels, 1, 1),
                      kernel_input(&c, cast ? ELEM_f16 : ELEM_f32, 4, 2, (int)channels, 3, 5)};
    const uint32_t blocks[] = {block_x, block_bias, block_rest};
    for (int i = 0; i < 3; i++)
        if (blocks[i]) kernel_block(&c, in[i], blocks[i]);
    op_id fuse = build_fuse_begin(&c.b, in, 3);
    region_id body = op_get(c.m, fuse)->body;
    struct builder b = builder_at_end(c.m, body, &c.diag);
    value_id *args = region_get(c.m, body)->args.at;
    value_id rest = args[2];
    struct attr to = attr_elem(ATTR_to, ELEM_f32);
    if (cast) rest = build(&b, OP_cast, &rest, 1, &to, 1, NULL);
    value_id sum = build(&b, OP_add, (value_id[]){args[0], args[1]}, 2, NULL, 0, NULL);
    value_id bent = build(&b, OP_sigmoid, &sum, 1, NULL, 0, NULL);
    value_id all = build(&b, OP_add, (value_id[]){bent, rest}, 2, NULL, 0, NULL);
    *vec_push(&region_get(c.m, body)->results) = all;
    *vec_push(&region_get(c.m, body)->results) = bent;
    CHECK(build_fuse_end(&c.b, fuse, NULL) == STATUS_OK);
    for (uint32_t r = 0; r < 2; r++)
        if (block_x) kernel_block(&c, op_get(c.m, fuse)->result[r], block_x);
    kernel_run(&c, fuse, emit_pointwise);
    kernel_case_end(&c);
}

static void test_chain(uint32_t length) {
    struct kernel_case c;
    kernel_case_begin(&c, "chain");
    c.relative = 1e-3;
    c.only_cpu = "x86-64-v3";
    value_id in[2] = {kernel_input(&c, ELEM_f32, 2, 3, 37), kernel_input(&c, ELEM_f32, 1, 37)};
    op_id fuse = build_fuse_begin(&c.b, in, 2);
    region_id body = op_get(c.m, fuse)->body;
    struct builder b = builder_at_end(c.m, body, &c.diag);
    value_id y = region_get(c.m, body)->args.at[0], w = region_get(c.m, body)->args.at[1];
    static const enum op_kind unary[] = {OP_tanh, OP_relu, OP_abs, OP_sigmoid, OP_neg};
    for (uint32_t i = 0; i < length; i++)
        y = i % 2 ? build(&b, OP_add, (value_id[]){y, w}, 2, NULL, 0, NULL)
                  : build(&b, unary[i / 2 % COUNT_OF(unary)], &y, 1, NULL, 0, NULL);
    *vec_push(&region_get(c.m, body)->results) = y;
    CHECK(build_fuse_end(&c.b, fuse, NULL) == STATUS_OK);
    kernel_run(&c, fuse, emit_pointwise);
    kernel_case_end(&c);
}

/* One element more than vectors: a tail of one lane, of every element type. */
static void test_single_tails(void) {
    for (enum elem elem = ELEM_NONE + 1; elem < ELEM_COUNT; elem++) {
        if (!elem_in(elem, ELEMS_ANY)) continue;
        struct kernel_case c;
        kernel_case_begin(&c, elem_name(elem));
        value_id x = kernel_input(&c, elem, 1, 33), y = kernel_input(&c, elem, 2, 3, 17);
        enum op_kind kind = elem == ELEM_bool ? OP_not : elem_in(elem, ELEMS_NUMERIC) ? OP_abs : OP_identity;
        kernel_run(&c, kernel_op(&c, kind, 1, x), emit_pointwise);
        kernel_run(&c, kernel_op(&c, kind, 1, y), emit_pointwise);
        kernel_case_end(&c);
    }
}

static void test_literals(void) {
    struct kernel_case c;
    kernel_case_begin(&c, "literals");
    value_id x = kernel_input(&c, ELEM_f32, 2, 5, 18);
    int64_t dims[] = {18};
    struct tensor many = tensor_new(ELEM_f32, 1, dims);
    for (int64_t i = 0; i < 18; i++) tensor_set_f64(&many, i, (double)i / 3);
    value_id row = module_add_literal(c.m, many), two = module_literal_f32(c.m, 2);
    kernel_run(&c, kernel_op(&c, OP_add, 2, x, row), emit_pointwise);
    kernel_run(&c, kernel_op(&c, OP_pow, 2, x, two), emit_pointwise);
    kernel_run(&c, kernel_op(&c, OP_sub, 2, two, two), emit_pointwise);
    kernel_case_end(&c);
}

/* -- targets that cannot be run here: no op may become a call there either -- */

static void emit_for(struct jit *jit, const struct target *target, enum op_kind kind, enum elem elem) {
    struct kernel_case c;
    kernel_case_begin(&c, op_info(kind)->name);
    uint32_t required, n = op_info_operands(op_info(kind), &required);
    value_id x[3];
    for (uint32_t i = 0; i < n; i++) x[i] = kernel_input(&c, elem, 2, 3, 41);
    if (kind == OP_where) x[0] = kernel_input(&c, ELEM_bool, 2, 3, 41);
    struct emit e = {.context = jit->context,
                     .module = jit->module,
                     .builder = jit->builder,
                     .target = target,
                     .m = c.m,
                     .diag = &c.diag};
    char name[64];
    snprintf(name, sizeof name, "%s.%s", op_info(kind)->name, elem_name(elem));
    struct kernel kernel;
    const char *why_not = NULL;
    CHECK(emit_pointwise(&e, kernel_op_with(&c, kind, x, n, NULL, 0), name, &kernel, &why_not) == EMIT_DONE);
    kernel_case_end(&c);
}

static void test_no_calls(const char *name, const char *triple, const char *cpu, const char *features,
                          const char *call) {
    const elem_set some = ELEM_BIT(ELEM_f32) | ELEM_BIT(ELEM_f64) | ELEM_BIT(ELEM_f16) | ELEM_BIT(ELEM_i64) |
                          ELEM_BIT(ELEM_u8) | ELEM_BIT(ELEM_bool);
    struct diag diag = {0};
    struct target target;
    CHECK(target_parse(name, &diag, &target) == STATUS_OK);
    struct jit jit;
    jit_init(&jit, "x86-64-v3");
    for (enum op_kind kind = OP_NONE + 1; kind < OP_COUNT; kind++) {
        const struct op_info *info = op_info(kind);
        if (info->class != CLASS_POINTWISE || kind == OP_cast || is_quantizer(kind)) continue;
        for (enum elem elem = ELEM_NONE + 1; elem < ELEM_COUNT; elem++)
            if (elem_in(elem, info->elems & some)) emit_for(&jit, &target, kind, elem);
    }
    char *assembly = jit_assembly(&jit, triple, cpu, features);
    for (const char *p = assembly; (p = strstr(p, call)); p++) {
        const char *callee = p + strlen(call);
        if (strncmp(callee, "vmath.", 6) == 0) continue;
        fprintf(stderr, "%s calls %.*s\n", name, (int)strcspn(callee, "\n"), callee);
        CHECK(!"no calls");
    }
    LLVMDisposeMessage(assembly);
    jit_free(&jit);
    diag_free(&diag);
}

int main(void) {
    test_no_calls("aarch64", "aarch64-linux-gnu", "generic", "", "\tbl\t");
    test_no_calls("riscv64", "riscv64-linux-gnu", "generic-rv64", "+m,+a,+f,+d,+v", "\tcall\t");
    test_no_calls("wasm32", "wasm32-unknown-unknown", "generic", "+simd128", "\tcall\t");
    test_broadcast();
    test_literals();
    test_single_tails();
    test_layouts(32, 16, 16, 16, false);
    test_layouts(32, 16, 0, 16, true);
    test_layouts(20, 16, 16, 16, false);
    test_layouts(20, 16, 0, 16, true);
    test_layouts(20, 16, 0, 0, false);
    test_layouts(20, 8, 16, 8, false);
    test_layouts(20, 0, 16, 16, false);
    test_layouts(3, 8, 0, 8, false);
    test_layouts(1, 16, 0, 0, false);
    test_chain(1000);
    test_casts();
    test_all_ops();
    CHECK(kernel_failures == 0);
    return unit_status();
}
