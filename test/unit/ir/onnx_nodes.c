/* The interpreter against ONNX's own node tests: every one that the importer takes has to give ONNX's
 * results. Where an operand has to be constant, because what it says is an attribute here, all but the first
 * input are. */
#include "frontend/onnx/import.h"
#include "frontend/onnx/onnx_model.h"
#include "ir/interp.h"
#include "test/support/unit.h"

#include <dirent.h>
#include <math.h>
#include <stdlib.h>

#define NODES "/usr/share/libonnx-testdata/data/node"

/* Names that contain one of these: what adze cannot mean, or data that is not what the model says. */
static const char *const left_out[] = {
    "BFLOAT16",      /* stored as u16 */
    "training_mode", /* updates statistics */
};
/* Fewer means that the importer takes less, or that the data or our reading of it is broken. */
enum { EXPECTED_AT_LEAST = 620 };

static bool is_ours(const char *name) {
    for (size_t i = 0; i < COUNT_OF(left_out); i++)
        if (strstr(name, left_out[i])) return false;
    return !strncmp(name, "test_", 5);
}

static enum status read_pb(const char *path, struct diag *diag, struct tensor *out) {
    struct file_view view;
    struct onnx_model nobody = {.folder = NULL};
    TRY(file_open_view(path, diag, &view));
    Onnx__TensorProto *proto = onnx__tensor_proto__unpack(NULL, view.size, view.bytes);
    enum status status = STATUS_FAILED;
    struct tensor read;
    if (proto && onnx_tensor_read(&nobody, proto, path, diag, &read) == STATUS_OK) {
        *out = tensor_copy(&read);
        tensor_free(&read);
        status = STATUS_OK;
    }
    if (proto) onnx__tensor_proto__free_unpacked(proto, NULL);
    file_close_view(&view);
    return status;
}

/* The largest difference over the largest value; integers have to be the same. */
static bool agree(const struct tensor *have, const struct tensor *want) {
    if (have->elem != want->elem || have->rank != want->rank) return false;
    if (want->rank && memcmp(have->dim, want->dim, want->rank * sizeof *want->dim)) return false;
    if (!elem_is_float(want->elem)) return tensor_equal(have, want);
    double most = 0, worst = 0;
    for (int64_t i = 0; i < tensor_count(want); i++) {
        double a = tensor_get_f64(have, i), b = tensor_get_f64(want, i);
        if (isnan(a) != isnan(b)) return false;
        if (isnan(b) || a == b) continue;
        worst = fmax(worst, fabs(a - b));
        most = fmax(most, fabs(b));
    }
    return worst <= 1e-6 * most;
}

enum { MOST = 16 };
struct node_test {
    const char *name;
    char path[512];
    struct tensor in[MOST], want[MOST];
    struct named_tensor binds[MOST];
    uint32_t inputs, outputs;
    double axis, epsilon;
    struct diag diag;
};

static double attribute(const Onnx__NodeProto *node, const char *name, double otherwise) {
    for (size_t i = 0; i < node->n_attribute; i++) {
        const Onnx__AttributeProto *a = node->attribute[i];
        if (strcmp(a->name, name)) continue;
        return a->type == ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT ? (double)a->f : (double)a->i;
    }
    return otherwise;
}

/* False if the test is about something else than tensors: sequences, optionals, strings. */
static bool load(struct node_test *t) {
    struct onnx_model *model = NULL;
    char path[600];
    snprintf(t->path, sizeof t->path, NODES "/%s/model.onnx", t->name);
    if (onnx_model_load(t->path, &t->diag, &model) != STATUS_OK) return false;
    const Onnx__GraphProto *graph = model->proto->graph;
    bool good = graph->n_node && graph->n_input <= MOST && graph->n_output <= MOST;
    for (size_t i = 0; good && i < graph->n_input; i++) {
        snprintf(path, sizeof path, NODES "/%s/test_data_set_0/input_%zu.pb", t->name, i);
        good = read_pb(path, &t->diag, &t->in[i]) == STATUS_OK;
        t->binds[i] = (struct named_tensor){strdup(graph->input[i]->name), t->in[i]};
        t->inputs++;
    }
    for (size_t i = 0; good && i < graph->n_output; i++) {
        snprintf(path, sizeof path, NODES "/%s/test_data_set_0/output_%zu.pb", t->name, i);
        good = read_pb(path, &t->diag, &t->want[i]) == STATUS_OK;
        t->outputs++;
    }
    if (good) {
        t->axis = attribute(graph->node[0], "axis", -1);
        t->epsilon = attribute(graph->node[0], "epsilon", 1e-5);
    }
    onnx_model_free(model);
    return good;
}

/* The tests of LayerNormalization have outputs that only training needs; the first one is ours. */
static bool run_layernorm(struct node_test *t) {
    struct module *m = module_new("layernorm");
    struct builder b = builder_at_end(m, m->root, &t->diag);
    struct attr attrs[] = {attr_int(ATTR_axis, (int64_t)t->axis), attr_float(ATTR_epsilon, t->epsilon)};
    struct tensor out = {0};
    value_id x[3];
    for (uint32_t i = 0; i < 3; i++)
        x[i] = module_add_input(
            m, NULL, type_make(t->in[i].elem, dims_from_ints(&m->types, t->in[i].dim, t->in[i].rank)),
            (struct loc){0});
    value_id y = build(&b, OP_layernorm, x, 3, attrs, 2, NULL);
    bool good = !value_none(y);
    if (good) module_add_output(m, "y", y);
    good = good && interp_run(m, t->in, NULL, &out, &t->diag) == STATUS_OK && agree(&out, &t->want[0]);
    tensor_free(&out);
    module_free(m);
    return good;
}

/* The model, with all inputs as inputs or with all but the first one bound; NULL if it is refused. */
static struct module *import(struct node_test *t, bool bound) {
    struct import_options options = {0};
    struct module *m = NULL;
    if (bound && t->inputs)
        options = (struct import_options){.binds = t->binds + 1, .bind_count = t->inputs - 1};
    return onnx_import(t->path, &options, &t->diag, &m) == STATUS_OK ? m : NULL;
}

static bool agrees(struct node_test *t, struct module *m) {
    struct tensor out[MOST] = {{0}};
    bool good = m->outputs.count == t->outputs && interp_run(m, t->in, NULL, out, &t->diag) == STATUS_OK;
    for (uint32_t i = 0; good && i < t->outputs; i++) good = agree(&out[i], &t->want[i]);
    for (uint32_t i = 0; i < MOST; i++) tensor_free(&out[i]);
    return good;
}

enum verdict { REFUSED, AGREES, DIFFERS };

static enum verdict run(struct node_test *t) {
    if (!load(t)) return REFUSED;
    if (!strncmp(t->name, "test_layer_norm", 15) && !strstr(t->name, "expanded"))
        return run_layernorm(t) ? AGREES : DIFFERS;
    struct module *m = import(t, false);
    if (!m) m = import(t, true);
    if (!m) return REFUSED;
    vec_clear(&t->diag.list);
    bool good = agrees(t, m);
    module_free(m);
    return good ? AGREES : DIFFERS;
}

static enum verdict check_node(const char *name) {
    struct node_test t = {.name = name};
    enum verdict verdict = run(&t);
    if (verdict == DIFFERS) {
        fprintf(stderr, "%s differs or fails\n", name);
        diag_print(&t.diag, stderr);
        unit_failures++;
    }
    for (uint32_t i = 0; i < MOST; i++) {
        tensor_free(&t.in[i]);
        tensor_free(&t.want[i]);
        free((char *)t.binds[i].name);
    }
    diag_free(&t.diag);
    return verdict;
}

int main(void) {
    struct dirent **entry;
    int count = scandir(NODES, &entry, NULL, alphasort), done = 0;
    for (int i = 0; i < count; i++) {
        if (is_ours(entry[i]->d_name)) done += check_node(entry[i]->d_name) == AGREES;
        free(entry[i]);
    }
    if (count > 0) free(entry);
    if (!CHECK(done >= EXPECTED_AT_LEAST)) fprintf(stderr, "only %d tests agree\n", done);
    return unit_status();
}
