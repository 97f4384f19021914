/* A library for `y = tanh(x)` over three floats with a fault (-DFAULT=NAME), and, with -DSWITCH, a dlopen that
 * opens the library that $IMPOSTOR names in place of the one it is asked for. */
#ifdef SWITCH
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

void *dlopen(const char *path, int flags) {
    void *(*next)(const char *, int) = (void *(*)(const char *, int))dlsym(RTLD_NEXT, "dlopen");
    const char *other = getenv("IMPOSTOR");
    return next(path && other && strstr(path, "squashed.so") ? other : path, flags);
}
#else
#include "adze_model.h"

#include <math.h>

enum { NONE, WRONG, REMEMBERS, READS_SCRATCH, WRITES_INPUT, FORGETS_OUTPUT };

static const int64_t dim = 3;
static const struct adze_port x = {"x", ADZE_INPUT, ADZE_F32, 1, -1, &dim}, y = {"y", ADZE_OUTPUT, ADZE_F32, 1, -1, &dim};
static const struct adze_port *const ports[] = {&x, &y};
static const struct adze_variant variant = {.target = "x86-64", .features = ""};
static const struct adze_variant *const variants[] = {&variant};
static float kept;

static int choose(const int64_t *symbols, int32_t *chosen) {
    (void)symbols;
    *chosen = ADZE_SELECTED;
    return ADZE_OK;
}

static int shape(uint32_t port, const int64_t *symbols, int64_t *dims) {
    (void)port, (void)symbols;
    *dims = dim;
    return ADZE_OK;
}

static int scratch(int32_t chosen, const int64_t *symbols, uint32_t workers, size_t *bytes) {
    (void)chosen, (void)symbols, (void)workers;
    *bytes = 64;
    return ADZE_OK;
}

static int run(const struct adze_call *call) {
    float *in = call->port[0], *out = call->port[1], *memory = call->scratch;
    for (int i = 0; i < 3; i++) {
        if (FAULT == FORGETS_OUTPUT && i == 2) break;
        out[i] = tanhf(in[i]);
        if (FAULT == WRONG) out[i] += 1;
        if (FAULT == REMEMBERS) out[i] += kept * 1e-7f;
        if (FAULT == READS_SCRATCH) out[i] += memory[i];
        if (FAULT == WRITES_INPUT) in[i] = 7;
        kept = 1;
        memory[i] = 0;
    }
    return ADZE_OK;
}

const struct adze_model adze_model = {
    .abi = ADZE_ABI, .size = sizeof adze_model, .name = "squashed", .text = "", .metadata = "\0",
    .ports = 2, .variants = 1, .port = ports, .variant = variants, .select = choose, .shape = shape, .scratch = scratch, .run = run};
#endif
