#include "test/support/kernel_case.h"

#include "ir/interp.h"
#include "test/support/guard.h"
#include "test/support/jit.h"

#include <math.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

unsigned kernel_failures;

static void fail(struct kernel_case *c, const char *cpu, const char *fmt, ...) PRINTF_LIKE(3, 4);
static void fail(struct kernel_case *c, const char *cpu, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    if (c->failures < 5) {
        fprintf(stderr, "%s (%s): ", c->name, cpu);
        vfprintf(stderr, fmt, args);
        fputc('\n', stderr);
    }
    va_end(args);
    c->failures++;
    kernel_failures++;
}

static void must(struct kernel_case *c, bool condition) {
    if (condition) return;
    fprintf(stderr, "%s: the case itself is wrong\n", c->name);
    diag_print(&c->diag, stderr);
    exit(1);
}

void kernel_case_begin(struct kernel_case *c, const char *name) {
    *c = (struct kernel_case){.name = name, .m = module_new("case")};
    c->b = builder_at_end(c->m, c->m->root, &c->diag);
}

void kernel_case_end(struct kernel_case *c) {
    for (uint32_t i = 0; i < KERNEL_MAX_VALUES; i++) tensor_free(&c->data[i]);
    diag_free(&c->diag);
    module_free(c->m);
}

value_id kernel_input_dims(struct kernel_case *c, enum elem elem, uint32_t rank, const int64_t *dims) {
    struct type type = type_make(elem, dims_from_ints(&c->m->types, dims, rank));
    return module_add_input(c->m, NULL, type, (struct loc){0});
}

value_id kernel_input(struct kernel_case *c, enum elem elem, uint32_t rank, ...) {
    int64_t dims[MAX_RANK] = {0};
    va_list args;
    va_start(args, rank);
    for (uint32_t i = 0; i < rank; i++) dims[i] = va_arg(args, int);
    va_end(args);
    return kernel_input_dims(c, elem, rank, dims);
}

void kernel_block(struct kernel_case *c, value_id value, uint32_t block) {
    struct value *v = value_get(c->m, value);
    v->type.layout = layout_channel_blocked(&c->m->types, type_rank(&c->m->types, v->type), block);
}

op_id kernel_op_with(struct kernel_case *c, enum op_kind kind, const value_id *operands, uint32_t count,
                     const struct attr *attrs, uint32_t attr_count) {
    op_id op = build_op(&c->b, kind, operands, count, attrs, attr_count, NULL);
    must(c, op.i != 0);
    return op;
}

op_id kernel_op(struct kernel_case *c, enum op_kind kind, uint32_t count, ...) {
    value_id operands[16];
    va_list args;
    va_start(args, count);
    for (uint32_t i = 0; i < count; i++) operands[i] = va_arg(args, value_id);
    va_end(args);
    return kernel_op_with(c, kind, operands, count, NULL, 0);
}

value_id kernel_result(struct kernel_case *c, op_id op, uint32_t i) {
    return op_get(c->m, op)->result[i];
}

/* -- data -- */

static uint64_t random_bits(uint64_t *state) {
    uint64_t z = *state += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

static double random_float(const struct kernel_case *c, uint64_t *state) {
    static const double specials[] = {NAN,    INFINITY, -INFINITY, 0.0, -0.0,  1e-40,
                                      -1e-40, 3e38,     1,         -1,  60000, 0.5};
    uint64_t r = random_bits(state);
    if (c->specials && r % 4 == 0) return specials[(r >> 8) % COUNT_OF(specials)];
    double low = c->low != 0 || c->high != 0 ? c->low : -4, high = c->low != 0 || c->high != 0 ? c->high : 4;
    return low + (high - low) * ((double)(r >> 11) * 0x1p-53);
}

static struct tensor random_tensor(const struct kernel_case *c, struct type type, uint64_t seed) {
    struct tensor t = tensor_new_of(&c->m->types, type);
    uint64_t state = seed;
    for (int64_t i = 0; i < tensor_count(&t); i++) {
        if (elem_is_float(t.elem)) {
            tensor_set_f64(&t, i, random_float(c, &state));
        } else if (c->low != 0 || c->high != 0) {
            uint64_t span = (uint64_t)(c->high - c->low);
            tensor_set_i64(&t, i, (int64_t)c->low + (int64_t)(random_bits(&state) % span));
        } else {
            uint64_t r = random_bits(&state);
            /* Small numbers too: divisors of 0 and -1, exponents, equal pairs. */
            tensor_set_i64(&t, i, r % 2 ? (int64_t)(r >> 1) : (int64_t)((r >> 8) % 9) - 4);
            if (t.elem == ELEM_bool) tensor_set_i64(&t, i, (r >> 20) & 1);
        }
    }
    return t;
}

/* -- expected results -- */

struct expected {
    uint32_t count, results;
    const struct tensor *in[KERNEL_MAX_VALUES];
    struct tensor plain[KERNEL_MAX_VALUES], stored[KERNEL_MAX_VALUES];
    struct tensor f32[MAX_RESULTS], f64[MAX_RESULTS]; /* as stored, padding included */
};

static void evaluate(struct kernel_case *c, const struct op *op, const struct tensor *in, bool f64,
                     struct tensor *out) {
    const struct tensor *pointers[KERNEL_MAX_VALUES] = {0};
    struct tensor wide[KERNEL_MAX_VALUES] = {0}, plain[MAX_RESULTS];
    for (uint32_t i = 0; i < op->operand_count; i++) {
        if (value_none(op->operand[i])) continue;
        bool widen = f64 && elem_is_float(in[i].elem);
        if (widen) wide[i] = tensor_cast(&in[i], ELEM_f64);
        pointers[i] = widen ? &wide[i] : &in[i];
    }
    must(c, interp_op(c->m, op, pointers, f64, plain, &c->diag) == STATUS_OK);
    for (uint32_t r = 0; r < op->result_count; r++) {
        out[r] = tensor_relayout(&c->m->types, &plain[r], value_get(c->m, op->result[r])->type.layout);
        tensor_free(&plain[r]);
    }
    for (uint32_t i = 0; i < op->operand_count; i++) tensor_free(&wide[i]);
}

static void expect(struct kernel_case *c, const struct op *op, struct expected *x) {
    *x = (struct expected){.count = op->operand_count, .results = op->result_count};
    for (uint32_t i = 0; i < x->count; i++) {
        if (value_none(op->operand[i])) continue;
        const struct value *v = value_get(c->m, op->operand[i]);
        const struct tensor *constant = value_constant(c->m, op->operand[i]);
        struct tensor *set = &c->data[op->operand[i].i];
        if (constant)
            x->plain[i] = tensor_copy(constant);
        else if (set->data)
            x->plain[i] = tensor_copy(set);
        else
            x->plain[i] = random_tensor(c, v->type, op->operand[i].i);
        x->stored[i] = tensor_relayout(&c->m->types, &x->plain[i], v->type.layout);
    }
    evaluate(c, op, x->plain, false, x->f32);
    evaluate(c, op, x->plain, true, x->f64);
}

static void expected_free(struct expected *x) {
    for (uint32_t i = 0; i < x->count; i++) {
        tensor_free(&x->plain[i]);
        tensor_free(&x->stored[i]);
    }
    for (uint32_t r = 0; r < x->results; r++) {
        tensor_free(&x->f32[r]);
        tensor_free(&x->f64[r]);
    }
}

/* -- comparison -- */

static double default_bound(enum elem elem) {
    if (elem == ELEM_f16) return 0x1p-9;
    if (elem == ELEM_bf16) return 0x1p-6;
    return elem == ELEM_f64 ? 0x1p-46 : 0x1p-19;
}

/* Overflow to Inf may come a little earlier or later than in the interpreter: the largest number counts as
 * Inf. */
static double clamp_inf(double x, enum elem elem) {
    double largest = elem == ELEM_f16 ? 65504 : elem == ELEM_f64 ? 1.7e308 : 3.38e38;
    return x > largest ? INFINITY : x < -largest ? -INFINITY : x;
}

static bool close_enough(const struct kernel_case *c, const struct tensor *got, int64_t i, double narrow,
                         double wide, double largest) {
    double bound = c->relative > 0 ? c->relative : default_bound(got->elem);
    double value = clamp_inf(tensor_get_f64(got, i), got->elem);
    narrow = clamp_inf(narrow, got->elem);
    wide = clamp_inf(wide, got->elem);
    if (isnan(value)) return isnan(narrow) || isnan(wide);
    if (value == narrow || value == wide) return true;
    double slack = bound * (fabs(wide) + 0x1p-3 * largest) + 8 * fabs(narrow - wide);
    double tiny = got->elem == ELEM_f16 ? 0x1p-24 : got->elem == ELEM_f64 ? 0x1p-1074 : 0x1p-133;
    return fabs(value - wide) <= slack + 4 * tiny;
}

static void compare(struct kernel_case *c, const char *cpu, const struct expected *x, uint32_t r,
                    const struct tensor *got) {
    double largest = 0;
    int64_t count = tensor_count(&x->f32[r]);
    bool real = elem_is_float(got->elem);
    for (int64_t i = 0; real && i < count; i++) {
        double a = fabs(tensor_get_f64(&x->f64[r], i));
        if (a < 1e30 && a > largest) largest = a;
    }
    if (largest > 16) largest = 16;
    for (int64_t i = 0; i < count; i++) {
        if (!real) {
            int64_t g = tensor_get_i64(got, i), w = tensor_get_i64(&x->f32[r], i);
            if (g != w)
                fail(c, cpu, "result %u[%lld]: got %lld, want %lld", r, (long long)i, (long long)g,
                     (long long)w);
            continue;
        }
        double narrow = tensor_get_f64(&x->f32[r], i), wide = tensor_get_f64(&x->f64[r], i);
        if (!close_enough(c, got, i, narrow, wide, largest))
            fail(c, cpu, "result %u[%lld]: got %.9g, want %.9g (f32 %.9g)", r, (long long)i,
                 tensor_get_f64(got, i), wide, narrow);
    }
}

/* -- running -- */

/* What is running, for the message when it reads or writes where it may not. */
static const char *volatile running_case, *volatile running_cpu;

static void on_fault(int signal) {
    const char *const parts[] = {"memory fault: ", running_case, " (", running_cpu, ")\n"};
    (void)signal;
    for (size_t i = 0; i < COUNT_OF(parts); i++)
        if (write(STDERR_FILENO, parts[i], strlen(parts[i])) < 0) break;
    _exit(1);
}

typedef void kernel_function(void *const *buf, const int64_t *dim, uint32_t lo, uint32_t hi);

struct memory {
    struct guard operand[KERNEL_MAX_VALUES], result[MAX_RESULTS], scratch;
    void *buf[KERNEL_MAX_VALUES + MAX_RESULTS + 1];
};

static void prepare(const struct expected *x, const struct kernel *kernel, enum guard_side side,
                    struct memory *memory) {
    *memory = (struct memory){0};
    uint32_t n = 0;
    for (uint32_t i = 0; i < x->count; i++, n++) {
        if (!x->stored[i].data && tensor_count(&x->stored[i]) == 0 && x->stored[i].elem == ELEM_NONE)
            continue;
        memory->operand[i] = guard_make(tensor_bytes(&x->stored[i]), side);
        if (tensor_bytes(&x->stored[i]))
            memcpy(memory->operand[i].data, x->stored[i].data, tensor_bytes(&x->stored[i]));
        guard_read_only(&memory->operand[i]);
        memory->buf[n] = memory->operand[i].data;
    }
    for (uint32_t r = 0; r < x->results; r++, n++) {
        memory->result[r] = guard_make(tensor_bytes(&x->f32[r]), side);
        guard_poison(&memory->result[r]);
        memory->buf[n] = memory->result[r].data;
    }
    /* Scratch memory comes in whole lines. */
    memory->scratch = guard_make(kernel->worker_scratch, side);
    guard_poison(&memory->scratch);
    memory->buf[n] = memory->scratch.data;
}

static void release(const struct expected *x, struct memory *memory) {
    for (uint32_t i = 0; i < x->count; i++) guard_free(&memory->operand[i]);
    for (uint32_t r = 0; r < x->results; r++) guard_free(&memory->result[r]);
    guard_free(&memory->scratch);
}

static void run_items(kernel_function *function, void *const *buf, uint32_t items, bool one_by_one) {
    if (items == 0) return;
    if (!one_by_one) function(buf, NULL, 0, items);
    for (uint32_t i = one_by_one ? items : 0; i-- > 0;) function(buf, NULL, i, i + 1);
}

static void check_runs(struct kernel_case *c, const char *cpu, const struct expected *x,
                       const struct kernel *kernel, kernel_function *function) {
    struct tensor first[MAX_RESULTS] = {0};
    running_case = c->name;
    running_cpu = cpu;
    signal(SIGSEGV, on_fault);
    if (kernel->worker_scratch % 64)
        fail(c, cpu, "scratch of %llu bytes", (unsigned long long)kernel->worker_scratch);
    for (int run = 0; run < 4; run++) {
        struct memory memory;
        prepare(x, kernel, run % 2 ? GUARD_BEFORE : GUARD_AFTER, &memory);
        run_items(function, memory.buf, kernel->items, run >= 2);
        for (uint32_t r = 0; r < x->results; r++) {
            struct tensor got = x->f32[r];
            got.data = memory.result[r].data;
            got.owned = false;
            if (run == 0) {
                first[r] = tensor_copy(&got);
                compare(c, cpu, x, r, &got);
            } else if (tensor_bytes(&got) && memcmp(first[r].data, got.data, tensor_bytes(&got))) {
                fail(c, cpu, "result %u: run %d gives other bytes than run 0", r, run);
            }
        }
        release(x, &memory);
    }
    for (uint32_t r = 0; r < x->results; r++) tensor_free(&first[r]);
}

static struct emit emit_for(struct kernel_case *c, struct jit *jit, const struct target *target) {
    return (struct emit){.context = jit->context,
                         .module = jit->module,
                         .builder = jit->builder,
                         .target = target,
                         .m = c->m,
                         .diag = &c->diag};
}

static void run_on(struct kernel_case *c, const char *cpu, op_id op, emit_fn *emit,
                   const struct expected *x) {
    struct target target;
    must(c, target_parse(cpu, &c->diag, &target) == STATUS_OK);
    struct jit jit;
    jit_init(&jit, cpu);
    struct emit e = emit_for(c, &jit, &target);
    struct kernel kernel = {0};
    const char *why = "no reason given";
    enum emit_result result = emit(&e, op, "kernel", &kernel, &why);
    if (result != EMIT_DONE) {
        fail(c, cpu, "the emitter %s: %s", result == EMIT_DECLINED ? "declines" : "fails", why);
    } else {
        jit_prepare_function(&jit, kernel.function);
        void *address = jit_address(&jit, "kernel");
        kernel_function *function;
        memcpy(&function, &address, sizeof function);
        check_runs(c, cpu, x, &kernel, function);
    }
    map_free(&e.functions);
    jit_free(&jit);
}

static const char *const cpus[] = {"x86-64-v2", "x86-64-v3", "x86-64-v4"};

void kernel_next_cpu(struct kernel_case *c) {
    static unsigned turn;
    do c->only_cpu = cpus[turn++ % COUNT_OF(cpus)];
    while (!jit_can_run(c->only_cpu));
}

void kernel_run(struct kernel_case *c, op_id op, emit_fn *emit) {
    struct expected x;
    expect(c, op_get(c->m, op), &x);
    for (unsigned i = 0; i < COUNT_OF(cpus); i++) {
        if (c->only_cpu && strcmp(c->only_cpu, cpus[i])) continue;
        if (jit_can_run(cpus[i])) run_on(c, cpus[i], op, emit, &x);
    }
    expected_free(&x);
}

bool kernel_declines(struct kernel_case *c, op_id op, emit_fn *emit) {
    struct target target;
    must(c, target_parse("x86-64-v3", &c->diag, &target) == STATUS_OK);
    struct jit jit;
    jit_init(&jit, "x86-64-v3");
    struct emit e = emit_for(c, &jit, &target);
    struct kernel kernel = {0};
    const char *why = NULL;
    bool declined = emit(&e, op, "kernel", &kernel, &why) == EMIT_DECLINED && why;
    map_free(&e.functions);
    jit_free(&jit);
    return declined;
}

char *kernel_assembly(struct kernel_case *c, op_id op, emit_fn *emit, const char *cpu) {
    struct target target;
    must(c, target_parse(cpu, &c->diag, &target) == STATUS_OK);
    struct jit jit;
    jit_init(&jit, cpu);
    struct emit e = emit_for(c, &jit, &target);
    struct kernel kernel = {0};
    const char *why = NULL;
    must(c, emit(&e, op, "kernel", &kernel, &why) == EMIT_DONE);
    jit_prepare_function(&jit, kernel.function);
    char *text = jit_assembly(&jit, "x86_64-unknown-linux-gnu", cpu, "");
    map_free(&e.functions);
    jit_free(&jit);
    return text;
}
