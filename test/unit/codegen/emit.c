/* A toy program goes through every kind of output and runs; each thing that can be wrong at run time has its
 * code. */
#include "test/support/guard.h"
#include "test/support/temporary.h"
#include "test/support/toy.h"
#include "test/support/unit.h"

#include "runtime/include/adze_runtime.h"

#include <pthread.h>
#include <stdlib.h>

static struct temporary folder;

static const char *path(const char *name) {
    return temporary_path(&folder, name);
}

static void emit(const struct toy_options *toy, uint32_t kinds, bool external) {
    struct diag diag = {0};
    struct emit_options options = {
        .kinds = kinds, .stem = path(toy->name), .external_weights = external, .header = true};
    CHECK(toy_emit(toy, &options, &diag) == STATUS_OK);
    diag_print(&diag, stderr);
    diag_free(&diag);
}

static const struct adze_model *load(const char *name, struct adze_library **library) {
    const struct adze_model *model = NULL;
    const char *why = "";
    int code = adze_library_open(path(name), library, &model, &why);
    if (!CHECK(code == ADZE_OK)) {
        fprintf(stderr, "%s: %s (%s)\n", name, adze_error_text(code), why);
        exit(1);
    }
    return model;
}

static void test_descriptor(const struct adze_model *model) {
    CHECK(model->abi == ADZE_ABI && model->size == sizeof *model);
    CHECK_TEXT(model->name, "plain");
    CHECK_TEXT(model->text, "model toy");
    CHECK_TEXT(adze_metadata(model, "alphabet"), "a\nb");
    CHECK_TEXT(adze_metadata(model, "empty"), "");
    CHECK(adze_metadata(model, "a") == NULL);
    CHECK(model->ports == 2 && model->symbols == 0 && model->variants == 1 && model->weights_bytes == 0);
    CHECK_TEXT(model->port[0]->name, "x");
    CHECK_TEXT(model->port[1]->name, "y");
    CHECK(model->port[0]->role == ADZE_INPUT && model->port[1]->role == ADZE_OUTPUT);
    CHECK(model->port[1]->rank == 1 && model->port[1]->dim[0] == TOY_ELEMENTS &&
          model->port[1]->updates == -1);
    CHECK(model->variant[0]->steps == 2);
    CHECK_TEXT(model->variant[0]->target, "x86-64");
    CHECK_TEXT(model->variant[0]->features, "");
    CHECK_TEXT(model->variant[0]->step[1]->name, "+ 1");
    int64_t dim = 0;
    CHECK(model->shape(1, NULL, &dim) == ADZE_OK && dim == TOY_ELEMENTS);
    CHECK(model->shape(2, NULL, &dim) == ADZE_BAD_ARGUMENT);
    CHECK(model->shape(1, NULL, NULL) == ADZE_BAD_ARGUMENT);
}

/* Runs with every buffer at a protected page, inputs read-only, scratch poisoned. Returns the code. */
static int run_guarded(const struct adze_model *model, enum guard_side side, int64_t n, float first,
                       const struct adze_exec *exec) {
    size_t bytes = 0, size = (size_t)n * sizeof(float);
    const int64_t *symbols = model->symbols ? &n : NULL;
    uint32_t workers = exec ? exec->workers : 1;
    CHECK(model->scratch(ADZE_SELECT, symbols, workers, &bytes) == ADZE_OK);
    struct guard x = guard_make(size, side), y = guard_make(size, side), scratch = guard_make(bytes, side);
    for (int64_t i = 0; i < n; i++) ((float *)x.data)[i] = first + (float)i;
    guard_read_only(&x);
    guard_poison(&y);
    guard_poison(&scratch);
    void *const port[] = {x.data, y.data};
    struct adze_call call = ADZE_CALL_INIT;
    call.symbols = symbols;
    call.port = port;
    call.scratch = scratch.data;
    call.scratch_bytes = bytes;
    call.exec = exec;
    int code = model->run(&call);
    if (code == ADZE_OK) {
        int wrong = 0;
        for (int64_t i = 0; i < n; i++) wrong += ((float *)y.data)[i] != 2 * (first + (float)i) + 1;
        CHECK(wrong == 0);
    } else {
        CHECK(guard_poisoned(&y) == size);
    }
    guard_free(&x);
    guard_free(&y);
    guard_free(&scratch);
    return code;
}

static void test_runs(const struct adze_model *model) {
    CHECK(run_guarded(model, GUARD_AFTER, TOY_ELEMENTS, 0, NULL) == ADZE_OK);
    CHECK(run_guarded(model, GUARD_BEFORE, TOY_ELEMENTS, 5, NULL) == ADZE_OK);
    for (uint32_t workers = 1; workers <= 5; workers += 2) {
        struct adze_pool *pool;
        struct adze_exec exec;
        if (!CHECK(adze_pool_open(workers, &pool) == ADZE_OK)) return;
        adze_pool_exec(pool, &exec);
        for (int i = 0; i < 20; i++)
            CHECK(run_guarded(model, GUARD_AFTER, TOY_ELEMENTS, (float)i, &exec) == ADZE_OK);
        uint64_t ticks[2] = {0, 0};
        exec.clock = adze_clock;
        exec.ticks = ticks;
        CHECK(run_guarded(model, GUARD_AFTER, TOY_ELEMENTS, 1, &exec) == ADZE_OK);
        CHECK(ticks[0] > 0 && ticks[0] < 10000000000u && ticks[1] > 0 && ticks[1] < 10000000000u);
        adze_pool_close(pool);
    }
}

static void *run_often(void *model) {
    for (int i = 0; i < 50; i++) run_guarded(model, GUARD_AFTER, TOY_ELEMENTS, (float)i, NULL);
    return NULL;
}

static void test_two_threads(const struct adze_model *model) {
    pthread_t other;
    CHECK(pthread_create(&other, NULL, run_often, (void *)(uintptr_t)model) == 0);
    run_often((void *)(uintptr_t)model);
    pthread_join(other, NULL);
}

static void test_wrong_calls(const struct adze_model *model) {
    static float x[TOY_ELEMENTS], y[TOY_ELEMENTS];
    size_t bytes = 0;
    int32_t variant = -1;
    CHECK(model->select(NULL, &variant) == ADZE_OK && variant == ADZE_SELECTED);
    CHECK(model->select(NULL, NULL) == ADZE_BAD_ARGUMENT);
    CHECK(model->scratch(0, NULL, 1, &bytes) == ADZE_OK && bytes == 64 + 4096 - 64 + 64);
    CHECK(model->scratch(1, NULL, 1, &bytes) == ADZE_BAD_ARGUMENT);
    CHECK(model->scratch(-2, NULL, 1, &bytes) == ADZE_BAD_ARGUMENT);
    CHECK(model->scratch(0, NULL, 0, &bytes) == ADZE_BAD_ARGUMENT);
    CHECK(model->scratch(0, NULL, 1, NULL) == ADZE_BAD_ARGUMENT);
    void *scratch = aligned_alloc(ADZE_ALIGN, bytes + ADZE_ALIGN);
    void *port[] = {x, y};
    struct adze_call good = ADZE_CALL_INIT, call;
    good.port = port;
    good.scratch = scratch;
    good.scratch_bytes = bytes;
    CHECK(model->run(&good) == ADZE_OK);
    CHECK(model->run(NULL) == ADZE_BAD_ARGUMENT);
#define WRONG(code, ...) (call = good, __VA_ARGS__, CHECK(model->run(&call) == (code)))
    WRONG(ADZE_OK, call.variant = variant);
    WRONG(ADZE_OK, call.variant = 0);
    WRONG(ADZE_OK, call.size += 8);
    WRONG(ADZE_WRONG_ABI, call.size -= 8);
    WRONG(ADZE_WRONG_ABI, call.size = 0);
    WRONG(ADZE_BAD_ARGUMENT, call.variant = 1);
    WRONG(ADZE_BAD_ARGUMENT, call.variant = -2);
    WRONG(ADZE_BAD_ARGUMENT, call.port = NULL);
    WRONG(ADZE_BAD_SCRATCH, call.scratch = NULL);
    WRONG(ADZE_BAD_SCRATCH, call.scratch = (char *)scratch + 32);
    WRONG(ADZE_BAD_SCRATCH, call.scratch_bytes = bytes - 1);
    struct adze_exec exec = {.size = sizeof exec, .workers = 1};
    WRONG(ADZE_OK, call.exec = &exec);
    exec.workers = 0;
    WRONG(ADZE_BAD_ARGUMENT, call.exec = &exec);
    exec.workers = 2;
    WRONG(ADZE_BAD_SCRATCH, call.exec = &exec);
    exec.workers = 1;
    exec.clock = adze_clock;
    WRONG(ADZE_BAD_ARGUMENT, call.exec = &exec);
    exec.clock = NULL;
    exec.size = 4;
    WRONG(ADZE_WRONG_ABI, call.exec = &exec);
    port[0] = NULL;
    CHECK(model->run(&good) == ADZE_BAD_ARGUMENT);
    port[0] = (char *)x + 1;
    CHECK(model->run(&good) == ADZE_BAD_ARGUMENT);
    port[0] = x;
    port[1] = NULL;
    CHECK(model->run(&good) == ADZE_BAD_ARGUMENT);
    free(scratch);
}

static void test_plain(void) {
    struct adze_library *library;
    emit(&(struct toy_options){.name = "plain", .call_memset = true}, OUTPUT_BIT(OUTPUT_SHARED), false);
    const struct adze_model *model = load("plain.so", &library);
    test_descriptor(model);
    test_runs(model);
    test_two_threads(model);
    test_wrong_calls(model);
    adze_library_close(library);
}

static void test_symbols(void) {
    struct adze_library *library;
    emit(&(struct toy_options){.name = "symbolic", .symbolic = true}, OUTPUT_BIT(OUTPUT_SHARED), false);
    const struct adze_model *model = load("symbolic.so", &library);
    CHECK(model->symbols == 1 && model->symbol[0]->lo == 0 && model->symbol[0]->hi == TOY_ELEMENTS);
    CHECK(model->port[0]->dim[0] == -1);
    int32_t variant = 0;
    int64_t n = 9, dim = 0;
    CHECK(model->select(&n, &variant) == ADZE_OK && ADZE_VARIANT_INDEX(variant) == 0);
    n = 10;
    CHECK(model->select(&n, &variant) == ADZE_OK && ADZE_VARIANT_INDEX(variant) == 1);
    CHECK(model->shape(1, &n, &dim) == ADZE_OK && dim == 10);
    CHECK(model->select(NULL, &variant) == ADZE_BAD_ARGUMENT);
    n = TOY_ELEMENTS + 1;
    CHECK(model->select(&n, &variant) == ADZE_OUT_OF_RANGE);
    CHECK(model->shape(1, &n, &dim) == ADZE_OUT_OF_RANGE);
    n = -1;
    CHECK(model->select(&n, &variant) == ADZE_OUT_OF_RANGE);
    for (n = 0; n < 40; n++) CHECK(run_guarded(model, GUARD_AFTER, n, 1, NULL) == ADZE_OK);
    CHECK(run_guarded(model, GUARD_BEFORE, 999, 1, NULL) == ADZE_OK);

    /* A variant for other dimensions, and ports that may be null because they are empty. */
    char scratch[8192 + 64];
    struct adze_call call = ADZE_CALL_INIT;
    call.scratch = scratch + (64 - (uintptr_t)scratch % 64);
    call.scratch_bytes = 8192;
    void *const port[] = {NULL, NULL};
    call.port = port;
    call.symbols = &n;
    n = 0;
    CHECK(model->run(&call) == ADZE_OK);
    n = 1;
    CHECK(model->run(&call) == ADZE_BAD_ARGUMENT);
    n = 50;
    call.variant = 0;
    CHECK(model->run(&call) == ADZE_OUT_OF_RANGE);
    call.variant = ADZE_SELECTED;
    CHECK(model->run(&call) == ADZE_OUT_OF_RANGE);
    adze_library_close(library);
}

/* For features that no CPU of this machine has, run says so; with every feature it has, it runs. */
static void test_cpu(void) {
    struct adze_library *library;
    uint64_t host = cpu_host(), lacking = 0;
    for (uint32_t i = 0; i < CPU_FEATURES && !lacking; i++)
        if (!(host & cpu_features[i].bit)) lacking = cpu_features[i].bit;
    emit(&(struct toy_options){.name = "able", .features = host}, OUTPUT_BIT(OUTPUT_SHARED), false);
    const struct adze_model *model = load("able.so", &library);
    CHECK(run_guarded(model, GUARD_AFTER, TOY_ELEMENTS, 0, NULL) == ADZE_OK);
    adze_library_close(library);
    if (!lacking) return;
    emit(&(struct toy_options){.name = "unable", .features = lacking}, OUTPUT_BIT(OUTPUT_SHARED), false);
    model = load("unable.so", &library);
    int32_t variant = 0;
    CHECK(model->select(NULL, &variant) == ADZE_NO_CPU);
    float x[TOY_ELEMENTS] = {0};
    char scratch[8192 + 64];
    void *const port[] = {x, x};
    struct adze_call call = ADZE_CALL_INIT;
    call.scratch = scratch + (64 - (uintptr_t)scratch % 64);
    call.scratch_bytes = 8192;
    call.port = port;
    CHECK(model->run(&call) == ADZE_NO_CPU);
    call.variant = 0;
    CHECK(model->run(&call) == ADZE_NO_CPU);
    adze_library_close(library);
}

static void test_external_weights(void) {
    struct adze_library *library;
    emit(&(struct toy_options){.name = "outside"}, OUTPUT_BIT(OUTPUT_SHARED), true);
    const struct adze_model *model = load("outside.so", &library);
    CHECK(model->weights_bytes == 64 + 128);
    struct adze_session *session;
    CHECK(adze_open(model, NULL, 1, &session) == ADZE_NO_FILE && session == NULL);
    CHECK(adze_open(model, path("outside.h"), 1, &session) == ADZE_NOT_A_MODEL);
    CHECK(adze_open(model, path("outside.weights"), 2, &session) == ADZE_OK);
    static float x[TOY_ELEMENTS] = {3}, y[TOY_ELEMENTS];
    void *const port[] = {x, y};
    struct adze_call call = *adze_session_call(session);
    call.port = port;
    CHECK(model->run(&call) == ADZE_OK && y[0] == 7 && y[1] == 1);

    _Alignas(64) unsigned char file[192];
    memcpy(file, call.weights, sizeof file);
    call.weights = NULL;
    CHECK(model->run(&call) == ADZE_WRONG_WEIGHTS);
    call.weights = file;
    CHECK(model->run(&call) == ADZE_OK && adze_weights_check(model, file, sizeof file) == ADZE_OK);
    file[64]++; /* run sees the header alone, the check sees everything */
    CHECK(model->run(&call) == ADZE_OK && adze_weights_check(model, file, sizeof file) == ADZE_NOT_A_MODEL);
    CHECK(adze_weights_check(model, file, 100) == ADZE_NOT_A_MODEL);
    file[16]++;
    CHECK(model->run(&call) == ADZE_WRONG_WEIGHTS);
    CHECK(adze_weights_check(model, file, sizeof file) == ADZE_WRONG_WEIGHTS);
    call.weights = file + 8;
    CHECK(model->run(&call) == ADZE_WRONG_WEIGHTS);
    adze_close(session);
    adze_library_close(library);
}

int main(void) {
    folder = temporary_make();
    test_plain();
    test_symbols();
    test_cpu();
    test_external_weights();
    temporary_remove(&folder);
    return unit_status();
}
