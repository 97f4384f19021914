/* Dense contractions: convolutions and products of odd shapes, under the proposed schedules and under ones
 * that cut everything into small pieces, with and without a body around them. */
#include "ir/contraction.h"
#include "test/support/jit.h"
#include "test/support/kernel_case.h"
#include "test/support/unit.h"

static const char *const cpus[] = {"x86-64-v2", "x86-64-v3", "x86-64-v4"};

/* A case under construction: the op of the root, and the contraction in it. */
struct subject {
    struct kernel_case c;
    op_id root, contraction;
    value_id x, w;
    bool blocked, packed; /* the layouts of x and w to be tried */
};

static struct target target_of(const char *cpu) {
    struct diag diag = {0};
    struct target target;
    if (target_parse(cpu, &diag, &target)) abort();
    diag_free(&diag);
    return target;
}

/* Gives operands and results the layouts that the schedule asks for, as assign does. */
static void apply(struct subject *s, const struct contraction *p, const struct schedule *schedule,
                  const struct target *target) {
    struct module *m = s->c.m;
    struct op *root = op_get(m, s->root);
    const struct op *op = op_get(m, s->contraction);
    struct type result = value_get(m, root->result[0])->type;
    layout_id out = contraction_result_layout(m, op, p, target);
    layout_id w = contraction_weights_layout(m, op, p, schedule, target);
    for (uint32_t i = 0; i < root->operand_count; i++) {
        if (!root->operand[i].i) continue;
        struct type *t = &value_get(m, root->operand[i])->type;
        if (value_same(root->operand[i], s->w))
            t->layout = w;
        else if (!value_same(root->operand[i], s->x))
            t->layout = t->shape.i == result.shape.i ? out : (layout_id){0};
        if (root->body.i) value_get(m, region_get(m, root->body)->args.at[i])->type = *t;
    }
    for (uint32_t i = 0; i < root->result_count; i++) value_get(m, root->result[i])->type.layout = out;
    root->schedule = arena_copy(&m->arena, schedule, sizeof *schedule);
}

static void vary(struct schedule *s, uint32_t round) {
    static const uint32_t mc[] = {0, 1, 2, 3}, nc[] = {1, 2}, kc[] = {0, 16, 32};
    s->mc = mc[round % 4];
    s->nc = nc[round % 2];
    s->kc = kc[round % 3];
    s->order = round / 2 % 4;
    s->prefetch = round % 4;
    if (round % 3 == 1 && s->unroll > 2) s->unroll = 2;
}

static void run_on(struct subject *s, const char *cpu) {
    static uint32_t round;
    struct target target = target_of(cpu);
    struct module *m = s->c.m;
    struct proposal proposals[1];
    struct contraction p;
    s->c.only_cpu = cpu;
    s->c.low = -1, s->c.high = 1;
    s->c.relative = 0x1p-16; /* sums of up to a thousand products, in another order than the interpreter's */
    value_get(m, s->w)->type.layout = value_get(m, s->x)->type.layout = (layout_id){0};
    if (op_get(m, s->root)->body.i) /* the problem is read inside */
        for (uint32_t i = 0; i < op_get(m, s->root)->operand_count; i++)
            value_get(m, region_get(m, op_get(m, s->root)->body)->args.at[i])->type =
                value_get(m, op_get(m, s->root)->operand[i])->type;
    CHECK(contraction_of(m, op_get(m, s->contraction), &p) == NULL);
    if (p.kind == CONTRACTION_MATMUL)
        p.matmul.packed = p.matmul.transposed || s->packed;
    else if (s->blocked) {
        p.conv.blocked = true;
        kernel_block(&s->c, s->x, target_lanes(&target));
    }
    uint32_t n = contraction_propose(&p, &target, proposals, COUNT_OF(proposals));
    CHECK(n > 0);
    for (uint32_t i = 0; i < n + 1; i++) {
        struct schedule schedule = proposals[i % n].schedule;
        if (i >= n) vary(&schedule, round++);
        apply(s, &p, &schedule, &target);
        kernel_run(&s->c, s->root, emit_contraction);
    }
}

/* On every vector width, but on the narrowest, whose code differs least and compiles longest, every third
 * time. */
static void run(struct subject *s) {
    static uint32_t turn;
    uint32_t first = turn++ % 3 ? 1 : 0;
    for (uint32_t i = first; i < COUNT_OF(cpus); i++)
        if (jit_can_run(cpus[i])) run_on(s, cpus[i]);
    s->c.only_cpu = NULL;
    kernel_case_end(&s->c);
}

struct conv_case {
    int n, c, h, w, o, kh, kw, groups;
    int64_t stride[2], pad[4], dilation[2];
};

static const struct conv_case conv_cases[] = {
    {1, 3, 14, 15, 20, 3, 3, 1, {2, 2}, {1, 1, 1, 1}, {1, 1}},  /* a stem */
    {2, 16, 7, 7, 32, 1, 1, 1, {1, 1}, {0, 0, 0, 0}, {1, 1}},   /* flat */
    {1, 20, 4, 15, 40, 3, 3, 1, {1, 1}, {1, 1, 1, 1}, {1, 1}},  /* partial vectors on both sides */
    {1, 33, 9, 13, 5, 5, 2, 1, {1, 2}, {2, 0, 2, 1}, {1, 1}},   /* uneven padding */
    {1, 17, 13, 12, 16, 3, 3, 1, {2, 1}, {2, 2, 2, 2}, {2, 3}}, /* dilation */
    {1, 16, 3, 3, 16, 1, 1, 1, {1, 1}, {2, 2, 2, 2}, {1, 1}},   /* outputs that see padding alone */
    {1, 16, 9, 9, 16, 1, 1, 1, {2, 2}, {0, 0, 0, 0}, {1, 1}},   /* strides over gaps */
    {1, 1, 1, 1, 1, 1, 1, 1, {1, 1}, {0, 0, 0, 0}, {1, 1}},
    {1, 64, 6, 6, 96, 3, 3, 2, {1, 1}, {1, 1, 1, 1}, {1, 1}},   /* groups that fill vectors */
    {2, 19, 9, 17, 19, 3, 3, 19, {1, 1}, {1, 1, 1, 1}, {1, 1}}, /* depthwise */
    {1, 32, 8, 31, 32, 5, 5, 32, {2, 2}, {2, 2, 2, 2}, {1, 1}},
    {1, 8, 12, 12, 8, 3, 3, 8, {1, 1}, {2, 2, 2, 2}, {2, 2}},
};

static void conv_operands(struct subject *s, const struct conv_case *k, bool flat, struct attr attrs[4]) {
    struct module *m = s->c.m;
    s->x = flat ? kernel_input(&s->c, ELEM_f32, 3, k->n, k->c, k->w)
                : kernel_input(&s->c, ELEM_f32, 4, k->n, k->c, k->h, k->w);
    s->w = flat ? kernel_input(&s->c, ELEM_f32, 3, k->o, k->c / k->groups, k->kw)
                : kernel_input(&s->c, ELEM_f32, 4, k->o, k->c / k->groups, k->kh, k->kw);
    int64_t pad[2] = {k->pad[1], k->pad[3]};
    attrs[0] = flat ? attr_ints(m, ATTR_stride, &k->stride[1], 1) : attr_ints(m, ATTR_stride, k->stride, 2);
    attrs[1] = flat ? attr_ints(m, ATTR_pad, pad, 2) : attr_ints(m, ATTR_pad, k->pad, 4);
    attrs[2] =
        flat ? attr_ints(m, ATTR_dilation, &k->dilation[1], 1) : attr_ints(m, ATTR_dilation, k->dilation, 2);
    attrs[3] = attr_int(ATTR_groups, k->groups);
}

static void test_conv(const struct conv_case *k, bool flat, bool blocked) {
    struct subject s = {.blocked = blocked};
    struct attr attrs[4];
    kernel_case_begin(&s.c, "conv");
    conv_operands(&s, k, flat, attrs);
    value_id operands[] = {s.x, s.w, kernel_input(&s.c, ELEM_f32, 1, k->o)};
    s.root = s.contraction =
        kernel_op_with(&s.c, flat ? OP_conv1d : OP_conv2d, operands, k->o % 3 ? 3 : 2, attrs, 4);
    run(&s);
}

/* y = relu(conv2d(x, w, b) + residual), z = the sum before relu. */
static void test_conv_in_body(const struct conv_case *k) {
    struct subject s = {.blocked = true};
    struct attr attrs[4];
    kernel_case_begin(&s.c, "conv in a body");
    conv_operands(&s, k, false, attrs);
    struct module *m = s.c.m;
    value_id bias = kernel_input(&s.c, ELEM_f32, 1, k->o),
             scale = kernel_input(&s.c, ELEM_f32, 4, 1, k->o, 1, 1);
    value_id alone[] = {s.x, s.w};
    op_id shape = kernel_op_with(&s.c, OP_conv2d, alone, 2, attrs, 4);
    int64_t dims[MAX_RANK];
    type_static(&m->types, value_get(m, kernel_result(&s.c, shape, 0))->type, dims);
    value_id residual = kernel_input_dims(&s.c, ELEM_f32, 4, dims);
    value_id column = kernel_input(&s.c, ELEM_f32, 1, (int)dims[3]);
    value_id operands[] = {s.x, s.w, bias, residual, scale, column};
    s.root = build_fuse_begin(&s.c.b, operands, 6);
    struct region *body = region_get(m, op_get(m, s.root)->body);
    value_id args[6];
    for (int i = 0; i < 6; i++) args[i] = body->args.at[i];
    struct builder b = builder_at_end(m, op_get(m, s.root)->body, &s.c.diag);
    s.contraction = build_op(&b, OP_conv2d, args, 3, attrs, 4, NULL);
    value_id sum =
        build(&b, OP_add, (value_id[]){op_get(m, s.contraction)->result[0], args[3]}, 2, NULL, 0, NULL);
    value_id scaled = build(&b, OP_mul, (value_id[]){sum, args[4]}, 2, NULL, 0, NULL);
    value_id shifted = build(&b, OP_sub, (value_id[]){scaled, args[5]}, 2, NULL, 0, NULL);
    value_id y = build(&b, OP_relu, &shifted, 1, NULL, 0, NULL);
    *vec_push(&region_get(m, op_get(m, s.root)->body)->results) = y;
    *vec_push(&region_get(m, op_get(m, s.root)->body)->results) = sum;
    CHECK(build_fuse_end(&s.c.b, s.root, NULL) == STATUS_OK);
    run(&s);
}

static void test_conv_transpose(int c, int h, int w, int o, int kh, int kw, const int64_t stride[2],
                                const int64_t pad[4], const int64_t more[2]) {
    struct subject s = {.blocked = true};
    kernel_case_begin(&s.c, "conv_transpose");
    s.x = kernel_input(&s.c, ELEM_f32, 4, 2, c, h, w);
    s.w = kernel_input(&s.c, ELEM_f32, 4, c, o, kh, kw);
    value_id operands[] = {s.x, s.w, kernel_input(&s.c, ELEM_f32, 1, o)};
    struct attr attrs[] = {attr_ints(s.c.m, ATTR_stride, stride, 2), attr_ints(s.c.m, ATTR_pad, pad, 4),
                           attr_ints(s.c.m, ATTR_output_pad, more, 2)};
    s.root = s.contraction = kernel_op_with(&s.c, OP_conv_transpose2d, operands, o % 2 ? 3 : 2, attrs, 3);
    run(&s);
}

static void test_conv_transposes(void) {
    static const int64_t one[] = {1, 1}, two[] = {2, 2}, mixed[] = {3, 2}, none[] = {0, 0, 0, 0},
                         some[] = {1, 1, 1, 1}, uneven[] = {2, 0, 0, 1}, more[] = {1, 1};
    test_conv_transpose(24, 5, 7, 24, 2, 2, two, none, none);
    test_conv_transpose(16, 6, 6, 33, 4, 4, two, some, none);
    test_conv_transpose(5, 4, 9, 17, 3, 3, two, some, more);
    test_conv_transpose(16, 5, 5, 8, 3, 3, one, uneven, none);
    test_conv_transpose(3, 4, 5, 20, 1, 1, mixed, none, more); /* outputs that no tap reaches */
    test_conv_transpose(20, 3, 7, 5, 5, 3, mixed, uneven, more);
}

static void test_linear(int rows, int n, int k, bool bias) {
    struct subject s = {.packed = true};
    kernel_case_begin(&s.c, "linear");
    s.x = kernel_input(&s.c, ELEM_f32, 2, rows, k);
    s.w = kernel_input(&s.c, ELEM_f32, 2, n, k);
    value_id operands[] = {s.x, s.w, kernel_input(&s.c, ELEM_f32, 1, n)};
    s.root = s.contraction = kernel_op_with(&s.c, OP_linear, operands, bias ? 3 : 2, NULL, 0);
    run(&s);
}

/* y = gelu(linear(x, w, b)) + residual, on three dimensions. */
static void test_linear_in_body(int batch, int rows, int n, int k) {
    struct subject s = {.packed = true};
    kernel_case_begin(&s.c, "linear in a body");
    s.x = kernel_input(&s.c, ELEM_f32, 3, batch, rows, k);
    s.w = kernel_input(&s.c, ELEM_f32, 2, n, k);
    value_id operands[] = {s.x, s.w, kernel_input(&s.c, ELEM_f32, 1, n),
                           kernel_input(&s.c, ELEM_f32, 3, batch, rows, n),
                           kernel_input(&s.c, ELEM_f32, 3, batch, 1, 1)};
    s.root = build_fuse_begin(&s.c.b, operands, 5);
    struct module *m = s.c.m;
    value_id args[5];
    for (int i = 0; i < 5; i++) args[i] = region_get(m, op_get(m, s.root)->body)->args.at[i];
    struct builder b = builder_at_end(m, op_get(m, s.root)->body, &s.c.diag);
    s.contraction = build_op(&b, OP_linear, args, 3, NULL, 0, NULL);
    value_id active = build(&b, OP_gelu, op_get(m, s.contraction)->result, 1, NULL, 0, NULL);
    value_id sum = build(&b, OP_add, (value_id[]){active, args[3]}, 2, NULL, 0, NULL);
    value_id y = build(&b, OP_mul, (value_id[]){sum, args[4]}, 2, NULL, 0, NULL);
    *vec_push(&region_get(m, op_get(m, s.root)->body)->results) = y;
    CHECK(build_fuse_end(&s.c.b, s.root, NULL) == STATUS_OK);
    run(&s);
}

static void test_matmul(uint32_t rank_a, const int64_t *a, uint32_t rank_b, const int64_t *b, bool packed) {
    struct subject s = {.packed = packed};
    kernel_case_begin(&s.c, "matmul");
    s.x = kernel_input_dims(&s.c, ELEM_f32, rank_a, a);
    s.w = kernel_input_dims(&s.c, ELEM_f32, rank_b, b);
    s.root = s.contraction = kernel_op_with(&s.c, OP_matmul, (value_id[]){s.x, s.w}, 2, NULL, 0);
    run(&s);
}

static void test_matmuls(void) {
    test_matmul(2, (int64_t[]){7, 19}, 2, (int64_t[]){19, 33}, true);
    test_matmul(2, (int64_t[]){7, 19}, 2, (int64_t[]){19, 33}, false);
    test_matmul(4, (int64_t[]){2, 3, 5, 8}, 4, (int64_t[]){2, 3, 8, 17}, false);
    test_matmul(4, (int64_t[]){2, 1, 5, 8}, 3, (int64_t[]){3, 8, 16}, false);
    test_matmul(3, (int64_t[]){4, 6, 8}, 2, (int64_t[]){8, 40}, true);
    test_matmul(2, (int64_t[]){6, 8}, 3, (int64_t[]){4, 8, 40}, false);
}

/* Accumulators live in registers: no vector goes to the stack and back in the kernels of common layers. */
static void test_no_spills(void) {
    static const struct conv_case layers[] = {
        {1, 3, 224, 224, 64, 7, 7, 1, {2, 2}, {3, 3, 3, 3}, {1, 1}},
        {1, 64, 56, 56, 64, 3, 3, 1, {1, 1}, {1, 1, 1, 1}, {1, 1}},
        {1, 320, 7, 7, 1280, 1, 1, 1, {1, 1}, {0, 0, 0, 0}, {1, 1}},
        {1, 512, 14, 14, 512, 3, 3, 1, {2, 2}, {1, 1, 1, 1}, {1, 1}},
        {1, 144, 56, 56, 144, 3, 3, 144, {1, 1}, {1, 1, 1, 1}, {1, 1}},
    };
    for (uint32_t i = 0; i < COUNT_OF(layers) * COUNT_OF(cpus); i++) {
        const struct conv_case *k = &layers[i / COUNT_OF(cpus)];
        struct subject s = {.blocked = k->c > 3};
        struct attr attrs[4];
        struct contraction p;
        struct proposal proposal;
        struct target target = target_of(cpus[i % COUNT_OF(cpus)]);
        kernel_case_begin(&s.c, "spills");
        conv_operands(&s, k, false, attrs);
        s.root = s.contraction = kernel_op_with(&s.c, OP_conv2d, (value_id[]){s.x, s.w}, 2, attrs, 4);
        if (s.blocked) kernel_block(&s.c, s.x, target_lanes(&target));
        CHECK(contraction_of(s.c.m, op_get(s.c.m, s.contraction), &p) == NULL);
        CHECK(contraction_propose(&p, &target, &proposal, 1) == 1);
        apply(&s, &p, &proposal.schedule, &target);
        char *text = kernel_assembly(&s.c, s.root, emit_contraction, target.name);
        CHECK(strstr(text, "(%rsp), %ymm") == NULL && strstr(text, "(%rsp), %zmm") == NULL);
        CHECK(strstr(text, target.vector_bytes == 64 ? "%zmm" : target.vector_bytes == 32 ? "%ymm" : "%xmm"));
        LLVMDisposeMessage(text);
        kernel_case_end(&s.c);
    }
}

/* A schedule may come from a file: what cannot be generated is refused, not tried. */
static void test_bad_schedules(void) {
    static const struct schedule bad[] = {
        {.mr = 0, .nr = 16, .nc = 1, .unroll = 8},  {.mr = 31, .nr = 64, .nc = 1, .unroll = 8},
        {.mr = 6, .nr = 12, .nc = 1, .unroll = 8},  {.mr = 6, .nr = 16, .nc = 0, .unroll = 8},
        {.mr = 6, .nr = 16, .nc = 1, .unroll = 0},  {.mr = 6, .nr = 1 << 20, .nc = 1, .unroll = 8},
        {.mr = 32, .nr = 16, .nc = 1, .unroll = 8}, {.mr = 6, .nr = 16, .nc = 1, .unroll = 100000},
    };
    struct target target = target_of("x86-64-v3");
    for (uint32_t i = 0; i < COUNT_OF(bad); i++) {
        struct subject s = {.packed = true};
        struct contraction p;
        kernel_case_begin(&s.c, "bad schedule");
        s.x = kernel_input(&s.c, ELEM_f32, 2, 40, 40);
        s.w = kernel_input(&s.c, ELEM_f32, 2, 40, 40);
        s.root = s.contraction = kernel_op(&s.c, OP_linear, 2, s.x, s.w);
        CHECK(contraction_of(s.c.m, op_get(s.c.m, s.contraction), &p) == NULL);
        apply(&s, &p, &bad[i], &target);
        CHECK(kernel_declines(&s.c, s.root, emit_contraction));
        kernel_case_end(&s.c);
    }
}

static void test_refusals(void) {
    struct kernel_case c;
    kernel_case_begin(&c, "no schedule");
    value_id x = kernel_input(&c, ELEM_f32, 2, 3, 4), w = kernel_input(&c, ELEM_f32, 2, 5, 4);
    CHECK(kernel_declines(&c, kernel_op(&c, OP_linear, 2, x, w), emit_contraction));
    value_id f64 = kernel_input(&c, ELEM_f64, 2, 3, 4), g64 = kernel_input(&c, ELEM_f64, 2, 5, 4);
    CHECK(kernel_declines(&c, kernel_op(&c, OP_linear, 2, f64, g64), emit_contraction));
    CHECK(kernel_declines(&c, kernel_op(&c, OP_relu, 1, x), emit_contraction));
    kernel_case_end(&c);
}

int main(void) {
    for (uint32_t i = 0; i < COUNT_OF(conv_cases); i++) {
        const struct conv_case *k = &conv_cases[i];
        test_conv(k, false, true);
        if (i % 2 == 0) test_conv_in_body(k);
        if (k->groups == 1) test_conv(k, false, false);
        if (i % 4 == 1) test_conv(k, true, true);
    }
    static const int sizes[][3] = {{1, 1, 1},    {1, 100, 70},  {5, 16, 8},
                                   {29, 33, 17}, {14, 64, 512}, {3, 130, 40}};
    for (uint32_t i = 0; i < COUNT_OF(sizes); i++)
        test_linear(sizes[i][0], sizes[i][1], sizes[i][2], i % 2 == 0);
    test_linear_in_body(2, 7, 21, 24);
    test_linear_in_body(1, 1, 64, 16);
    test_matmuls();
    test_conv_transposes();
    test_no_spills();
    test_bad_schedules();
    test_refusals();
    CHECK(kernel_failures == 0);
    return unit_status();
}
