/* adze eval: how good a model is on labelled data, and how near to the model that it was made from. */
#include "frontend/cli/eval.h"

#include "frontend/cli/load.h"
#include "frontend/tensorfile/json.h"
#include "frontend/tensorfile/npz.h"

#include <math.h>
#include <string.h>

struct eval_job {
    struct invocation *inv;
    const char *data_path;
    struct runner model, original; /* original.m is NULL without --against */
    struct data_file *data;
    const struct sample_source *samples;
    struct answers answers;
    uint32_t output, count;
    struct scores scores, original_scores;
    bool retrieval;
};

/* -- labels -- */
static enum status bad_labels(struct eval_job *j, const char *name, const struct tensor *t,
                              const char *expected) {
    struct str shape = {0};
    for (uint32_t d = 0; d < t->rank; d++) str_printf(&shape, "%s%lld", d ? ", " : "", (long long)t->dim[d]);
    diag_error(&j->inv->diag, (struct loc){.file = diag_add_source(&j->inv->diag, j->data_path, NULL, 0)},
               "array %s is %s[%s], expected %s", name, elem_name(t->elem), str_text(&shape), expected);
    str_free(&shape);
    return STATUS_FAILED;
}

static enum status read_array(struct eval_job *j, struct npz *npz, const char *name, struct tensor *out) {
    uint32_t entry;
    if (!npz_find(npz, name, &entry)) return STATUS_OK;
    TRY(npz_read(npz, entry, &j->inv->diag, out));
    if (out->rank && out->dim[0] == j->samples->count) return STATUS_OK;
    return bad_labels(j, name, out,
                      arena_printf(&j->inv->arena, "a row for each sample, which are %u", j->samples->count));
}

static bool is_index(const struct tensor *t) {
    return t->elem == ELEM_i64 || t->elem == ELEM_i32;
}

static enum status check_query(struct eval_job *j) {
    const struct tensor *q = &j->answers.query;
    for (int64_t i = 0; q->rank && i < q->dim[0]; i++) {
        int64_t d = tensor_get_i64(q, i);
        if (d >= j->samples->count || (d >= 0 && tensor_get_i64(q, d) >= 0))
            return bad_labels(j, "query", q, "rows of documents (-1 themselves), or -1");
    }
    return STATUS_OK;
}

static enum status check_target(struct eval_job *j) {
    const struct tensor *t = &j->answers.target;
    if (!t->rank) return STATUS_OK;
    if (!elem_is_float(t->elem)) return bad_labels(j, "target", t, "floats");
    for (int64_t i = 0, n = tensor_count(t); i < n; i++)
        if (!isfinite(tensor_get_f64(t, i))) return bad_labels(j, "target", t, "finite numbers");
    return STATUS_OK;
}

static enum status read_labels(struct eval_job *j) {
    struct npz *npz;
    struct answers *a = &j->answers;
    if (!has_suffix(j->data_path, ".npz")) return STATUS_OK;
    TRY(npz_open(j->data_path, &j->inv->diag, &npz));
    enum status status = read_array(j, npz, "label", &a->label);
    if (status == STATUS_OK) status = read_array(j, npz, "target", &a->target);
    if (status == STATUS_OK) status = read_array(j, npz, "query", &a->query);
    npz_close(npz);
    TRY(status);
    if (a->label.rank && (!is_index(&a->label) || a->label.rank > 2))
        return bad_labels(j, "label", &a->label, "i64 or i32, [samples] or [samples, length]");
    if (a->query.rank && (!is_index(&a->query) || a->query.rank != 1))
        return bad_labels(j, "query", &a->query, "i64 or i32, [samples]");
    TRY(check_target(j));
    return check_query(j);
}

static enum exit_code read_strip(struct eval_job *j) {
    const char *text = option_text(j->inv, "strip", "");
    while (*text) {
        char *end;
        long symbol = strtol(text, &end, 10);
        if (end == text || (*end && *end != ','))
            return usage_error(j->inv, "--strip: expected numbers with commas between them, found '%s'",
                               text);
        *vec_push(&j->answers.strip) = symbol;
        text = *end ? end + 1 : end;
    }
    return EXIT_OK;
}

/* -- running -- */
static enum exit_code find_output(struct eval_job *j) {
    const char *name = option_text(j->inv, "output-name", NULL);
    const struct module *m = j->model.m;
    for (uint32_t i = 0; name && i < m->outputs.count; i++)
        if (!strcmp(m->outputs.at[i].name, name)) {
            j->output = i;
            return EXIT_OK;
        }
    if (!name || !m->outputs.count) return EXIT_OK;
    return usage_error(j->inv, "--output-name: the model has no output %s", name);
}

/* Both models are given the same tensors, in the order of their inputs. */
static enum status check_ports(struct eval_job *j) {
    const struct module *m = j->model.m, *o = j->original.m;
    if (!o) return STATUS_OK;
    bool same = m->inputs.count == o->inputs.count && m->outputs.count == o->outputs.count;
    for (uint32_t i = 0; same && i < m->inputs.count; i++)
        same = !strcmp(value_get(m, m->inputs.at[i])->name, value_get(o, o->inputs.at[i])->name);
    if (same) return STATUS_OK;
    return diag_error(&j->inv->diag, (struct loc){0}, "%s and %s have other inputs or outputs", j->model.path,
                      j->original.path);
}

static void free_tensors(struct tensor *t, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) tensor_free(&t[i]);
}

static enum status check_numbers(struct eval_job *j, const char *path, const struct tensor *y) {
    for (int64_t i = 0, n = tensor_count(y); elem_is_float(y->elem) && i < n; i++)
        if (isnan(tensor_get_f64(y, i)))
            return diag_error(&j->inv->diag, (struct loc){0}, "%s: the output of sample %u has NaN at %lld",
                              path, j->count, (long long)i);
    return STATUS_OK;
}

/* A class is one of the output's numbers, a symbol one of its last dimension's; -1 pads sequences. */
static enum status check_label(struct eval_job *j, const struct tensor *y) {
    const struct tensor *t = &j->answers.label;
    if (!t->rank) return STATUS_OK;
    bool sequence = t->rank == 2;
    int64_t length = sequence ? t->dim[1] : 1,
            classes = sequence && y->rank ? y->dim[y->rank - 1] : tensor_count(y);
    for (int64_t k = 0; k < length; k++) {
        int64_t symbol = tensor_get_i64(t, j->count * length + k);
        if (symbol < (sequence ? -1 : 0) || symbol >= classes)
            return diag_error(&j->inv->diag, (struct loc){0},
                              "%s: the label of sample %u has %lld, expected 0 to %lld as the output has%s",
                              j->data_path, j->count, (long long)symbol, (long long)classes - 1,
                              sequence ? ", or -1" : "");
    }
    return STATUS_OK;
}

static enum status check_output(struct eval_job *j, const struct tensor *y, const struct tensor *original) {
    TRY(check_numbers(j, j->model.path, y));
    if (original) TRY(check_numbers(j, j->original.path, original));
    TRY(check_label(j, y));
    if (original && tensor_count(original) != tensor_count(y))
        return diag_error(&j->inv->diag, (struct loc){0},
                          "the output has %lld numbers, that of %s has %lld: they cannot be compared",
                          (long long)tensor_count(y), j->original.path, (long long)tensor_count(original));
    const struct tensor *target = &j->answers.target;
    if (target->rank && tensor_count(target) / max_i64(target->dim[0], 1) != tensor_count(y))
        return bad_labels(j, "target", target, "as many numbers for a sample as the output has");
    return STATUS_OK;
}

static enum exit_code run_sample(struct eval_job *j, const struct tensor *in) {
    const struct module *m = j->model.m, *o = j->original.m;
    struct tensor *y = xcalloc(m->outputs.count + 1, sizeof *y);
    struct tensor *x = xcalloc((o ? o->outputs.count : 0) + 1, sizeof *x);
    enum exit_code code = EXIT_OK;
    if (!j->count) code = runner_start(&j->model, in);
    if (!j->count && o && !code) code = runner_start(&j->original, in);
    if (!code) code = runner_run(&j->model, in, y);
    if (o && !code) code = runner_run(&j->original, in, x);
    if (!code) {
        const struct tensor *original = o ? &x[j->output] : NULL;
        if (check_output(j, &y[j->output], original) != STATUS_OK) code = EXIT_INPUT;
        if (!code) score_sample(&j->answers, j->count, &y[j->output], original, &j->scores);
        if (!code && o) score_sample(&j->answers, j->count, original, NULL, &j->original_scores);
    }
    free_tensors(y, m->outputs.count);
    if (o) free_tensors(x, o->outputs.count);
    free(y);
    free(x);
    return code;
}

static enum exit_code run_samples(struct eval_job *j, uint32_t most) {
    struct progress_bar bar = {0};
    uint32_t total = j->samples->count < most ? j->samples->count : most, inputs = j->model.m->inputs.count;
    struct tensor *in = xcalloc(inputs + 1, sizeof *in);
    enum exit_code code = EXIT_OK;
    for (; j->count < total && !code; j->count++) {
        if (j->samples->read(j->samples->ctx, j->count, in, &j->inv->diag) != STATUS_OK) code = EXIT_INPUT;
        if (!code) code = run_sample(j, in);
        free_tensors(in, inputs);
        progress_report(&bar, "evaluating", j->count + 1, total);
    }
    free(in);
    if (code || !j->answers.query.rank) return code;
    if (j->count < j->answers.query.dim[0])
        return usage_error(j->inv, "--samples: retrieval needs all %lld of them",
                           (long long)j->answers.query.dim[0]);
    score_retrieval(&j->answers, &j->scores);
    if (j->original.m) score_retrieval(&j->answers, &j->original_scores);
    return code;
}

/* -- printing -- */
static enum exit_code read_metrics(const struct eval_job *j) {
    const char *at = option_text(j->inv, "metric", NULL);
    while (at) {
        size_t length = strcspn(at, ",");
        bool known = false;
        for (enum metric k = 0; k < METRIC_COUNT; k++) {
            const char *name = metric_info(k)->name;
            known = known || (strlen(name) == length && !strncmp(at, name, length));
        }
        if (!known) return usage_error(j->inv, "--metric: there is no score %.*s", (int)length, at);
        at = at[length] ? at + length + 1 : NULL;
    }
    return EXIT_OK;
}

static bool is_wanted(const struct eval_job *j, enum metric metric) {
    const char *list = option_text(j->inv, "metric", NULL), *name = metric_info(metric)->name;
    size_t length = strlen(name);
    if (!j->scores.of[metric].count) return false;
    for (const char *at = list; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL)
        if (!strncmp(at, name, length) && (!at[length] || at[length] == ',')) return true;
    return !list;
}

static void print_interval(struct str *out, const char *name, struct interval i) {
    str_printf(out, "\"%s\": {\"mean\": %.9g, \"lo\": %.9g, \"hi\": %.9g}", name,
               fmin(fmax(i.mean, -1e308), 1e308), isfinite(i.lo) ? i.lo : -1e308,
               isfinite(i.hi) ? i.hi : 1e308);
}

static void print_json(const struct eval_job *j, const struct layer_noise *layers, uint32_t count) {
    struct str out = {0};
    str_add(&out, "{\"model\": ");
    json_add_string(&out, j->model.path);
    if (j->original.m) {
        str_add(&out, ", \"original\": ");
        json_add_string(&out, j->original.path);
    }
    str_printf(&out, ", \"samples\": %u, \"metrics\": {", j->count);
    const char *comma = "";
    for (enum metric k = 0; k < METRIC_COUNT; k++) {
        const struct metric_info *info = metric_info(k);
        if (!is_wanted(j, k)) continue;
        uint32_t n = j->scores.of[k].count;
        str_printf(&out, "%s\n  \"%s\": {\"count\": %u, ", comma, info->name, n);
        print_interval(&out, "score", score_interval(j->scores.of[k].at, n, info->proportion));
        if (j->original_scores.of[k].count == n) {
            const double *o = j->original_scores.of[k].at;
            str_add(&out, ", ");
            print_interval(&out, "original", score_interval(o, n, info->proportion));
            str_add(&out, ", ");
            print_interval(&out, "change", paired_interval(j->scores.of[k].at, o, n));
        }
        str_add(&out, "}");
        comma = ",";
    }
    str_add(&out, "}");
    for (uint32_t i = 0; i < count; i++) {
        str_printf(&out, "%s\n  {\"name\": ", i ? "," : ", \"layers\": [");
        json_add_string(&out, layers[i].name);
        str_printf(&out, ", \"op\": \"%s\", \"snr_db\": %.4g}", layers[i].op,
                   layers[i].noise > 0 ? fmax(10 * log10(layers[i].signal / layers[i].noise), -999) : 999);
    }
    str_add(&out, count ? "]}\n" : "}\n");
    fputs(str_text(&out), stdout);
    str_free(&out);
}

static void print_text(const struct eval_job *j, const struct layer_noise *layers, uint32_t count) {
    printf("%s: %u samples\n", j->model.path, j->count);
    for (enum metric k = 0; k < METRIC_COUNT; k++) {
        const struct metric_info *info = metric_info(k);
        if (!is_wanted(j, k)) continue;
        uint32_t n = j->scores.of[k].count;
        struct interval s = score_interval(j->scores.of[k].at, n, info->proportion);
        printf("%-16s %-10.6g [%.6g, %.6g]", info->name, s.mean, s.lo, s.hi);
        if (j->original_scores.of[k].count == n) {
            const double *o = j->original_scores.of[k].at;
            struct interval before = score_interval(o, n, info->proportion),
                            change = paired_interval(j->scores.of[k].at, o, n);
            printf("  original %-10.6g change %+.6g [%+.6g, %+.6g]", before.mean, change.mean, change.lo,
                   change.hi);
        }
        putchar('\n');
    }
    if (count) puts("signal to noise against the original, worst first:");
    for (uint32_t i = 0; i < count; i++)
        if (layers[i].noise > 0)
            printf("%8.2f dB  %-16s %s\n", 10 * log10(layers[i].signal / layers[i].noise), layers[i].op,
                   layers[i].name);
        else
            printf("%8s dB  %-16s %s\n", "inf", layers[i].op, layers[i].name);
}

/* -- the command -- */
static enum exit_code check_metrics(struct eval_job *j) {
    bool any = false;
    for (enum metric k = 0; k < METRIC_COUNT; k++) any = any || is_wanted(j, k);
    if (any) return EXIT_OK;
    diag_error(&j->inv->diag, (struct loc){0},
               "there is nothing to score: %s has no array label, target or query that the output and "
               "--metric go with, and --against names no original",
               j->data_path);
    return EXIT_INPUT;
}

static enum exit_code layers_of(struct eval_job *j, uint32_t most, struct layer_noise **out,
                                uint32_t *count) {
    struct module *m = NULL, *original = NULL;
    enum exit_code code = load_model(j->inv, j->model.path, &m);
    if (!code) code = load_model(j->inv, j->original.path, &original);
    if (!code) code = eval_layers(j->inv, m, original, j->samples, most, out, count);
    module_free(m);
    module_free(original);
    return code;
}

static enum exit_code evaluate(struct eval_job *j) {
    struct invocation *inv = j->inv;
    int64_t most, layer_samples;
    struct layer_noise *layers = NULL;
    uint32_t count = 0;
    const char *against = option_text(inv, "against", NULL);
    bool interp = option_given(inv, "interp"), per_layer = option_given(inv, "per-layer");
    if (!option_int(inv, "samples", 1, INT32_MAX, INT32_MAX, &most)) return EXIT_USAGE;
    if (!option_int(inv, "blank", 0, INT32_MAX, 0, &j->answers.blank)) return EXIT_USAGE;
    if (!option_int(inv, "layer-samples", 1, INT32_MAX, 16, &layer_samples)) return EXIT_USAGE;
    if (!j->data_path) return usage_error(inv, "--data is missing");
    if (per_layer && (!against || has_suffix(against, ".so") || has_suffix(inv->arguments.at[0], ".so")))
        return usage_error(inv, "--per-layer needs models (.adz or .onnx), and --against");
    enum exit_code code = read_strip(j);
    if (!code) code = read_metrics(j);
    if (!code) code = runner_open(inv, inv->arguments.at[0], interp, &j->model);
    if (!code && against)
        code = runner_open(inv, against, interp && !has_suffix(against, ".so"), &j->original);
    if (!code && check_ports(j) != STATUS_OK) code = EXIT_INPUT;
    if (!code) code = find_output(j);
    if (!code && data_open(j->data_path, j->model.m, &inv->diag, &j->data) != STATUS_OK) code = EXIT_INPUT;
    if (code) return code;
    j->samples = data_samples(j->data);
    if (read_labels(j) != STATUS_OK) return EXIT_INPUT;
    code = run_samples(j, (uint32_t)most);
    if (!code) code = check_metrics(j);
    if (!code && per_layer) code = layers_of(j, (uint32_t)layer_samples, &layers, &count);
    if (code) return code;
    if (option_given(inv, "json"))
        print_json(j, layers, count);
    else
        print_text(j, layers, count);
    return EXIT_OK;
}

enum exit_code cmd_eval(struct invocation *inv) {
    struct eval_job j = {.inv = inv, .data_path = option_text(inv, "data", NULL)};
    enum exit_code code = evaluate(&j);
    data_close(j.data);
    runner_close(&j.model);
    runner_close(&j.original);
    tensor_free(&j.answers.label);
    tensor_free(&j.answers.target);
    tensor_free(&j.answers.query);
    vec_free(&j.answers.strip);
    scores_free(&j.scores);
    scores_free(&j.original_scores);
    return code;
}
