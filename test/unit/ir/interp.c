/* The interpreter: symbols and inputs, outputs, f64, fuse bodies, memory, threads. */
#include "ir/interp.h"
#include "test/support/op_apply.h"
#include "test/support/op_samples.h"
#include "test/support/unit.h"

#include <malloc.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>

static const struct loc nowhere;

static struct type type_of(struct module *m, enum elem elem, const dim_id *dims, uint32_t rank) {
    return type_make(elem, dims_make(&m->types, dims, rank));
}

static value_id parameter(struct module *m, const char *name, struct tensor tensor) {
    return module_parameter(m, module_add_weight(m, name, tensor, nowhere));
}

/* y = relu(linear(x, w)), z = add(y, x) for x[batch, 3]. */
static struct module *small_model(struct diag *diag) {
    struct module *m = module_new("small");
    const dim_id dims[] = {dim_symbol(&m->types, "batch", 1, 8), dim_const(&m->types, 3)};
    value_id x = module_add_input(m, "x", type_of(m, ELEM_f32, dims, 2), nowhere);
    const double w[] = {1, 0, 0, 0.1, 1, 0, 0, 0, -1};
    value_id p = parameter(m, "w", tensor_of(ELEM_f32, (const int64_t[]){3, 3}, 2, w));
    struct builder b = builder_at_end(m, m->root, diag);
    value_id h = build(&b, OP_linear, (const value_id[]){x, p}, 2, NULL, 0, "h");
    value_id y = build(&b, OP_relu, &h, 1, NULL, 0, "y");
    module_add_output(m, "y", y);
    module_add_output(m, "z", build(&b, OP_add, (const value_id[]){y, x}, 2, NULL, 0, "z"));
    return m;
}

static void symbols_take_their_values(void) {
    struct diag diag = {0};
    struct module *m = small_model(&diag);
    for (int64_t batch = 1; batch <= 3; batch++) {
        struct tensor x = tensor_random(ELEM_f32, (const int64_t[]){batch, 3}, 2, 1), out[2];
        if (!CHECK(interp_run(m, &x, NULL, out, &diag) == STATUS_OK)) break;
        CHECK(out[0].dim[0] == batch && out[1].dim[0] == batch && out[0].elem == ELEM_f32);
        for (int64_t i = 0; i < batch; i++) {
            float first = ((float *)x.data)[3 * i], last = ((float *)x.data)[3 * i + 2];
            CHECK(((float *)out[0].data)[3 * i] == fmaxf(first, 0));
            CHECK(((float *)out[1].data)[3 * i + 2] == fmaxf(-last, 0) + last);
        }
        tensor_free(&x);
        tensor_free(&out[0]);
        tensor_free(&out[1]);
    }
    CHECK(!type_static(&m->types, value_get(m, m->outputs.at[0].value)->type, NULL)); /* m is as it was */
    module_free(m);
    diag_free(&diag);
}

static void refuse(struct module *m, const struct tensor *inputs, const char *message) {
    struct diag diag = {0};
    struct tensor out[4];
    if (CHECK(interp_run(m, inputs, NULL, out, &diag) == STATUS_FAILED))
        CHECK_TEXT(diag.list.at[0].text, message);
    diag_free(&diag);
}

static void wrong_inputs_are_refused(void) {
    struct diag diag = {0};
    struct module *m = small_model(&diag);
    struct tensor x = tensor_random(ELEM_f32, (const int64_t[]){2, 4}, 2, 1);
    refuse(m, &x, "input x has extent 4 in dimension 1, expected 3");
    tensor_free(&x);
    x = tensor_random(ELEM_f32, (const int64_t[]){9, 3}, 2, 1);
    refuse(m, &x, "input x: batch is 9, expected 1 to 8");
    tensor_free(&x);
    x = tensor_random(ELEM_f32, (const int64_t[]){3}, 1, 1);
    refuse(m, &x, "input x has rank 1, expected 2");
    tensor_free(&x);
    x = tensor_random(ELEM_f16, (const int64_t[]){2, 3}, 2, 1);
    refuse(m, &x, "input x is f16, expected f32");
    tensor_free(&x);
    module_free(m);
    diag_free(&diag);
}

static void symbols_have_one_value(void) {
    struct diag diag = {0};
    struct module *m = module_new("two");
    dim_id n = dim_symbol(&m->types, "n", 0, DIM_MAX), twice = dim_mul(&m->types, n, dim_const(&m->types, 2));
    value_id a = module_add_input(m, "a", type_of(m, ELEM_f32, &twice, 1), nowhere);
    value_id b = module_add_input(m, "b", type_of(m, ELEM_f32, &n, 1), nowhere);
    value_id c = module_add_input(m, "c", type_of(m, ELEM_f32, &n, 1), nowhere);
    struct builder at = builder_at_end(m, m->root, &diag);
    module_add_output(m, "y", build(&at, OP_mul, (const value_id[]){b, c}, 2, NULL, 0, "y"));
    module_add_output(m, "a", a);
    module_add_output(m, "a_too", a);
    const int64_t two = 2, three = 3, four = 4;
    struct tensor in[3] = {tensor_random(ELEM_f32, &four, 1, 1), tensor_random(ELEM_f32, &two, 1, 2),
                           tensor_random(ELEM_f32, &two, 1, 3)};
    struct tensor out[3];
    if (CHECK(interp_run(m, in, NULL, out, &diag) == STATUS_OK))
        for (int i = 0; i < 3; i++) {
            if (i) CHECK(tensor_equal(&out[i], &in[0]) && out[i].data != in[0].data);
            tensor_free(&out[i]);
        }
    tensor_free(&in[2]);
    in[2] = tensor_random(ELEM_f32, &three, 1, 3);
    refuse(m, in, "input c: n is 3 in dimension 0, but 2 elsewhere");
    tensor_free(&in[2]);
    in[2] = tensor_random(ELEM_f32, &two, 1, 3);
    tensor_free(&in[0]);
    in[0] = tensor_random(ELEM_f32, &three, 1, 3);
    refuse(m, in, "input a has extent 3 in dimension 0, expected 4");
    for (int i = 0; i < 3; i++) tensor_free(&in[i]);
    module_free(m);
    diag_free(&diag);
}

static void f64_is_not_rounded(void) {
    struct diag diag = {0};
    struct module *m = small_model(&diag);
    struct tensor x = tensor_random(ELEM_f32, (const int64_t[]){2, 3}, 2, 1), out[2];
    struct interp_options options = {.f64 = true};
    if (CHECK(interp_run(m, &x, &options, out, &diag) == STATUS_OK)) {
        double w = (double)0.1f, a = tensor_get_f64(&x, 0), b = tensor_get_f64(&x, 1);
        CHECK(out[0].elem == ELEM_f64 && tensor_get_f64(&out[0], 1) == fmax(w * a + b, 0));
        tensor_free(&out[0]);
        tensor_free(&out[1]);
    }
    tensor_free(&x);
    module_free(m);
    diag_free(&diag);
}

struct log {
    const struct module *m;
    uint32_t count;
    enum op_kind kind[8];
};

static void record(void *ctx, op_id op, const struct tensor *results) {
    struct log *log = ctx;
    if (log->count < COUNT_OF(log->kind)) log->kind[log->count++] = op_get(log->m, op)->kind;
    CHECK(results[0].rank == 2 && results[0].dim[1] == 3);
}

static void ops_are_observed_in_order(void) {
    struct diag diag = {0};
    struct module *m = small_model(&diag);
    struct log log = {.m = m};
    struct interp_options options = {.observe = record, .observe_ctx = &log};
    struct tensor x = tensor_random(ELEM_f32, (const int64_t[]){2, 3}, 2, 1), out[2];
    CHECK(interp_run(m, &x, &options, out, &diag) == STATUS_OK);
    CHECK(log.count == 3 && log.kind[0] == OP_linear && log.kind[1] == OP_relu && log.kind[2] == OP_add);
    tensor_free(&x);
    tensor_free(&out[0]);
    tensor_free(&out[1]);
    module_free(m);
    diag_free(&diag);
}

/* fuse(u = x, v = w) { a = mul(u, v)  b = relu(a)  return b, a } */
static void bodies_run(void) {
    struct diag diag = {0};
    struct module *m = module_new("fused");
    const dim_id n = dim_symbol(&m->types, "n", 0, DIM_MAX);
    value_id x = module_add_input(m, "x", type_of(m, ELEM_f32, &n, 1), nowhere);
    value_id w = parameter(m, "w", tensor_scalar_f64(ELEM_f32, -3));
    struct builder b = builder_at_end(m, m->root, &diag);
    op_id fuse = build_fuse_begin(&b, (const value_id[]){x, w}, 2);
    region_id body = op_get(m, fuse)->body;
    struct builder inner = builder_at_end(m, body, &diag);
    value_id a = build(&inner, OP_mul, region_get(m, body)->args.at, 2, NULL, 0, "a");
    value_id r = build(&inner, OP_relu, &a, 1, NULL, 0, "r");
    *vec_push(&region_get(m, body)->results) = r;
    *vec_push(&region_get(m, body)->results) = a;
    CHECK(build_fuse_end(&b, fuse, NULL) == STATUS_OK);
    module_add_output(m, "r", op_get(m, fuse)->result[0]);
    module_add_output(m, "a", op_get(m, fuse)->result[1]);
    const int64_t three = 3;
    struct tensor in = tensor_of(ELEM_f32, &three, 1, (const double[]){1, -2, 0.5}), out[2];
    for (int f64 = 0; f64 < 2; f64++) {
        struct interp_options options = {.f64 = f64};
        if (!CHECK(interp_run(m, &in, &options, out, &diag) == STATUS_OK)) break;
        CHECK(tensor_get_f64(&out[0], 0) == 0 && tensor_get_f64(&out[0], 1) == 6 &&
              tensor_get_f64(&out[1], 2) == -1.5);
        CHECK(out[0].elem == (f64 ? ELEM_f64 : ELEM_f32));
        tensor_free(&out[0]);
        tensor_free(&out[1]);
    }
    tensor_free(&in);
    module_free(m);
    diag_free(&diag);
}

static void failures_are_diagnostics(void) {
    struct diag diag = {0};
    struct module *m = module_new("bad");
    const dim_id n = dim_symbol(&m->types, "n", 0, DIM_MAX);
    value_id x = module_add_input(m, "x", type_of(m, ELEM_f32, &n, 1), nowhere);
    value_id index = module_add_literal(m, tensor_scalar_i64(ELEM_i64, 5));
    struct builder b = builder_at_end(m, m->root, &diag);
    value_id doubled = build(&b, OP_add, (const value_id[]){x, x}, 2, NULL, 0, "doubled");
    module_add_output(m, "y", build(&b, OP_gather, (const value_id[]){doubled, index}, 2, NULL, 0, "y"));
    const int64_t three = 3;
    struct tensor in = tensor_random(ELEM_f32, &three, 1, 1), out;
    CHECK(interp_run(m, &in, NULL, &out, &diag) == STATUS_FAILED && diag.errors == 1);
    tensor_free(&in);
    module_free(m);
    diag_free(&diag);
}

static void too_large_results_are_refused(void) {
    struct module *m = module_new("large");
    struct diag diag = {0};
    const dim_id column[] = {dim_const(&m->types, 1 << 22), dim_const(&m->types, 1)};
    const dim_id row[] = {dim_const(&m->types, 1), dim_const(&m->types, 1 << 22)};
    const dim_id matrix[] = {column[0], row[1]};
    value_id a = module_add_input(m, "a", type_of(m, ELEM_f32, column, 2), nowhere);
    value_id b = module_add_input(m, "b", type_of(m, ELEM_f32, row, 2), nowhere);
    struct builder at = builder_at_end(m, m->root, &diag);
    value_id y = build(&at, OP_matmul, (const value_id[]){a, b}, 2, NULL, 0, "y");
    CHECK(value_get(m, y)->type.shape.i == dims_make(&m->types, matrix, 2).i);
    module_add_output(m, "y", y);
    struct tensor in[2] = {tensor_new(ELEM_f32, 2, (const int64_t[]){1 << 22, 1}),
                           tensor_new(ELEM_f32, 2, (const int64_t[]){1, 1 << 22})};
    refuse(m, in, "matmul: value y needs more memory than this machine has");
    tensor_free(&in[0]);
    tensor_free(&in[1]);
    module_free(m);
    diag_free(&diag);
}

/* A chain of ops needs two values at a time, not all. */
struct watch {
    size_t before, most;
};

static size_t in_use(void) { /* 0 under a sanitizer's allocator */
    struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
}

static void measure(void *ctx, op_id op, const struct tensor *results) {
    struct watch *w = ctx;
    (void)op;
    (void)results;
    size_t now = in_use();
    if (now > w->before && now - w->before > w->most) w->most = now - w->before;
}

static void memory_is_freed_by_last_use(void) {
    enum { LENGTH = 40, ELEMENTS = 1 << 20 };
    struct diag diag = {0};
    struct module *m = module_new("chain");
    const dim_id n = dim_const(&m->types, ELEMENTS);
    value_id v = module_add_input(m, "x", type_of(m, ELEM_f32, &n, 1), nowhere);
    struct builder b = builder_at_end(m, m->root, &diag);
    for (int i = 0; i < LENGTH; i++) v = build(&b, OP_neg, &v, 1, NULL, 0, NULL);
    module_add_output(m, "y", v);
    const int64_t count = ELEMENTS;
    struct tensor x = tensor_random(ELEM_f32, &count, 1, 1), out;
    struct watch watch = {.before = in_use()};
    struct interp_options options = {.observe = measure, .observe_ctx = &watch};
    if (CHECK(interp_run(m, &x, &options, &out, &diag) == STATUS_OK)) {
        CHECK(watch.most < 4 * ELEMENTS * sizeof(float));
        CHECK(tensor_equal(&x, &out));
        tensor_free(&out);
    }
    tensor_free(&x);
    module_free(m);
    diag_free(&diag);
}

/* interp_op sums in order, so its bytes are those of the loop. */
static void folding_sums_in_order(void) {
    enum { K = 577 };
    static const struct op_sample sample = {
        OP_linear, "deep", {OPERAND(f32, 2, K), OPERAND(f32, 3, K)}, {{0}}, NULL};
    struct op_instance instance = op_instance_new(&sample, 3);
    struct tensor out;
    op_instance_run(&instance, instance.in, false, &out);
    const float *x = instance.in[0].data, *w = instance.in[1].data;
    for (int i = 0; i < 2; i++)
        for (int j = 0; j < 3; j++) {
            float sum = 0;
            for (int k = 0; k < K; k++) sum += x[i * K + k] * w[j * K + k];
            CHECK(((float *)out.data)[i * 3 + j] == sum);
        }
    tensor_free(&out);
    op_instance_free(&instance);
}

static void *run_once(void *ctx) {
    struct diag diag = {0};
    struct tensor x = tensor_random(ELEM_f32, (const int64_t[]){2, 3}, 2, 1), out[2];
    enum status status = interp_run(ctx, &x, NULL, out, &diag);
    tensor_free(&x);
    diag_free(&diag);
    if (status != STATUS_OK) return NULL;
    tensor_free(&out[0]);
    tensor_free(&out[1]);
    return ctx;
}

/* From several threads at once, and so the first use of BLAS, too. */
static void threads_run_side_by_side(void) {
    struct diag diag = {0};
    struct module *m = small_model(&diag);
    pthread_t threads[4];
    for (int i = 0; i < 4; i++) CHECK(pthread_create(&threads[i], NULL, run_once, m) == 0);
    for (int i = 0; i < 4; i++) {
        void *result;
        CHECK(pthread_join(threads[i], &result) == 0 && result == m);
    }
    module_free(m);
    diag_free(&diag);
}

int main(void) {
    threads_run_side_by_side();
    symbols_take_their_values();
    wrong_inputs_are_refused();
    symbols_have_one_value();
    f64_is_not_rounded();
    ops_are_observed_in_order();
    bodies_run();
    failures_are_diagnostics();
    too_large_results_are_refused();
    memory_is_freed_by_last_use();
    folding_sums_in_order();
    return unit_status();
}
