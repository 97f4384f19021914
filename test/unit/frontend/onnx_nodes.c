/* ONNX's own node tests (Debian: libonnx-testdata), imported and interpreted: none may be wrong, and what is
 * not supported is counted by its reason.
 *
 * Usage: onnx_nodes [--list] [FOLDER [WORD]]: the folder of the tests, and a word that names must contain;
 * the default is the package's. --list prints instead a line for each test: verdict, opset, op, name, reason,
 * between tabs. */
#include "frontend/onnx/import.h"
#include "frontend/onnx/onnx_model.h"
#include "ir/base/file.h"
#include "ir/interp.h"
#include "test/support/unit.h"

#include <dirent.h>
#include <math.h>
#include <stdlib.h>

/* Tests of the package that passed when this was written; fewer are a regression. */
enum { AT_LEAST = 727, MOST_PORTS = 64 };

/* Expected values that were not computed with the precision of their type: with a rounded pi, written with
 * few digits. */
static const struct {
    const char *word;
    double tolerance;
} imprecise[] = {{"averagepool_2d_ceil_last_window", 1e-3}, {"window", 1e-4}, {"gridsample_bicubic", 1e-3}};

/* The package stores bfloat16 data as u16. */
static const char *const data_unlike_model = "BFLOAT16";

enum verdict { PASSED, UNSUPPORTED, NO_TENSORS, WRONG, VERDICTS };
static const char *const verdict_texts[VERDICTS] = {"passed", "unsupported", "no tensors", "wrong"};

struct count {
    const char *what;
    unsigned count;
};

struct run {
    struct arena arena;
    bool list;
    unsigned verdicts[VERDICTS];
    struct map reasons;
    VEC(struct count) reason_counts;
};

struct test {
    const char *name, *folder;
    struct named_tensor in[MOST_PORTS];
    struct tensor want[MOST_PORTS];
    uint32_t in_count, want_count;
    const char *op; /* of a model with one node; else "" */
    int64_t opset;
    const char *why; /* of a failure */
    struct arena *arena;
};

/* -- reading -- */

/* input_0.pb, input_1.pb, …; false if one is no tensor that adze has a type for. */
static bool read_tensors(struct test *t, const char *kind, struct tensor *out, uint32_t *count) {
    for (*count = 0; *count < MOST_PORTS; (*count)++) {
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

static void read_op(struct test *t, const Onnx__ModelProto *model) {
    const Onnx__GraphProto *graph = model->graph;
    if (graph->n_node == 1) t->op = arena_strdup(t->arena, onnx_text(graph->node[0]->op_type));
    for (size_t i = 0; i < model->n_opset_import; i++)
        if (!*onnx_text(model->opset_import[i]->domain)) t->opset = model->opset_import[i]->version;
}

/* The names of the model's inputs, for shapes and bindings, and what it tests. */
static bool read_names(struct test *t, const char *model) {
    struct diag diag = {0};
    struct onnx_model *onnx;
    bool good = onnx_model_load(model, &diag, &onnx) == STATUS_OK;
    if (good) read_op(t, onnx->proto);
    good = good && onnx->proto->graph->n_input == t->in_count;
    for (uint32_t i = 0; good && i < t->in_count; i++)
        t->in[i].name = arena_strdup(t->arena, onnx_text(onnx->proto->graph->input[i]->name));
    onnx_model_free(onnx);
    diag_free(&diag);
    return good;
}

/* -- running -- */

/* Largest error over the largest value. Narrow floats were rounded at other places by those who made the
 * data. */
static double tolerance(const struct test *t, enum elem elem) {
    for (size_t i = 0; i < COUNT_OF(imprecise); i++)
        if (elem_is_float(elem) && strstr(t->name, imprecise[i].word)) return imprecise[i].tolerance;
    return elem == ELEM_f16 ? 1e-3 : elem == ELEM_bf16 ? 1e-2 : elem_is_float(elem) ? 1e-6 : 0;
}

static bool close_enough(const struct test *t, const struct tensor *got, const struct tensor *want,
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

static enum verdict compare(struct test *t, const struct module *m, struct diag *diag) {
    struct tensor in[MOST_PORTS] = {0}, got[MOST_PORTS] = {0};
    struct interp_options options = {0};
    struct str why = {0};
    bool good = m->outputs.count == t->want_count;
    if (!good) str_add(&why, "another number of outputs");
    for (uint32_t i = 0; i < m->inputs.count; i++)
        for (uint32_t k = 0; k < t->in_count; k++)
            if (!strcmp(t->in[k].name, value_get(m, m->inputs.at[i])->name)) in[i] = t->in[k].tensor;
    if (good && interp_run(m, in, &options, got, diag) != STATUS_OK) {
        str_add(&why, diag->list.at[0].text);
        good = false;
    }
    for (uint32_t i = 0; good && i < t->want_count; i++) good = close_enough(t, &got[i], &t->want[i], &why);
    for (uint32_t i = 0; i < MOST_PORTS; i++) tensor_free(&got[i]);
    t->why = arena_strdup(t->arena, str_text(&why));
    str_free(&why);
    return good ? PASSED : WRONG;
}

/* Imports with the inputs from `bound` on as constants. */
static enum verdict attempt(struct test *t, const char *model, uint32_t bound) {
    struct import_shape shapes[MOST_PORTS] = {0};
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
    enum verdict verdict = WRONG;
    if (onnx_import(model, &options, &diag, &m) == STATUS_OK) {
        verdict = compare(t, m, &diag);
    } else {
        t->why = arena_strdup(t->arena, diag.list.at[0].text);
        bool no_tensor =
            strstr(t->why, "is no tensor") || strstr(t->why, "element type") || strstr(t->why, "no opset");
        verdict = strstr(t->why, "not supported") ? UNSUPPORTED : no_tensor ? NO_TENSORS : WRONG;
    }
    module_free(m);
    diag_free(&diag);
    return verdict;
}

/* Some tests feed as inputs what a compiler wants to know: axes, shapes, scales. */
static enum verdict run_test(struct test *t) {
    const char *model = arena_printf(t->arena, "%s/model.onnx", t->folder);
    struct tensor in[MOST_PORTS] = {0};
    bool good = read_tensors(t, "input", in, &t->in_count);
    for (uint32_t i = 0; i < MOST_PORTS; i++) t->in[i].tensor = in[i];
    good = read_names(t, model) && good;
    if (!good || !read_tensors(t, "output", t->want, &t->want_count)) return NO_TENSORS;
    enum verdict verdict = attempt(t, model, MOST_PORTS);
    for (uint32_t bound = 2; verdict == UNSUPPORTED && bound-- > 0;) {
        const char *why = t->why;
        bool wants_constants =
            strstr(why, "not a constant") || strstr(why, "on data") || strstr(why, "not constants");
        if (!wants_constants) break;
        verdict = attempt(t, model, bound);
    }
    return verdict;
}

/* -- reporting -- */

/* The lines of the one diagnostic, without the nodes. */
static void count_reasons(struct run *run, const char *text) {
    for (const char *line = strchr(text, '\n'); line; line = strchr(line, '\n')) {
        line += strspn(line, "\n ");
        const char *colon = strstr(line, ": ");
        size_t length = colon ? (size_t)(colon - line) : strlen(line);
        bool is_new;
        uint32_t *index = map_put(&run->reasons, line, length, &is_new);
        if (is_new) {
            *index = run->reason_counts.count;
            vec_push(&run->reason_counts)->what = arena_strndup(&run->arena, line, length);
        }
        run->reason_counts.at[*index].count++;
    }
}

static int by_count(const void *a, const void *b) {
    const struct count *x = a, *y = b;
    return x->count != y->count ? (x->count < y->count) - (x->count > y->count) : strcmp(x->what, y->what);
}

static void report(struct run *run) {
    qsort(run->reason_counts.at, run->reason_counts.count, sizeof *run->reason_counts.at, by_count);
    for (uint32_t i = 0; i < run->reason_counts.count; i++)
        printf("%5u  %s\n", run->reason_counts.at[i].count, run->reason_counts.at[i].what);
    printf("passed %u, not supported %u, no tensors %u, wrong %u\n", run->verdicts[PASSED],
           run->verdicts[UNSUPPORTED], run->verdicts[NO_TENSORS], run->verdicts[WRONG]);
}

/* The reason on one line. */
static void print_row(const struct test *t, enum verdict verdict) {
    printf("%s\t%lld\t%s\t%s\t", verdict_texts[verdict], (long long)t->opset, t->op, t->name);
    for (const char *c = verdict == PASSED ? "" : t->why; *c; c++)
        putchar(*c == '\n' || *c == '\t' ? ' ' : *c);
    putchar('\n');
}

static void visit(struct run *run, const char *root, const char *name) {
    struct test *t = xcalloc(1, sizeof *t);
    t->arena = &run->arena;
    t->name = name;
    t->folder = arena_printf(&run->arena, "%s/%s", root, name);
    t->op = t->why = "";
    enum verdict verdict = run_test(t);
    run->verdicts[verdict]++;
    if (run->list) print_row(t, verdict);
    if (verdict == WRONG) fprintf(stderr, "%s: %s\n", name, t->why);
    if (verdict == UNSUPPORTED) count_reasons(run, t->why);
    for (uint32_t i = 0; i < MOST_PORTS; i++) {
        tensor_free(&t->in[i].tensor);
        tensor_free(&t->want[i]);
    }
    free(t);
}

int main(int argc, char **argv) {
    struct run run = {.list = argc > 1 && !strcmp(argv[1], "--list")};
    argc -= run.list, argv += run.list;
    const char *root = argc > 1 ? argv[1] : "/usr/share/libonnx-testdata/data/node";
    struct dirent **entries;
    int count = scandir(root, &entries, NULL, alphasort);
    if (count < 0) {
        fprintf(stderr, "no tests in %s\n", root);
        return 1;
    }
    for (int i = 0; i < count; i++) {
        bool wanted = entries[i]->d_name[0] != '.' && (argc < 3 || strstr(entries[i]->d_name, argv[2])) &&
                      !strstr(entries[i]->d_name, data_unlike_model);
        if (wanted) visit(&run, root, entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
    if (!run.list) report(&run);
    CHECK(run.verdicts[WRONG] == 0);
    CHECK(argc > 1 || run.verdicts[PASSED] >= AT_LEAST);
    map_free(&run.reasons);
    vec_free(&run.reason_counts);
    arena_free(&run.arena);
    return unit_status();
}
