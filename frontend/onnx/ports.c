#include "frontend/onnx/import.h"
#include "frontend/onnx/onnx_model.h"

#include <string.h>

/* Files of format version 3 list initializers among the inputs too. */
static bool is_initializer(const Onnx__GraphProto *graph, const char *name) {
    for (size_t i = 0; i < graph->n_initializer; i++)
        if (!strcmp(onnx_text(graph->initializer[i]->name), name)) return true;
    for (size_t i = 0; i < graph->n_sparse_initializer; i++)
        if (!strcmp(onnx_sparse_name(graph->sparse_initializer[i]), name)) return true;
    return false;
}

enum status onnx_input_names(const char *path, struct arena *arena, struct diag *diag,
                             const char *const **names, uint32_t *count) {
    struct onnx_model *model;
    TRY(onnx_model_load(path, diag, &model));
    const Onnx__GraphProto *graph = model->proto->graph;
    const char **list = arena_array(arena, const char *, graph->n_input + 1);
    uint32_t n = 0;
    for (size_t i = 0; i < graph->n_input; i++) {
        const char *name = onnx_text(graph->input[i]->name);
        if (!is_initializer(graph, name)) list[n++] = arena_strdup(arena, name);
    }
    onnx_model_free(model);
    *names = list;
    *count = n;
    return STATUS_OK;
}
