#include "frontend/cli/load.h"

#include "frontend/cli/data.h"
#include "frontend/onnx/import.h"
#include "frontend/read.h"
#include "frontend/tensorfile/npy.h"
#include "frontend/tensorfile/safetensors.h"
#include "ir/base/file.h"
#include "ir/base/map.h"
#include "ir/decision.h"
#include "ir/encoding.h"
#include "ir/print.h"
#include "ir/verify.h"
#include "passes/pass.h"

#include <string.h>

bool has_suffix(const char *text, const char *suffix) {
    size_t n = strlen(text), k = strlen(suffix);
    return n >= k && !strcmp(text + n - k, suffix);
}

const char *stem_of(struct invocation *inv, const char *path) {
    static const char *const suffixes[] = {".adz", ".onnx", ".so",  ".a",   ".o", ".safetensors",
                                           ".h",   ".ll",   ".npz", ".npy", ".s"};
    for (size_t i = 0; i < COUNT_OF(suffixes); i++)
        if (has_suffix(path, suffixes[i]) && strlen(path) > strlen(suffixes[i]))
            return arena_strndup(&inv->arena, path, strlen(path) - strlen(suffixes[i]));
    return path;
}

/* -- NAME=VALUE -- */
bool split_assignment(struct invocation *inv, const char *text, bool (*known)(void *ctx, const char *name),
                      void *ctx, const char **name, const char **value) {
    for (size_t i = strlen(text); i-- > 0;) {
        if (text[i] != '=') continue;
        const char *candidate = arena_strndup(&inv->arena, text, i);
        if (!known(ctx, candidate)) continue;
        *name = candidate;
        *value = text + i + 1;
        return true;
    }
    return false;
}

static bool split_last(struct invocation *inv, const char *text, const char **name, const char **value) {
    const char *equals = strrchr(text, '=');
    if (!equals || equals == text) return false;
    *name = arena_strndup(&inv->arena, text, (size_t)(equals - text));
    *value = equals + 1;
    return true;
}

static bool parse_extent(const char *text, const char **end, int64_t *out) {
    char *stop;
    if (*text < '0' || *text > '9') return false;
    long long value = strtoll(text, &stop, 10);
    *end = stop;
    *out = value;
    return value <= DIM_MAX;
}

static enum exit_code parse_shape(struct invocation *inv, const char *text, struct import_shape *out) {
    const char *at;
    bool ok = split_last(inv, text, &out->name, &at);
    while (ok && *at) {
        ok = out->rank < MAX_RANK && parse_extent(at, &at, &out->dim[out->rank]);
        out->rank += ok;
        if (ok && *at == ',')
            ok = *++at != 0;
        else if (ok && *at)
            ok = false;
    }
    if (!ok)
        return usage_error(inv, "--shape is '%s', expected NAME=D0,D1,… with at most %d extents", text,
                           MAX_RANK);
    return EXIT_OK;
}

struct specialization {
    VEC(struct import_shape) shapes;
    VEC(struct import_dim) dims;
    VEC(struct named_tensor) binds;
};

static void specialization_free(struct specialization *s) {
    for (uint32_t i = 0; i < s->binds.count; i++) tensor_free(&s->binds.at[i].tensor);
    vec_free(&s->shapes);
    vec_free(&s->dims);
    vec_free(&s->binds);
}

static enum exit_code read_specialization(struct invocation *inv, struct specialization *out) {
    const char *text, *value, *end;
    for (uint32_t at = 0; (text = option_next(inv, "shape", &at));) {
        enum exit_code code = parse_shape(inv, text, vec_push(&out->shapes));
        if (code) return code;
    }
    for (uint32_t at = 0; (text = option_next(inv, "dim", &at));) {
        struct import_dim *d = vec_push(&out->dims);
        if (!split_last(inv, text, &d->name, &value) || !parse_extent(value, &end, &d->value) || *end)
            return usage_error(inv, "--dim is '%s', expected NAME=N", text);
    }
    for (uint32_t at = 0; (text = option_next(inv, "bind", &at));) {
        struct named_tensor *b = vec_push(&out->binds);
        const char *name;
        if (!split_last(inv, text, &name, &value))
            return usage_error(inv, "--bind is '%s', expected NAME=FILE.npy", text);
        b->name = name;
        if (npy_read(value, &inv->diag, &b->tensor) != STATUS_OK) return EXIT_INPUT;
    }
    return EXIT_OK;
}

/* -- the same for a module that came from text -- */
static value_id find_input(const struct module *m, const char *name) {
    for (uint32_t i = 0; i < m->inputs.count; i++)
        if (!strcmp(value_get(m, m->inputs.at[i])->name, name)) return m->inputs.at[i];
    return (value_id){0};
}

static enum status no_input(const struct module *m, struct diag *diag, const char *option, const char *name) {
    struct str names = {0};
    for (uint32_t i = 0; i < m->inputs.count; i++)
        str_printf(&names, "%s%s", i ? ", " : "", value_get(m, m->inputs.at[i])->name);
    diag_error(diag, m->loc, "%s: the model has no input %s; its inputs are %s", option, name,
               str_text(&names));
    str_free(&names);
    return STATUS_FAILED;
}

struct symbol_values {
    struct map index;
    VEC(int64_t) value;
};

static bool lookup_symbol(void *ctx, const char *name, int64_t *value) {
    struct symbol_values *s = ctx;
    uint32_t *i = map_get_str(&s->index, name);
    if (i) *value = s->value.at[*i];
    return i != NULL;
}

static enum status set_symbol(struct symbol_values *s, const char *name, int64_t value, struct loc loc,
                              struct diag *diag) {
    bool is_new;
    uint32_t *i = map_put_str(&s->index, name, &is_new);
    if (!is_new && s->value.at[*i] != value)
        return diag_error(diag, loc, "dimension %s is given as %lld and as %lld", name,
                          (long long)s->value.at[*i], (long long)value);
    if (!is_new) return STATUS_OK;
    *i = s->value.count;
    *vec_push(&s->value) = value;
    return STATUS_OK;
}

static enum status shape_symbols(struct module *m, const struct import_shape *shape, struct symbol_values *s,
                                 struct diag *diag) {
    value_id v = find_input(m, shape->name);
    if (!v.i) return no_input(m, diag, "--shape", shape->name);
    const struct value *input = value_get(m, v);
    uint32_t rank = type_rank(&m->types, input->type);
    if (rank != shape->rank)
        return diag_error(diag, input->loc, "--shape: input %s has rank %u, not %u", shape->name, rank,
                          shape->rank);
    for (uint32_t i = 0; i < rank; i++) {
        dim_id dim = dims_at(&m->types, input->type.shape, i);
        int64_t fixed;
        const char *symbol;
        if (dim_is_symbol(&m->types, dim, &symbol))
            TRY(set_symbol(s, symbol, shape->dim[i], input->loc, diag));
        else if (dim_is_const(&m->types, dim, &fixed) && fixed != shape->dim[i])
            return diag_error(diag, input->loc, "--shape: dimension %u of input %s is %lld, not %lld", i,
                              shape->name, (long long)fixed, (long long)shape->dim[i]);
    }
    return STATUS_OK;
}

static enum status check_symbol_exists(struct module *m, const char *name, struct diag *diag) {
    for (uint32_t i = 0; i < m->inputs.count; i++) {
        struct type type = value_get(m, m->inputs.at[i])->type;
        for (uint32_t d = 0; d < type_rank(&m->types, type); d++) {
            const char *symbol;
            if (dim_is_symbol(&m->types, dims_at(&m->types, type.shape, d), &symbol) && !strcmp(symbol, name))
                return STATUS_OK;
        }
    }
    return diag_error(diag, m->loc, "--dim: no input has a dimension %s", name);
}

static enum status bind_input(struct module *m, const struct named_tensor *bind, struct diag *diag) {
    value_id v = find_input(m, bind->name);
    if (!v.i) return no_input(m, diag, "--bind", bind->name);
    struct type have = value_get(m, v)->type;
    struct type given =
        type_make(bind->tensor.elem, dims_from_ints(&m->types, bind->tensor.dim, bind->tensor.rank));
    if (have.elem != given.elem || have.shape.i != given.shape.i) {
        struct str a = {0}, b = {0};
        type_print(&m->types, have, &a);
        type_print(&m->types, given, &b);
        diag_error(diag, value_get(m, v)->loc, "--bind: input %s is %s, the file holds %s", bind->name,
                   str_text(&a), str_text(&b));
        str_free(&a);
        str_free(&b);
        return STATUS_FAILED;
    }
    value_id constant = module_parameter(
        m, module_add_weight(m, bind->name, tensor_copy(&bind->tensor), value_get(m, v)->loc));
    module_replace_uses(m, v, constant);
    uint32_t kept = 0;
    for (uint32_t i = 0; i < m->inputs.count; i++)
        if (!value_same(m->inputs.at[i], v)) {
            m->inputs.at[kept] = m->inputs.at[i];
            value_get(m, m->inputs.at[kept])->index = kept;
            kept++;
        }
    m->inputs.count = kept;
    return STATUS_OK;
}

static enum status specialize(struct module *m, const struct specialization *s, struct diag *diag) {
    struct symbol_values values = {0};
    enum status status = STATUS_OK;
    for (uint32_t i = 0; i < s->shapes.count && status == STATUS_OK; i++)
        status = shape_symbols(m, &s->shapes.at[i], &values, diag);
    for (uint32_t i = 0; i < s->dims.count && status == STATUS_OK; i++) {
        status = check_symbol_exists(m, s->dims.at[i].name, diag);
        if (status == STATUS_OK)
            status = set_symbol(&values, s->dims.at[i].name, s->dims.at[i].value, m->loc, diag);
    }
    if (status == STATUS_OK && values.value.count)
        status = module_bind_symbols(m, lookup_symbol, &values, diag);
    for (uint32_t i = 0; i < s->binds.count && status == STATUS_OK; i++)
        status = bind_input(m, &s->binds.at[i], diag);
    map_free(&values.index);
    vec_free(&values.value);
    return status;
}

/* -- loading and saving -- */
static enum status load(struct invocation *inv, const char *path, const struct specialization *s,
                        struct module **out) {
    if (has_suffix(path, ".onnx")) {
        struct import_options options = {.shapes = s->shapes.at,
                                         .dims = s->dims.at,
                                         .binds = s->binds.at,
                                         .shape_count = s->shapes.count,
                                         .dim_count = s->dims.count,
                                         .bind_count = s->binds.count};
        TRY(onnx_import(path, &options, &inv->diag, out));
    } else {
        struct read_options options = {.missing = option_given(inv, "no-weights") ? MISSING_IS_RANDOM
                                                                                  : MISSING_IS_AN_ERROR};
        TRY(read_adz(path, &options, &inv->diag, out));
        TRY(specialize(*out, s, &inv->diag));
    }
    return verify_module(*out, true, &inv->diag);
}

enum exit_code load_model(struct invocation *inv, const char *path, struct module **out) {
    struct specialization s = {0};
    *out = NULL;
    enum exit_code code = read_specialization(inv, &s);
    if (!code && load(inv, path, &s, out) != STATUS_OK) code = EXIT_INPUT;
    specialization_free(&s);
    if (code) {
        module_free(*out);
        *out = NULL;
    }
    return code;
}

/* A parameter is stored as its component tensors: those are listed in `encoded`, too, for release. */
typedef VEC(struct named_tensor) named_tensors;

static void add_components(struct invocation *inv, const struct module *m, const struct value *v,
                           named_tensors *tensors, named_tensors *encoded) {
    struct encoded e = encoding_components(&m->types, v->type, &weight_get(m, v->weight)->tensor);
    for (uint32_t i = 0; i < e.count; i++) {
        const char *suffix = e.at[i].suffix;
        const char *name = suffix ? arena_printf(&inv->arena, "%s.%s", v->name, suffix) : v->name;
        *vec_push(tensors) = *vec_push(encoded) = (struct named_tensor){name, e.at[i].tensor};
    }
}

static bool in_a_file(const struct module *m, const struct value *v, uint32_t uses) {
    return v->kind == VALUE_PARAMETER && uses && !weight_get(m, v->weight)->made_by;
}

static enum status list_tensors(struct invocation *inv, const struct module *m, named_tensors *tensors,
                                named_tensors *encoded) {
    uint32_t *uses = module_count_uses(m);
    struct map names = {0};
    enum status status = STATUS_OK;
    for (uint32_t i = 1; i < m->values.count; i++) {
        const struct value *v = &m->values.at[i];
        if (in_a_file(m, v, uses[i])) add_components(inv, m, v, tensors, encoded);
    }
    for (uint32_t i = 0; i < tensors->count && status == STATUS_OK; i++) {
        bool is_new;
        (void)map_put_str(&names, tensors->at[i].name, &is_new);
        if (!is_new)
            status = diag_error(
                &inv->diag, m->loc,
                "a weight and a component tensor of a sparse or quantized weight are both named %s",
                tensors->at[i].name);
    }
    map_free(&names);
    free(uses);
    return status;
}

static enum status save_files(struct invocation *inv, struct module *m, const char *stem) {
    char *weights_path = arena_printf(&inv->arena, "%s.safetensors", stem),
         *text_path = arena_printf(&inv->arena, "%s.adz", stem);
    const char *slash = strrchr(weights_path, '/');
    named_tensors tensors = {0}, encoded = {0};
    enum status status = list_tensors(inv, m, &tensors, &encoded);
    vec_clear(&m->weights_files);
    if (tensors.count) vec_push(&m->weights_files)->path = slash ? slash + 1 : weights_path;
    struct str text = {0};
    print_module(m, &text);
    if (status == STATUS_OK && tensors.count)
        status = safetensors_write(weights_path, tensors.at, tensors.count, NULL, 0, &inv->diag);
    if (status == STATUS_OK) status = file_write(text_path, str_text(&text), text.length, &inv->diag);
    str_free(&text);
    for (uint32_t i = 0; i < encoded.count; i++) tensor_free(&encoded.at[i].tensor);
    vec_free(&encoded);
    vec_free(&tensors);
    return status;
}

enum exit_code save_model(struct invocation *inv, struct module *m, const char *stem) {
    if (strcmp(stem, "-")) return save_files(inv, m, stem_of(inv, stem)) == STATUS_OK ? EXIT_OK : EXIT_INPUT;
    struct str text = {0};
    print_module(m, &text);
    fputs(str_text(&text), stdout);
    str_free(&text);
    return EXIT_OK;
}

/* -- weights that passes changed -- */
struct weight_seen {
    const char *name;
    const void *data;
};

struct weights_seen see_weights(struct invocation *inv, const struct module *m) {
    struct weight_seen *at = arena_array(&inv->arena, struct weight_seen, m->weights.count);
    for (uint32_t i = 1; i < m->weights.count; i++) {
        const struct weight *w = &m->weights.at[i];
        at[i - 1] = (struct weight_seen){arena_strdup(&inv->arena, w->name), w->tensor.data};
    }
    return (struct weights_seen){at, m->weights.count - 1};
}

static bool was_seen(const struct weights_seen *seen, const struct weight *w) {
    for (uint32_t i = 0; i < seen->count; i++)
        if (seen->at[i].data == w->tensor.data && !strcmp(seen->at[i].name, w->name)) return true;
    return false;
}

void print_changed_weights(const struct module *m, const struct weights_seen *since) {
    enum { MOST = 4 };
    uint32_t *uses = module_count_uses(m), changed = 0;
    struct str names = {0};
    for (uint32_t i = 1; i < m->values.count; i++) {
        const struct value *v = &m->values.at[i];
        if (!in_a_file(m, v, uses[i]) || was_seen(since, weight_get(m, v->weight))) continue;
        if (changed++ < MOST) str_printf(&names, "%s%s", changed > 1 ? ", " : "", v->name);
    }
    if (changed)
        printf("# The passes changed %u weight%s (%s%s), and this text has none: -o PATH writes them.\n",
               changed, changed > 1 ? "s" : "", str_text(&names), changed > MOST ? ", …" : "");
    str_free(&names);
    free(uses);
}

/* -- passes -- */
struct printing {
    struct invocation *inv;
    bool time;
    struct module **meant; /* may be NULL */
    uint64_t decided;      /* the hash of the decisions so far */
};

static uint64_t hash_decisions(const struct module *m) {
    uint64_t hash = 0;
    for (uint32_t i = 0; i < m->metadata.count; i++) {
        const struct metadata *d = &m->metadata.at[i];
        if (strncmp(d->key, "decision.", 9)) continue;
        hash = hash_bytes(d->key, strlen(d->key), hash);
        hash = hash_bytes(d->value, strlen(d->value), hash);
    }
    return hash;
}

/* A pass that decides says its name; others carry decisions over to new weights. */
static void follow_decisions(struct printing *p, const char *pass, const struct module *m) {
    uint64_t decided = hash_decisions(m);
    bool same = decided == p->decided;
    p->decided = decided;
    if (!p->meant || same || !decision_made_by(m, pass)) return;
    module_free(*p->meant);
    *p->meant = module_clone(m);
}

static void after_pass(void *ctx, const char *pass, struct module *m, bool changed, double seconds) {
    struct printing *p = ctx;
    if (p->time) fprintf(stderr, "%9.3f ms  %s\n", seconds * 1e3, pass);
    follow_decisions(p, pass, m);
    if (option_given(p->inv, "verify-each") && check_reads_back(m, &p->inv->diag) != STATUS_OK) {
        diag_print(&p->inv->diag, stderr);
        bug("the model does not read back after the pass %s", pass);
    }
    bool print = changed && option_given(p->inv, "print-after-change");
    const char *name;
    for (uint32_t at = 0; (name = option_next(p->inv, "print-after", &at));)
        print = print || !strcmp(name, pass);
    if (!print) return;
    struct str text = {0};
    print_module(m, &text);
    fprintf(stderr, "# after %s\n%s", pass, str_text(&text));
    str_free(&text);
}

enum exit_code run_passes(struct invocation *inv, struct module *m, const char *passes,
                          const struct target *target, struct module **meant) {
    const char *name;
    for (uint32_t at = 0; (name = option_next(inv, "print-after", &at));)
        if (!pass_by_name(name)) return usage_error(inv, "--print-after: there is no pass %s", name);
    int64_t limit;
    if (!option_int(inv, "pass-limit", 0, UINT32_MAX, INT64_MAX, &limit)) return EXIT_USAGE;
    struct printing printing = {inv, option_given(inv, "time-passes"), meant, hash_decisions(m)};
    struct pipeline_hooks hooks = {.after = after_pass,
                                   .ctx = &printing,
                                   .want_changed = option_given(inv, "print-after-change"),
                                   .verify_each = option_given(inv, "verify-each"),
                                   .limit = limit > UINT32_MAX ? UINT32_MAX : (uint32_t)limit};
    struct data_file *data = NULL;
    const char *path = option_text(inv, "data", NULL);
    if (path && data_open(path, m, &inv->diag, &data) != STATUS_OK) return EXIT_INPUT;
    struct progress_bar bar = {0};
    struct progress progress = {progress_report, &bar};
    struct pass_env env = {.target = target, .data = data ? data_samples(data) : NULL, .progress = &progress};
    enum status status = limit == 0 ? STATUS_OK : pipeline_run(m, passes, &env, &hooks, &inv->diag);
    data_close(data);
    if (option_given(inv, "remarks")) diag_print_remarks(&inv->diag, stderr);
    return status == STATUS_OK ? EXIT_OK : EXIT_INPUT;
}

/* -- inputs -- */
struct name_list {
    const char *const *at;
    uint32_t count;
};

static bool name_known(void *ctx, const char *name) {
    const struct name_list *l = ctx;
    for (uint32_t i = 0; i < l->count; i++)
        if (!strcmp(l->at[i], name)) return true;
    return false;
}

static enum exit_code unknown_input(struct invocation *inv, const char *argument, const struct name_list *l) {
    struct str names = {0};
    for (uint32_t i = 0; i < l->count; i++) str_printf(&names, "%s%s", i ? ", " : "", l->at[i]);
    diag_error(&inv->diag, (struct loc){0}, "%s: expected NAME=FILE.npy with one of the inputs %s", argument,
               str_text(&names));
    str_free(&names);
    return EXIT_INPUT;
}

enum exit_code read_inputs(struct invocation *inv, uint32_t first, const char *const *names, uint32_t count,
                           struct tensor *out) {
    struct name_list list = {names, count};
    for (uint32_t a = first; a < inv->arguments.count; a++) {
        const char *argument = inv->arguments.at[a], *name, *path;
        if (!split_assignment(inv, argument, name_known, &list, &name, &path)) {
            if (count != 1 || strchr(argument, '=')) return unknown_input(inv, argument, &list);
            name = names[0];
            path = argument;
        }
        uint32_t i = 0;
        while (strcmp(names[i], name)) i++;
        tensor_free(&out[i]);
        if (npy_read(path, &inv->diag, &out[i]) != STATUS_OK) return EXIT_INPUT;
    }
    return EXIT_OK;
}
