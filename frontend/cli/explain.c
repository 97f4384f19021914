/* adze explain: what every weight of a model is, what it takes, and which passes made it so (ir/decision.h).
 * Of a compiled library there is the text but not the weights: what depends on them comes from the decisions,
 * or is not told. */
#include "frontend/cli/load.h"
#include "frontend/read.h"
#include "frontend/tensorfile/json.h"
#include "ir/decision.h"
#include "ir/encoding.h"
#include "ir/op.h"
#include "runtime/include/adze_runtime.h"

#include <math.h>
#include <string.h>

struct row {
    value_id value;
    op_id user;     /* the first op that reads the parameter, or that computes the value */
    int64_t dense;  /* bytes of the f32 original, before any pass made it smaller; 0: no parameter */
    int64_t stored; /* bytes in a weights file; -1: not known */
    double zeros;   /* share; -1: not known */
    const struct decision *decisions;
    uint32_t count;
};

struct explained {
    struct invocation *inv;
    struct module *m;
    bool weights; /* the data is there */
    struct arena arena;
    VEC(struct row) rows;
    int64_t dense, stored; /* sums; stored is -1 if a part is not known */
};

/* -- what is told of a parameter -- */
static const struct decision *last_that(const struct row *r, bool (*holds)(const struct decision *)) {
    for (uint32_t i = r->count; i-- > 0;)
        if (holds(&r->decisions[i])) return &r->decisions[i];
    return NULL;
}
static bool counts_weights(const struct decision *d) {
    return d->unit && !strcmp(d->unit, "weights") && d->total > 0;
}
static bool is_measured(const struct decision *d) {
    return d->measured;
}

static int64_t dense_bytes(const struct module *m, const struct row *r) {
    const struct value *v = value_get(m, r->value);
    const struct tensor *t = value_constant(m, r->value);
    int64_t count = tensor_count(t);
    for (uint32_t i = 0; i < r->count; i++) {
        const struct decision *d = &r->decisions[i];
        if (!d->rank) continue;
        count = 1; /* a stranger may have written it: no overflow */
        for (uint32_t k = 0; k < d->rank; k++)
            count = d->dim[k] > 0 && count > INT32_MAX / d->dim[k] ? INT32_MAX : count * d->dim[k];
        break;
    }
    bool number = elem_is_float(t->elem) || v->type.quant.i;
    return count * (number ? 4 : (int64_t)elem_bytes(t->elem));
}

static double zeros_of(const struct explained *e, const struct row *r) {
    const struct tensor *t = value_constant(e->m, r->value);
    const struct decision *d = last_that(r, counts_weights);
    if (!e->weights) return d ? 1 - (double)d->kept / (double)d->total : -1;
    int64_t zeros = 0, count = tensor_count(t);
    for (int64_t i = 0; i < count; i++) zeros += tensor_get_f64(t, i) == 0;
    return count ? (double)zeros / (double)count : 0;
}

static int64_t stored_bytes(const struct explained *e, const struct row *r) {
    struct type type = value_get(e->m, r->value)->type;
    if (type.sparse.i && !e->weights) return -1;
    return (int64_t)encoding_file_bytes(&e->m->types, type, value_constant(e->m, r->value));
}

static void add_row(struct explained *e, value_id v, op_id user) {
    struct row *r = vec_push(&e->rows);
    *r = (struct row){.value = v, .user = user, .zeros = -1};
    r->count = decision_list(e->m, v, &e->arena, &r->decisions);
    if (value_get(e->m, v)->kind != VALUE_PARAMETER) return;
    r->dense = dense_bytes(e->m, r);
    r->stored = stored_bytes(e, r);
    r->zeros = zeros_of(e, r);
    e->dense += r->dense;
    e->stored = r->stored < 0 || e->stored < 0 ? -1 : e->stored + r->stored;
}

/* What reads a packed weight reads the weight. */
static op_id behind_relayouts(const struct module *m, op_id id) {
    const struct region *root = region_get(m, m->root);
    for (uint32_t i = 0; i < root->ops.count; i++) {
        const struct op *op = op_get(m, root->ops.at[i]), *packs = op_get(m, id);
        for (uint32_t k = 0; packs->kind == OP_relayout && k < op->operand_count; k++)
            if (value_same(op->operand[k], packs->result[0])) return behind_relayouts(m, root->ops.at[i]);
    }
    return id;
}

/* Parameters as the ops of the root read them, and values that passes decided something about. */
static void collect(struct explained *e) {
    const struct region *root = region_get(e->m, e->m->root);
    bool *seen = xcalloc(e->m->values.count, sizeof *seen);
    for (uint32_t i = 0; i < root->ops.count; i++) {
        const struct op *op = op_get(e->m, root->ops.at[i]);
        for (uint32_t k = 0; k < op->operand_count; k++) {
            value_id v = op->operand[k];
            if (!v.i || seen[v.i] || value_get(e->m, v)->kind != VALUE_PARAMETER) continue;
            seen[v.i] = true;
            add_row(e, v, behind_relayouts(e->m, root->ops.at[i]));
        }
    }
    for (uint32_t i = 1; i < e->m->values.count; i++) {
        const struct decision *d;
        const struct value *v = &e->m->values.at[i];
        if (v->kind == VALUE_RESULT && !op_get(e->m, v->op)->erased &&
            decision_list(e->m, (value_id){i}, &e->arena, &d))
            add_row(e, (value_id){i}, v->op);
    }
    free(seen);
}

/* A fuse is told by the contraction in it. */
static const char *kind_of(const struct module *m, op_id id) {
    const struct op *op = op_get(m, id);
    if (op->body.i) {
        const struct region *body = region_get(m, op->body);
        for (uint32_t i = 0; i < body->ops.count; i++)
            if (op_info(op_get(m, body->ops.at[i])->kind)->class == CLASS_CONTRACTION)
                return op_info(op_get(m, body->ops.at[i])->kind)->name;
    }
    return op_info(op->kind)->name;
}

/* What later passes put on top is not forgotten: the passes in their order. */
static void add_passes(const struct row *r, struct str *out) {
    if (!r->count) str_add(out, "-");
    for (uint32_t i = 0; i < r->count; i++) str_printf(out, "%s%s", i ? "; " : "", r->decisions[i].pass);
}

/* -- as a table -- */
static void add_share(struct str *out, const char *fmt, bool known, double value) {
    if (known)
        str_printf(out, fmt, value);
    else
        str_add(out, "-");
}

static double decibels(double error) {
    return error > 0 ? -10 * log10(error) : INFINITY;
}

static void print_row(const struct explained *e, const struct row *r, int name_width, int type_width) {
    struct str type = {0}, zeros = {0}, error = {0}, snr = {0}, by = {0}, stored = {0};
    const struct decision *measured = last_that(r, is_measured);
    type_print(&e->m->types, value_get(e->m, r->value)->type, &type);
    add_share(&zeros, "%.1f%%", r->zeros >= 0, 100 * r->zeros);
    add_share(&error, "%.3g", measured, measured ? measured->error : 0);
    add_share(&snr, "%.1f", measured, measured ? decibels(measured->error) : 0);
    add_share(&stored, "%.0f", r->stored >= 0 && r->dense > 0, (double)r->stored);
    add_passes(r, &by);
    printf("%-*s  %-12s  %-*s  %10lld  %10s  %6s  %8s  %6s  %s\n", name_width,
           value_get(e->m, r->value)->name, kind_of(e->m, r->user), type_width, str_text(&type),
           (long long)r->dense, str_text(&stored), str_text(&zeros), str_text(&error), str_text(&snr),
           str_text(&by));
    struct str *all[] = {&type, &zeros, &error, &snr, &by, &stored};
    for (size_t i = 0; i < COUNT_OF(all); i++) str_free(all[i]);
}

static void print_table(const struct explained *e) {
    int name_width = 6, type_width = 4;
    for (uint32_t i = 0; i < e->rows.count; i++) {
        const struct value *v = value_get(e->m, e->rows.at[i].value);
        struct str type = {0};
        type_print(&e->m->types, v->type, &type);
        name_width = (int)max_i64(name_width, (int64_t)strlen(v->name));
        type_width = (int)max_i64(type_width, (int64_t)type.length);
        str_free(&type);
    }
    printf("%-*s  %-12s  %-*s  %10s  %10s  %6s  %8s  %6s  %s\n", name_width, "weight", "read by", type_width,
           "type", "dense f32", "stored", "zeros", "error", "dB", "decided by");
    for (uint32_t i = 0; i < e->rows.count; i++) print_row(e, &e->rows.at[i], name_width, type_width);
    printf("total: %lld bytes as dense f32", (long long)e->dense);
    if (e->stored >= 0) printf(", %lld stored", (long long)e->stored);
    if (e->stored > 0) printf(", %.2fx smaller", (double)e->dense / (double)e->stored);
    printf("\n");
}

/* -- as JSON -- */
static void add_number(struct str *out, const char *key, double value) {
    str_printf(out, ", \"%s\": ", key);
    if (isfinite(value))
        str_add_f64(out, value);
    else
        str_add(out, "null");
}

static void add_text(struct str *out, const char *key, const char *text) {
    str_printf(out, ", \"%s\": ", key);
    json_add_string(out, text);
}

static void add_decision(const struct decision *d, struct str *out) {
    str_add(out, "{\"pass\": ");
    json_add_string(out, d->pass);
    if (d->method) add_text(out, "method", d->method);
    if (d->unit) {
        str_printf(out, ", \"kept\": %lld, \"total\": %lld", (long long)d->kept, (long long)d->total);
        add_text(out, "unit", d->unit);
    }
    for (uint32_t i = 0; i < d->rank; i++)
        str_printf(out, "%s%lld%s", i ? ", " : ", \"shape_before\": [", (long long)d->dim[i],
                   i + 1 == d->rank ? "]" : "");
    if (d->measured) {
        add_number(out, "error", d->error);
        add_number(out, "snr_db", decibels(d->error));
    }
    if (d->note) add_text(out, "note", d->note);
    str_add(out, "}");
}

static void add_json_row(const struct explained *e, const struct row *r, struct str *out) {
    const struct value *v = value_get(e->m, r->value);
    struct str type = {0};
    type_print(&e->m->types, v->type, &type);
    str_add(out, "{\"name\": ");
    json_add_string(out, v->name);
    add_text(out, "kind", v->kind == VALUE_PARAMETER ? "weight" : "value");
    add_text(out, "op", kind_of(e->m, r->user));
    add_text(out, "layer", value_get(e->m, op_get(e->m, r->user)->result[0])->name);
    add_text(out, "type", str_text(&type));
    add_text(out, "format", sparse_name(sparse_get(&e->m->types, v->type.sparse).kind));
    if (v->kind == VALUE_PARAMETER) {
        str_printf(out, ", \"dense_bytes\": %lld", (long long)r->dense);
        add_number(out, "stored_bytes", r->stored < 0 ? NAN : (double)r->stored);
        add_number(out, "zeros", r->zeros < 0 ? NAN : r->zeros);
    }
    str_add(out, ", \"decisions\": [");
    for (uint32_t i = 0; i < r->count; i++) {
        str_add(out, i ? ", " : "");
        add_decision(&r->decisions[i], out);
    }
    str_add(out, "]}");
    str_free(&type);
}

static void print_json(const struct explained *e) {
    struct str out = {0};
    str_add(&out, "{\"model\": ");
    json_add_string(&out, e->m->name);
    str_printf(&out, ", \"dense_bytes\": %lld", (long long)e->dense);
    add_number(&out, "stored_bytes", e->stored < 0 ? NAN : (double)e->stored);
    add_number(&out, "ratio", e->stored > 0 ? (double)e->dense / (double)e->stored : NAN);
    str_add(&out, ", \"layers\": [");
    for (uint32_t i = 0; i < e->rows.count; i++) {
        str_add(&out, i ? ",\n  " : "\n  ");
        add_json_row(e, &e->rows.at[i], &out);
    }
    str_add(&out, "\n]}\n");
    fputs(str_text(&out), stdout);
    str_free(&out);
}

/* -- the command -- */
static enum exit_code load_library(struct invocation *inv, const char *path, struct module **out) {
    struct adze_library *library = NULL;
    const struct adze_model *model = NULL;
    const char *why = NULL, *file = strchr(path, '/') ? path : arena_printf(&inv->arena, "./%s", path);
    struct read_options options = {.missing = MISSING_IS_RANDOM};
    int code = adze_library_open(file, &library, &model, &why);
    enum status status =
        code ? diag_error(&inv->diag, (struct loc){0}, "%s: %s%s%s", path, adze_error_text(code),
                          why ? ": " : "", why ? why : "")
             : read_adz_text(path, model->text, strlen(model->text), &options, &inv->diag, out);
    adze_library_close(library);
    return status == STATUS_OK ? EXIT_OK : EXIT_INPUT;
}

enum exit_code cmd_explain(struct invocation *inv) {
    const char *path = inv->arguments.at[0];
    struct explained e = {.inv = inv, .weights = !has_suffix(path, ".so")};
    enum exit_code code = e.weights ? load_model(inv, path, &e.m) : load_library(inv, path, &e.m);
    if (!code) {
        collect(&e);
        (option_given(inv, "json") ? print_json : print_table)(&e);
    }
    vec_free(&e.rows);
    arena_free(&e.arena);
    module_free(e.m);
    return code;
}
