#include "test/support/node_test.h"

#include "frontend/onnx/onnx_model.h"
#include "ir/base/file.h"
#include "ir/interp.h"

#include <dirent.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Expected values that were not computed with the precision of their type: with a rounded pi, written with
 * few digits. */
static const struct {
    const char *word;
    double tolerance;
} imprecise[] = {{"averagepool_2d_ceil_last_window", 1e-3},
                 {"window", 1e-4},
                 {"gridsample_bicubic", 1e-3},
                 {"roialign_aligned", 1e-4}};

/* The package stores bfloat16 data as u16. */
static const char *const data_unlike_model = "BFLOAT16";

/* -- reading -- */

/* input_0.pb, input_1.pb, …; false if one is no tensor that adze has a type for. */
static bool read_tensors(struct node_test *t, const char *kind, struct tensor *out, uint32_t *count) {
    for (*count = 0; *count < NODE_TEST_PORTS; (*count)++) {
        struct diag diag = {0};
        struct file_view view;
        struct onnx_model no_model = {0};
        const char *path = arena_printf(t->arena, "%s/test_data_set_0/%s_%u.pb", t->folder, kind, *count);
        if (file_open_view(path, &diag, &view) != STATUS_OK) {
            diag_free(&diag);
            return true;
        }
        Onnx__TensorProto *proto = onnx__tensor_proto__unpack(NULL, view.size, view.bytes);
        struct tensor tensor = {0};
        bool good = proto && onnx_tensor_read(&no_model, proto, "tensor", &diag, &tensor) == STATUS_OK;
        if (good) out[*count] = tensor_copy(&tensor);
        tensor_free(&tensor);
        if (proto) onnx__tensor_proto__free_unpacked(proto, NULL);
        file_close_view(&view);
        diag_free(&diag);
        if (!good) return false;
    }
    return true;
}

static void read_op(struct node_test *t, const Onnx__ModelProto *model) {
    const Onnx__GraphProto *graph = model->graph;
    if (graph->n_node == 1) t->op = arena_strdup(t->arena, onnx_text(graph->node[0]->op_type));
    for (size_t i = 0; i < model->n_opset_import; i++)
        if (!*onnx_text(model->opset_import[i]->domain)) t->opset = model->opset_import[i]->version;
}

static bool is_initializer(const Onnx__GraphProto *graph, const char *name) {
    for (size_t i = 0; i < graph->n_initializer; i++)
        if (!strcmp(onnx_text(graph->initializer[i]->name), name)) return true;
    return false;
}

/* The names of the model's inputs, for shapes and bindings, and what it tests. */
static bool read_names(struct node_test *t, const char *model) {
    struct diag diag = {0};
    struct onnx_model *onnx;
    uint32_t count = 0;
    bool good = onnx_model_load(model, &diag, &onnx) == STATUS_OK;
    if (good) read_op(t, onnx->proto);
    for (size_t i = 0; good && i < onnx->proto->graph->n_input; i++) {
        const char *name = onnx_text(onnx->proto->graph->input[i]->name);
        if (is_initializer(onnx->proto->graph, name)) continue; /* old formats list them */
        if (count < t->in_count) t->in[count].name = arena_strdup(t->arena, name);
        count++;
    }
    onnx_model_free(onnx);
    diag_free(&diag);
    return good && count == t->in_count;
}

/* -- running -- */

/* Largest error over the largest value. Narrow floats were rounded at other places by those who made the
 * data. */
static double tolerance(const struct node_test *t, enum elem elem) {
    for (size_t i = 0; i < COUNT_OF(imprecise); i++)
        if (elem_is_float(elem) && strstr(t->name, imprecise[i].word)) return imprecise[i].tolerance;
    return elem == ELEM_f16 ? 1e-3 : elem == ELEM_bf16 ? 1e-2 : elem_is_float(elem) ? 1e-6 : 0;
}

static bool close_enough(const struct node_test *t, const struct tensor *got, const struct tensor *want,
                         struct str *why) {
    bool same = got->elem == want->elem && got->rank == want->rank &&
                (!got->rank || !memcmp(got->dim, want->dim, got->rank * sizeof *got->dim));
    double largest = 0;
    if (!same) str_add(why, "another type or shape");
    for (int64_t i = 0; same && i < tensor_count(want); i++) {
        double w = fabs(tensor_get_f64(want, i));
        if (isfinite(w)) largest = fmax(largest, w);
    }
    for (int64_t i = 0; same && i < tensor_count(want); i++) {
        double g = tensor_get_f64(got, i), w = tensor_get_f64(want, i);
        bool exact = !elem_is_float(want->elem) ? tensor_get_i64(got, i) == tensor_get_i64(want, i)
                                                : g == w || (isnan(g) && isnan(w));
        if (exact || fabs(g - w) <= tolerance(t, want->elem) * largest) continue;
        str_printf(why, "element %lld is %g, expected %g", (long long)i, g, w);
        same = false;
    }
    return same;
}

void node_test_feed(const struct node_test *t, const struct module *m, struct tensor *in) {
    for (uint32_t i = 0; i < m->inputs.count; i++)
        for (uint32_t k = 0; k < t->in_count; k++)
            if (!strcmp(t->in[k].name, value_get(m, m->inputs.at[i])->name)) in[i] = t->in[k].tensor;
}

static enum node_verdict compare(struct node_test *t, const struct module *m, struct diag *diag) {
    struct tensor in[NODE_TEST_PORTS] = {0}, got[NODE_TEST_PORTS] = {0};
    struct interp_options options = {0};
    struct str why = {0};
    bool good = m->outputs.count == t->want_count;
    if (!good) str_add(&why, "another number of outputs");
    node_test_feed(t, m, in);
    if (good && interp_run(m, in, &options, got, diag) != STATUS_OK) {
        str_add(&why, diag->list.at[0].text);
        good = false;
    }
    for (uint32_t i = 0; good && i < t->want_count; i++) good = close_enough(t, &got[i], &t->want[i], &why);
    for (uint32_t i = 0; i < NODE_TEST_PORTS; i++) tensor_free(&got[i]);
    t->why = arena_strdup(t->arena, str_text(&why));
    str_free(&why);
    return good ? NODE_PASSED : NODE_WRONG;
}

/* Imports with the inputs from `bound` on as constants. */
static enum node_verdict attempt(struct node_test *t, const char *model, uint32_t bound) {
    struct import_shape shapes[NODE_TEST_PORTS] = {0};
    struct diag diag = {0};
    struct module *m;
    for (uint32_t i = 0; i < bound && i < t->in_count; i++) {
        shapes[i] = (struct import_shape){.name = t->in[i].name, .rank = t->in[i].tensor.rank};
        memcpy(shapes[i].dim, t->in[i].tensor.dim, sizeof shapes[i].dim);
    }
    uint32_t free_count = bound < t->in_count ? bound : t->in_count;
    struct import_options options = {.shapes = shapes,
                                     .shape_count = free_count,
                                     .binds = t->in + free_count,
                                     .bind_count = t->in_count - free_count};
    enum node_verdict verdict = NODE_WRONG;
    if (onnx_import(model, &options, &diag, &m) == STATUS_OK) {
        verdict = compare(t, m, &diag);
    } else {
        t->why = arena_strdup(t->arena, diag.list.at[0].text);
        bool no_tensor =
            strstr(t->why, "is no tensor") || strstr(t->why, "element type") || strstr(t->why, "no opset");
        verdict = strstr(t->why, "not supported") ? NODE_UNSUPPORTED
                  : no_tensor                     ? NODE_NO_TENSORS
                                                  : NODE_WRONG;
    }
    if (verdict == NODE_PASSED)
        t->m = m;
    else
        module_free(m);
    diag_free(&diag);
    return verdict;
}

/* Some tests feed as inputs what a compiler wants to know: axes, shapes, scales. */
enum node_verdict node_test_run(struct node_test *t, const char *root, const char *name,
                                struct arena *arena) {
    *t = (struct node_test){.name = name, .arena = arena, .op = "", .why = ""};
    t->folder = arena_printf(arena, "%s/%s", root, name);
    const char *model = arena_printf(arena, "%s/model.onnx", t->folder);
    struct tensor in[NODE_TEST_PORTS] = {0};
    bool good = read_tensors(t, "input", in, &t->in_count);
    for (uint32_t i = 0; i < NODE_TEST_PORTS; i++) t->in[i].tensor = in[i];
    good = read_names(t, model) && good;
    if (!good || !read_tensors(t, "output", t->want, &t->want_count)) return NODE_NO_TENSORS;
    enum node_verdict verdict = attempt(t, model, NODE_TEST_PORTS);
    for (uint32_t bound = 2; verdict == NODE_UNSUPPORTED && bound-- > 0;) {
        bool wants_constants =
            strstr(t->why, "not a constant") || strstr(t->why, "on data") || strstr(t->why, "not constants");
        if (!wants_constants) break;
        verdict = attempt(t, model, bound);
    }
    return verdict;
}

void node_test_free(struct node_test *t) {
    for (uint32_t i = 0; i < NODE_TEST_PORTS; i++) {
        tensor_free(&t->in[i].tensor);
        tensor_free(&t->want[i]);
    }
    module_free(t->m);
}

bool node_tests_visit(const char *root, const char *word,
                      void (*visit)(void *ctx, const char *root, const char *name), void *ctx) {
    struct dirent **entries;
    int count = scandir(root, &entries, NULL, alphasort);
    if (count < 0) {
        fprintf(stderr, "no tests in %s\n", root);
        return false;
    }
    for (int i = 0; i < count; i++) {
        const char *name = entries[i]->d_name;
        if (*name != '.' && (!word || strstr(name, word)) && !strstr(name, data_unlike_model))
            visit(ctx, root, name);
        free(entries[i]);
    }
    free(entries);
    return true;
}
