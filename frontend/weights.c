#include "frontend/weights.h"

#include "frontend/tensorfile/safetensors.h"

static const struct tensor *find_in_file(void *ctx, const char *name) {
    return safetensors_find(ctx, name);
}

static void each_in_file(void *ctx, void (*visit)(void *to, const char *name), void *to) {
    const struct safetensors *file = ctx;
    for (uint32_t i = 0; i < file->tensors.count; i++) visit(to, file->tensors.at[i].name);
}

static void close_file(void *file) {
    safetensors_close(file);
    free(file);
}

enum status weights_open(const char *path, struct module *m, struct diag *diag, struct weight_source *out) {
    struct safetensors *file = xcalloc(1, sizeof *file);
    if (safetensors_open(path, diag, file) != STATUS_OK) {
        free(file);
        return STATUS_FAILED;
    }
    module_keep(m, close_file, file);
    *out = (struct weight_source){file, find_in_file, each_in_file};
    return STATUS_OK;
}

static const struct tensor *find_in_module(void *ctx, const char *name) {
    const struct module *m = ctx;
    weight_id weight = module_find_weight(m, name);
    return weight.i ? &weight_get(m, weight)->tensor : NULL;
}

static void each_in_module(void *ctx, void (*visit)(void *to, const char *name), void *to) {
    const struct module *m = ctx;
    for (uint32_t i = 1; i < m->weights.count; i++) visit(to, m->weights.at[i].name);
}

struct weight_source weights_of_module(const struct module *m) {
    return (struct weight_source){(void *)(uintptr_t)m, find_in_module, each_in_module};
}
