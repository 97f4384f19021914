/* Feeds damaged ONNX models to the importer. None may crash it or make it hang; what it accepts must pass the
 * verifier, and run in the interpreter if it is small.
 *
 *   onnx_models RUNS SEED FOLDER    damages each model.onnx below FOLDER RUNS times, the same way for the
 * same SEED
 *
 * Half of the damage is to bytes, half to numbers, names and types of a sound file. */
#include "frontend/onnx/import.h"
#include "frontend/onnx/onnx_model.h"
#include "ir/base/file.h"
#include "ir/interp.h"
#include "ir/verify.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { LARGEST_RUN = 1 << 16 }; /* elements of a value, for the interpreter */

static uint64_t state;
static unsigned accepted, refused, ran;

static uint64_t below(uint64_t bound) { /* xorshift64 */
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return bound ? state % bound : 0;
}

static int64_t odd_number(void) {
    static const int64_t odd[] = {0,         1,         -1,        2,         3,         -2,
                                  4,         7,         8,         64,        -8,        INT8_MAX,
                                  INT16_MAX, INT32_MAX, INT32_MIN, INT64_MAX, INT64_MIN, (int64_t)1 << 40};
    return odd[below(COUNT_OF(odd))];
}

/* -- damage to the structure -- */

static void change_tensor(Onnx__TensorProto *t) {
    if (t->n_dims && below(2))
        t->dims[below(t->n_dims)] = odd_number();
    else if (t->n_int64_data)
        t->int64_data[below(t->n_int64_data)] = odd_number();
    else if (t->raw_data.len >= 8 && t->data_type == ONNX__TENSOR_PROTO__DATA_TYPE__INT64)
        memcpy(t->raw_data.data, &(int64_t){odd_number()}, 8);
    else
        t->data_type = (int32_t)below(20);
}

static void change_attr(Onnx__AttributeProto *a) {
    static const float odd[] = {0, -0.0f, 1, -1, 0.5f, 1e-45f, 1e38f};
    if (a->n_ints)
        a->ints[below(a->n_ints)] = odd_number();
    else if (a->t)
        change_tensor(a->t);
    else if (a->has_f)
        a->f = odd[below(COUNT_OF(odd))];
    else if (a->has_i)
        a->i = odd_number();
    else
        a->type = (Onnx__AttributeProto__AttributeType)below(14);
    if (a->n_ints && !below(4)) a->n_ints--;
}

/* Names change places, so that all memory stays where its owner expects it. */
static void swap_names(char **a, char **b) {
    char *keep = *a;
    *a = *b;
    *b = keep;
}

static void change_node(Onnx__GraphProto *graph) {
    Onnx__NodeProto *node = graph->node[below(graph->n_node)], *other = graph->node[below(graph->n_node)];
    switch (below(4)) {
    case 0:
        if (node->n_input && other->n_input)
            swap_names(&node->input[below(node->n_input)], &other->input[below(other->n_input)]);
        break;
    case 1:
        swap_names(&node->op_type, &other->op_type);
        break;
    case 2:
        if (node->n_output && other->n_input)
            swap_names(&node->output[below(node->n_output)], &other->input[below(other->n_input)]);
        break;
    default:
        if (node->n_attribute) change_attr(node->attribute[below(node->n_attribute)]);
    }
}

static void change_input(Onnx__ValueInfoProto *info) {
    bool tensor = info->type && info->type->value_case == ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE;
    if (!tensor) return;
    Onnx__TypeProto__Tensor *type = info->type->tensor_type;
    if (!below(4) || !type->shape || !type->shape->n_dim) {
        type->elem_type = (int32_t)below(18);
        return;
    }
    Onnx__TensorShapeProto__Dimension *dim = type->shape->dim[below(type->shape->n_dim)];
    if (dim->value_case != ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE) return;
    if (below(3))
        dim->dim_value = odd_number();
    else
        dim->value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE__NOT_SET;
}

static void change(Onnx__ModelProto *model) {
    Onnx__GraphProto *graph = model->graph;
    switch (below(8)) {
    case 0:
        if (model->n_opset_import) model->opset_import[0]->version = (int64_t)below(24);
        break;
    case 1:
    case 2:
        if (graph->n_input) change_input(graph->input[below(graph->n_input)]);
        break;
    case 3:
        if (graph->n_initializer) change_tensor(graph->initializer[below(graph->n_initializer)]);
        break;
    default:
        if (graph->n_node) change_node(graph);
    }
}

/* -- one model -- */

static bool is_small(const struct module *m) {
    for (uint32_t i = 1; i < m->values.count; i++)
        if (!type_static(&m->types, m->values.at[i].type, NULL) ||
            type_count(&m->types, m->values.at[i].type) > LARGEST_RUN)
            return false;
    return true;
}

static void interpret(struct module *m) {
    struct diag diag = {0};
    struct tensor *in = xcalloc(m->inputs.count, sizeof *in), *out = xcalloc(m->outputs.count, sizeof *out);
    for (uint32_t i = 0; i < m->inputs.count; i++)
        in[i] = tensor_new_of(&m->types, value_get(m, m->inputs.at[i])->type);
    ran += interp_run(m, in, NULL, out, &diag) == STATUS_OK;
    for (uint32_t i = 0; i < m->inputs.count; i++) tensor_free(&in[i]);
    for (uint32_t i = 0; i < m->outputs.count; i++) tensor_free(&out[i]);
    free(in);
    free(out);
    diag_free(&diag);
}

static void try_bytes(const unsigned char *bytes, size_t size) {
    static const struct import_options options;
    struct diag diag = {0};
    struct module *m = NULL;
    char path[64];
    int file = memfd_create("model", MFD_CLOEXEC);
    if (file < 0 || write(file, bytes, size) != (ssize_t)size) bug("no memory for a file of %zu bytes", size);
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    enum status status = onnx_import(path, &options, &diag, &m);
    close(file);
    if ((status == STATUS_OK) != (diag.errors == 0) || (status == STATUS_OK) != (m != NULL))
        bug("status and diagnostics disagree");
    *(m ? &accepted : &refused) += 1;
    if (m && verify_module(m, true, &diag) != STATUS_OK) {
        diag_print(&diag, stderr);
        bug("what was imported does not verify");
    }
    if (m && is_small(m)) interpret(m);
    module_free(m);
    diag_free(&diag);
}

static void damage_bytes(const struct file_view *view) {
    unsigned char *bytes = xmalloc(view->size);
    memcpy(bytes, view->bytes, view->size);
    for (uint64_t n = 1 + below(4); n--;) bytes[below(view->size)] = (unsigned char)below(256);
    try_bytes(bytes, view->size - (below(4) ? 0 : below(view->size)));
    free(bytes);
}

static void damage_structure(const struct file_view *view) {
    Onnx__ModelProto *model = onnx__model_proto__unpack(NULL, view->size, view->bytes);
    if (!model || !model->graph) bug("a seed is no model");
    for (uint64_t n = 1 + below(3); n--;) change(model);
    size_t size = onnx__model_proto__get_packed_size(model);
    unsigned char *bytes = xmalloc(size);
    onnx__model_proto__pack(model, bytes);
    onnx__model_proto__free_unpacked(model, NULL);
    if (getenv("ADZE_FUZZ_SAVE")) { /* the last one written is the one that crashes */
        struct diag diag = {0};
        if (file_write(getenv("ADZE_FUZZ_SAVE"), bytes, size, &diag) != STATUS_OK) diag_print(&diag, stderr);
        diag_free(&diag);
    }
    try_bytes(bytes, size);
    free(bytes);
}

static void damage_model(const char *path, unsigned runs) {
    struct diag diag = {0};
    struct file_view view;
    if (file_open_view(path, &diag, &view) == STATUS_OK) {
        for (unsigned i = 0; i < runs; i++) (i % 2 ? damage_bytes : damage_structure)(&view);
        file_close_view(&view);
    }
    diag_free(&diag);
}

int main(int argc, char **argv) {
    if (argc != 4) {
        fprintf(stderr, "usage: onnx_models RUNS SEED FOLDER\n");
        return 2;
    }
    struct dirent **entries;
    int count = scandir(argv[3], &entries, NULL, alphasort);
    state = (uint64_t)strtoull(argv[2], NULL, 10) * 2 + 1;
    for (int i = 0; i < count; i++) {
        struct str path = {0};
        str_printf(&path, "%s/%s/model.onnx", argv[3], entries[i]->d_name);
        if (entries[i]->d_name[0] != '.') damage_model(str_text(&path), (unsigned)atoi(argv[1]));
        str_free(&path);
        free(entries[i]);
    }
    if (count >= 0) free(entries);
    printf("%u accepted, of which %u ran, %u refused\n", accepted, ran, refused);
    return accepted == 0;
}
