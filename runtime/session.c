#include "runtime/include/adze_runtime.h"

#include <stdlib.h>
#include <string.h>

struct adze_session {
    const struct adze_model *model;
    struct adze_pool *pool;
    struct adze_exec exec;
    struct adze_call call;
};

/* Scratch bytes enough for every variant. */
static int largest_scratch(const struct adze_model *model, uint32_t workers, size_t *bytes) {
    *bytes = 0;
    for (uint32_t v = 0; v < model->variants; v++) {
        size_t need = 0;
        int code = model->scratch((int32_t)v, model->variant[v]->lo, workers, &need);
        if (code != ADZE_OK) return code;
        if (need > *bytes) *bytes = need;
    }
    return ADZE_OK;
}

static int fill(struct adze_session *session, const char *weights_path, uint32_t workers) {
    const struct adze_model *model = session->model;
    struct adze_call *call = &session->call;
    *call = (struct adze_call){.size = sizeof *call, .variant = ADZE_SELECT};
    int code = ADZE_OK;
    if (model->symbols == 0) code = model->select(NULL, &call->variant);
    if (code == ADZE_OK && model->weights_bytes)
        code = adze_weights_open(model, weights_path, &call->weights);
    if (code == ADZE_OK) code = adze_pool_open(workers, &session->pool);
    if (code != ADZE_OK) return code;
    adze_pool_exec(session->pool, &session->exec);
    call->exec = &session->exec;
    code = largest_scratch(model, session->exec.workers, &call->scratch_bytes);
    if (code == ADZE_OK && call->scratch_bytes) {
        size_t rounded = (call->scratch_bytes + ADZE_ALIGN - 1) / ADZE_ALIGN * ADZE_ALIGN;
        call->scratch = aligned_alloc(ADZE_ALIGN, rounded);
        if (!call->scratch) code = ADZE_NO_MEMORY;
    }
    return code;
}

int adze_open(const struct adze_model *model, const char *weights_path, uint32_t workers,
              struct adze_session **session) {
    *session = NULL;
    int code = adze_check_model(model);
    if (code != ADZE_OK) return code;
    struct adze_session *result = calloc(1, sizeof *result);
    if (!result) return ADZE_NO_MEMORY;
    result->model = model;
    code = fill(result, weights_path, workers);
    if (code != ADZE_OK) {
        adze_close(result);
        return code;
    }
    *session = result;
    return ADZE_OK;
}

void adze_close(struct adze_session *session) {
    if (!session) return;
    adze_weights_close(session->model, session->call.weights);
    adze_pool_close(session->pool);
    free(session->call.scratch);
    free(session);
}

const struct adze_call *adze_session_call(const struct adze_session *session) {
    return &session->call;
}
