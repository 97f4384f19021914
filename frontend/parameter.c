/* Weights: from files, or made as the text says. */
#include "frontend/elaborate.h"

#include "ir/encoding.h"
#include <math.h>
#include <string.h>
#include <unistd.h>

/* -- files -- */
const char *path_in(struct elab *e, const char *folder, const char *path) {
    return *folder && *path != '/' ? arena_printf(&e->arena, "%s/%s", folder, path) : path;
}

enum status open_weights(struct elab *e, const struct ast_stmt *stmt, struct folder folder) {
    const char *path = path_in(e, folder.open, stmt->weights.path);
    struct source_file file = {.path = path_in(e, folder.shown, stmt->weights.path),
                               .prefix = stmt->weights.prefix,
                               .loc = stmt->loc};
    for (uint32_t i = 0; i < e->m->weights_files.count; i++)
        if (!strcmp(e->m->weights_files.at[i].path, file.path))
            return diag_error(e->diag, stmt->loc, "the weights file '%s' is named already",
                              stmt->weights.path);
    *vec_push(&e->m->weights_files) = (struct weights_file){
        arena_strdup(&e->m->arena, file.path), file.prefix ? arena_strdup(&e->m->arena, file.prefix) : NULL};
    if (e->options->weights) return STATUS_OK;
    if (e->options->missing != MISSING_IS_AN_ERROR && access(path, F_OK)) return STATUS_OK;
    if (weights_open(path, e->m, e->diag, &file.source) != STATUS_OK) {
        diag_note(e->diag, stmt->loc, "the file is named here");
        return STATUS_FAILED;
    }
    *vec_push(&e->sources) = file;
    return STATUS_OK;
}

/* The name that a file's own tensor has in the text, and back (NULL: not of this file). */
static const char *outer_name(struct elab *e, const struct source_file *file, const char *name) {
    return file->prefix ? arena_printf(&e->arena, "%s.%s", file->prefix, name) : name;
}

static const char *inner_name(const struct source_file *file, const char *name) {
    if (!file->prefix) return name;
    size_t length = strlen(file->prefix);
    return !strncmp(name, file->prefix, length) && name[length] == '.' ? name + length + 1 : NULL;
}

struct name_visit {
    struct elab *e;
    const struct source_file *file;
    struct near *near;
};

static void each_name(struct elab *e, void (*visit)(void *, const char *), struct name_visit *to) {
    if (e->options->weights) e->options->weights->each(e->options->weights->ctx, visit, to);
    for (uint32_t i = 0; i < e->sources.count; i++) {
        to->file = &e->sources.at[i];
        to->file->source.each(to->file->source.ctx, visit, to);
    }
}

static void offer_name(void *to, const char *name) {
    struct name_visit *visit = to;
    near_offer(visit->near, visit->file ? outer_name(visit->e, visit->file, name) : name);
}

/* Writes down a and a.b for a weight a.b.c. */
static void add_scopes(void *to, const char *name) {
    struct name_visit *visit = to;
    if (visit->file) name = outer_name(visit->e, visit->file, name);
    size_t length = strlen(name);
    for (size_t i = length < MAX_NAME ? length : MAX_NAME; i-- > 1;)
        if (name[i] == '.') {
            bool is_new;
            (void)map_put(&visit->e->weight_scopes, name, i, &is_new);
            if (!is_new) return;
        }
}

/* -- lookup -- */
static const struct tensor *find_in_files(struct elab *e, const char *name, struct loc loc, bool *ambiguous) {
    const struct tensor *found = NULL;
    const struct source_file *where = NULL;
    if (e->options->weights) found = e->options->weights->find(e->options->weights->ctx, name);
    for (uint32_t i = 0; i < e->sources.count; i++) {
        const struct source_file *file = &e->sources.at[i];
        const char *inner = inner_name(file, name);
        const struct tensor *tensor = inner ? file->source.find(file->source.ctx, inner) : NULL;
        if (tensor && where) {
            diag_error(e->diag, loc, "weight '%s' is both in '%s' and in '%s'", name, where->path,
                       file->path);
            diag_note(e->diag, file->loc, "name this file: weights \"%s\" as other", file->path);
            *ambiguous = true;
            return NULL;
        }
        if (tensor) found = tensor, where = file;
    }
    return found;
}

bool weight_exists(struct elab *e, const char *name) {
    bool ambiguous = false;
    return module_find_weight(e->m, name).i || find_in_files(e, name, (struct loc){0}, &ambiguous) ||
           ambiguous;
}

bool weight_scope_exists(struct elab *e, const char *name) {
    if (!e->has_weight_scopes) {
        each_name(e, add_scopes, &(struct name_visit){.e = e});
        e->has_weight_scopes = true;
    }
    return map_get_str(&e->weight_scopes, name) != NULL;
}

void offer_weights(struct elab *e, struct near *near) {
    struct name_visit visit = {.e = e, .near = near};
    if (e->diag->errors >= DIAG_MAX_ERRORS) return; /* nobody will see it */
    each_name(e, offer_name, &visit);
    for (uint32_t i = 1; i < e->m->weights.count; i++) near_offer(near, e->m->weights.at[i].name);
}

static enum status no_weight(struct elab *e, const char *name, struct loc loc) {
    struct near near = near_to(name);
    offer_weights(e, &near);
    return diag_error(e->diag, loc, "no weight has the name '%s'%s", name, near_hint(&near, &e->arena));
}

static weight_id add_from_file(struct elab *e, const char *name, const struct tensor *tensor,
                               struct loc loc) {
    return module_add_weight(e->m, name, tensor_view(tensor, tensor->rank, tensor->dim), loc);
}

enum status weight_value(struct elab *e, const char *name, struct loc loc, value_id *out) {
    bool ambiguous = false;
    weight_id weight = module_find_weight(e->m, name);
    if (!weight.i) {
        const struct tensor *tensor = find_in_files(e, name, loc, &ambiguous);
        if (ambiguous) return STATUS_FAILED;
        if (!tensor) return no_weight(e, name, loc);
        weight = add_from_file(e, name, tensor, loc);
    }
    *out = module_parameter(e->m, weight);
    return STATUS_OK;
}

/* -- weights that no file holds -- */
/* Steele, Lea, Flood: Fast splittable pseudorandom number generators (2014); output in [0, 1). */
static double next_uniform(uint64_t *state) {
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (double)((z ^ (z >> 31)) >> 11) * 0x1p-53;
}

void weight_fill_random(struct tensor *tensor, const char *name, uint64_t seed, double lo, double hi) {
    uint64_t state = hash_bytes(name, strlen(name), seed);
    if (lo == hi) {
        int64_t fan_in = tensor->rank > 1 && tensor->dim[0] > 0 ? tensor_count(tensor) / tensor->dim[0] : 3;
        hi = elem_is_float(tensor->elem) && fan_in > 0 ? sqrt(3 / (double)fan_in) : 8;
        lo = elem_kind(tensor->elem) == ELEM_KIND_UINT ? 0 : -hi;
    }
    for (int64_t i = 0, n = tensor_count(tensor); i < n; i++) {
        double value = lo + (hi - lo) * next_uniform(&state);
        tensor_set_f64(tensor, i, tensor->elem == ELEM_bool ? value > (lo + hi) / 2 : value);
    }
}

static enum status made_size(struct elab *e, struct loc loc, struct type type, int64_t *dims) {
    uint32_t rank = type_rank(&e->m->types, type);
    if (!type_static(&e->m->types, type, dims) || !tensor_shape_ok(type.elem, rank, dims))
        return diag_error(e->diag, loc, "a weight's shape must be made of numbers");
    int64_t bytes = (int64_t)elem_bytes(type.elem);
    for (uint32_t i = 0; i < rank; i++) bytes *= dims[i];
    e->made_bytes += bytes;
    if (bytes <= MAX_MADE_BYTES && e->made_bytes <= MAX_MADE_BYTES) return STATUS_OK;
    e->made_bytes = MAX_MADE_BYTES;
    return diag_error(e->diag, loc, "weights of more than 1 GiB that are in no file");
}

struct maker {
    double seed, lo, hi; /* fill: lo = hi */
    bool random;
};

static enum status maker_arg(struct elab *e, const struct ast_call *call, const struct ast_arg *a, bool first,
                             struct maker *maker) {
    struct constant c;
    TRY(eval_constant(e, NULL, a->expr, &c));
    double value = c.kind == CONSTANT_INT ? (double)c.i : c.f;
    bool is_number = c.kind == CONSTANT_INT || c.kind == CONSTANT_FLOAT;
    if (first && !a->name.text && maker->random && c.kind == CONSTANT_INT && c.i >= 0 && c.i < 1 << 30)
        maker->seed = value;
    else if (first && !a->name.text && !maker->random && is_number)
        maker->lo = maker->hi = value;
    else if (a->name.text && !strcmp(a->name.text, "min") && maker->random && is_number)
        maker->lo = value;
    else if (a->name.text && !strcmp(a->name.text, "max") && maker->random && is_number)
        maker->hi = value;
    else
        return diag_error(e->diag, call->name.loc,
                          "a weight is made by random(seed, min = 0.0, max = 1.0) or fill(value)");
    return STATUS_OK;
}

static const char *maker_text(struct elab *e, const struct maker *maker) {
    struct str text = {0};
    if (maker->random) {
        str_printf(&text, "random(%.0f", maker->seed);
        if (maker->lo != maker->hi) {
            str_add(&text, ", min = ");
            str_add_f64(&text, maker->lo);
            str_add(&text, ", max = ");
            str_add_f64(&text, maker->hi);
        }
    } else {
        str_add(&text, "fill(");
        str_add_f64(&text, maker->lo);
    }
    str_add(&text, ")");
    const char *copy = arena_strdup(&e->m->arena, str_text(&text));
    str_free(&text);
    return copy;
}

static enum status make_by_call(struct elab *e, const struct ast_call *call, const char *name,
                                struct tensor *tensor, const char **made_by) {
    struct maker maker = {.random = !strcmp(call->name.text, "random")};
    if ((!maker.random && strcmp(call->name.text, "fill")) || !call->args.first)
        return diag_error(e->diag, call->name.loc,
                          "a weight is made by random(seed, min = 0.0, max = 1.0) or fill(value)");
    for (const struct ast_arg *a = call->args.first; a; a = a->next)
        TRY(maker_arg(e, call, a, a == call->args.first, &maker));
    if (maker.lo > maker.hi || isnan(maker.lo + maker.hi))
        if (maker.random) return diag_error(e->diag, call->name.loc, "random: min is not below max");
    if (maker.random)
        weight_fill_random(tensor, name, (uint64_t)maker.seed, maker.lo, maker.hi);
    else
        for (int64_t i = 0, n = tensor_count(tensor); i < n; i++) tensor_set_f64(tensor, i, maker.lo);
    *made_by = maker_text(e, &maker);
    return STATUS_OK;
}

/* `= {1.0, 2.0}`, in the spelling of the printer. */
static enum status make_by_numbers(struct elab *e, const struct ast_stmt *stmt, struct tensor *tensor,
                                   const char **made_by) {
    const struct ast_numbers *numbers = stmt->declare.numbers;
    if (numbers->count != tensor_count(tensor))
        return diag_error(e->diag, stmt->loc, "%u numbers where the shape has %lld", numbers->count,
                          (long long)tensor_count(tensor));
    TRY(fill_numbers(e, stmt->loc, numbers, tensor));
    struct str text = {0};
    print_numbers(tensor, &text);
    *made_by = arena_strdup(&e->m->arena, str_text(&text));
    str_free(&text);
    return STATUS_OK;
}

static enum status make_weight(struct elab *e, const struct ast_stmt *stmt, const char *name,
                               struct type type, struct tensor *out, const char **made_by) {
    int64_t dims[MAX_RANK];
    TRY(made_size(e, stmt->loc, type, dims));
    *out = tensor_new(type.elem, type_rank(&e->m->types, type), dims);
    enum status status = STATUS_OK;
    if (stmt->declare.made_by)
        status = make_by_call(e, stmt->declare.made_by, name, out, made_by);
    else if (stmt->declare.numbers)
        status = make_by_numbers(e, stmt, out, made_by);
    else if (e->options->missing == MISSING_IS_RANDOM)
        weight_fill_random(out, name, 0, 0, 0);
    if (status != STATUS_OK) tensor_free(out);
    return status;
}

static enum status check_shape(struct elab *e, const struct ast_stmt *stmt, const char *name,
                               struct type type, const struct tensor *tensor) {
    dims_id shape = dims_from_ints(&e->m->types, tensor->dim, tensor->rank);
    if (type.elem == tensor->elem && type.shape.i == shape.i) return STATUS_OK;
    struct str found = {0}, declared = {0};
    type_print(&e->m->types, type_make(tensor->elem, shape), &found);
    type_print(&e->m->types, type_make(type.elem, type.shape), &declared);
    diag_error(e->diag, stmt->declare.target->name.loc, "weight '%s' is declared as %s, but the file has %s",
               name, str_text(&declared), str_text(&found));
    str_free(&found);
    str_free(&declared);
    return STATUS_FAILED;
}

/* -- sparse weights: component tensors in a file -- */
/* A few numbers in a file must not make a tensor of any size: up to this many bytes a stored byte are free.
 */
enum { DENSEST = 1024 };

static enum status spend_decoded(struct elab *e, struct loc loc, struct type type,
                                 const struct tensor *const *at, uint32_t count) {
    int64_t dims[MAX_RANK], bytes = (int64_t)elem_bytes(type.elem), stored = 0;
    uint32_t rank = type_rank(&e->m->types, type);
    if (!type_static(&e->m->types, type, dims) || !tensor_shape_ok(type.elem, rank, dims))
        return diag_error(e->diag, loc, "a weight's shape must be made of numbers");
    for (uint32_t i = 0; i < rank; i++) bytes *= dims[i];
    for (uint32_t i = 0; i < count; i++) stored += (int64_t)tensor_bytes(at[i]);
    if (bytes / DENSEST <= stored) return STATUS_OK;
    e->made_bytes += bytes;
    if (bytes <= MAX_MADE_BYTES && e->made_bytes <= MAX_MADE_BYTES) return STATUS_OK;
    e->made_bytes = MAX_MADE_BYTES;
    return diag_error(e->diag, loc, "sparse weights of more than 1 GiB that are almost empty");
}

/* *found is false where no file has the first component. */
static enum status decode_weight(struct elab *e, struct loc loc, const char *name, struct type type,
                                 bool *found, struct tensor *out) {
    struct sparse sparse = sparse_get(&e->m->types, type.sparse);
    const char *suffix[ENCODING_COMPONENTS];
    const struct tensor *at[ENCODING_COMPONENTS];
    uint32_t count = encoding_suffixes(sparse.kind, suffix);
    bool ambiguous = false;
    *found = false;
    for (uint32_t i = 0; i < count; i++) {
        const char *part = arena_printf(&e->arena, "%s.%s", name, suffix[i]);
        at[i] = find_in_files(e, part, loc, &ambiguous);
        if (ambiguous) return STATUS_FAILED;
        if (!at[i] && !i) return STATUS_OK;
        if (!at[i]) return no_weight(e, part, loc);
    }
    *found = true;
    TRY(spend_decoded(e, loc, type, at, count));
    int64_t dims[MAX_RANK];
    (void)type_static(&e->m->types, type, dims);
    const char *wrong = encoding_decode(sparse, type.elem, type_rank(&e->m->types, type), dims, at, out);
    if (!wrong) return STATUS_OK;
    return diag_error(e->diag, loc, "weight '%s': its component tensors are no %s encoding of its type: %s",
                      name, sparse_name(sparse.kind), wrong);
}

/* A tensor that stands for a sparse weight as a whole must have its zeros where the format needs them. */
static enum status check_holds(struct elab *e, struct loc loc, const char *name, struct type type,
                               const struct tensor *tensor) {
    if (!type.sparse.i || tensor->rank < 2) return STATUS_OK; /* the verifier wants rank 2 */
    struct sparse s = sparse_get(&e->m->types, type.sparse);
    if (s.kind == SPARSE_NM && (!s.a || s.a > s.b)) return STATUS_OK; /* and says so of this, too */
    if (encoding_holds(s, tensor)) return STATUS_OK;
    return diag_error(e->diag, loc, "weight '%s' has more than %u nonzeros among %u", name, s.a, s.b);
}

/* -- quantized weights -- */
/* A component tensor of the element type and shape that the weight's type says; *out without data where an
 * optional one is not there. */
static enum status find_component(struct elab *e, struct loc loc, const char *part, enum elem elem,
                                  uint32_t rank, const int64_t *shape, bool required, struct tensor *out) {
    bool ambiguous = false;
    const struct tensor *found = find_in_files(e, part, loc, &ambiguous);
    *out = (struct tensor){0};
    if (ambiguous) return STATUS_FAILED;
    if (!found) return required ? no_weight(e, part, loc) : STATUS_OK;
    if (elem_in(elem, ELEMS_NIBBLE)) {
        const char *wrong = encoding_unpack(found, elem, rank, shape, out);
        return wrong ? diag_error(e->diag, loc, "weight '%s': %s", part, wrong) : STATUS_OK;
    }
    bool fits = found->elem == elem && found->rank == rank;
    for (uint32_t i = 0; fits && i < rank; i++) fits = found->dim[i] == shape[i];
    if (fits) {
        *out = tensor_view(found, rank, found->dim);
        return STATUS_OK;
    }
    struct str want = {0}, have = {0};
    type_print(&e->m->types, type_make(elem, dims_from_ints(&e->m->types, shape, rank)), &want);
    type_print(&e->m->types, type_make(found->elem, dims_from_ints(&e->m->types, found->dim, found->rank)),
               &have);
    diag_error(e->diag, loc, "weight '%s' is %s, expected %s", part, str_text(&have), str_text(&want));
    str_free(&want);
    str_free(&have);
    return STATUS_FAILED;
}

/* Gives a weight the scales of its quantized type: those of the file, or made-up ones for made-up weights. */
static enum status attach_scales(struct elab *e, struct loc loc, const char *name, struct type type,
                                 bool made, weight_id weight) {
    struct tensor *t = &weight_get(e->m, weight)->tensor, scale, zero = {0};
    struct quant q = quant_get(&e->m->types, type.quant);
    int64_t shape[2] = {1, 1};
    if (!type.quant.i || q.literal || t->quant) return STATUS_OK; /* scales of a model in memory are there */
    if (q.axis >= (int32_t)t->rank || (q.group && q.axis)) return STATUS_OK; /* the verifier says so */
    uint32_t rank = quant_scale_shape(q, t->rank, t->dim, shape);
    const char *part = arena_printf(&e->arena, "%s.scale", name);
    if (made) {
        scale = tensor_new(ELEM_f32, rank, shape);
        weight_fill_random(&scale, part, 0, 0.005, 0.015);
    } else {
        TRY(find_component(e, loc, part, ELEM_f32, rank, shape, true, &scale));
        part = arena_printf(&e->arena, "%s.zero", name);
        TRY(find_component(e, loc, part, type.elem, rank, shape, false, &zero));
    }
    t->quant = quant_keep(e->m, q.axis, q.group, &scale, &zero);
    tensor_free(&scale);
    tensor_free(&zero);
    return STATUS_OK;
}

static enum status unpacked_weight(struct elab *e, struct loc loc, const char *name, struct type type,
                                   const struct tensor *packed, weight_id *out) {
    int64_t dims[MAX_RANK];
    struct tensor tensor;
    TRY(spend_decoded(e, loc, type, &packed, 1));
    (void)type_static(&e->m->types, type, dims);
    const char *wrong = encoding_unpack(packed, type.elem, type_rank(&e->m->types, type), dims, &tensor);
    if (wrong) return diag_error(e->diag, loc, "weight '%s': %s", name, wrong);
    *out = module_add_weight(e->m, name, tensor, loc);
    return STATUS_OK;
}

/* The weight of a declaration: in a file, unless the text says how it is made. */
static enum status declared_weight(struct elab *e, const struct ast_stmt *stmt, const char *name,
                                   struct type type, weight_id *out) {
    bool ambiguous = false, made = stmt->declare.made_by || stmt->declare.numbers, found = false;
    struct loc loc = stmt->declare.target->name.loc;
    if (type.sparse.i && !made) {
        struct tensor dense;
        TRY(decode_weight(e, loc, name, type, &found, &dense));
        if (found) *out = module_add_weight(e->m, name, dense, loc);
        if (found) return attach_scales(e, loc, name, type, false, *out);
    }
    const struct tensor *tensor = made ? NULL : find_in_files(e, name, stmt->loc, &ambiguous);
    if (ambiguous) return STATUS_FAILED;
    if (tensor && tensor->elem != type.elem && elem_in(type.elem, ELEMS_NIBBLE)) {
        TRY(unpacked_weight(e, loc, name, type, tensor, out));
        return attach_scales(e, loc, name, type, false, *out);
    }
    if (tensor) {
        TRY(check_shape(e, stmt, name, type, tensor));
        TRY(check_holds(e, loc, name, type, tensor));
        *out = add_from_file(e, name, tensor, stmt->declare.target->name.loc);
        return attach_scales(e, loc, name, type, false, *out);
    }
    if (!made && e->options->missing == MISSING_IS_AN_ERROR)
        return no_weight(e, name, stmt->declare.target->name.loc);
    struct tensor fresh;
    const char *made_by = NULL;
    TRY(make_weight(e, stmt, name, type, &fresh, &made_by));
    if (type.sparse.i && fresh.rank >= 2 && !stmt->declare.numbers)
        encoding_fit(sparse_get(&e->m->types, type.sparse), &fresh);
    if (check_holds(e, loc, name, type, &fresh) != STATUS_OK) {
        tensor_free(&fresh);
        return STATUS_FAILED;
    }
    *out = module_add_weight(e->m, name, fresh, stmt->declare.target->name.loc);
    weight_get(e->m, *out)->made_by = made_by;
    return attach_scales(e, loc, name, type, true, *out);
}

enum status run_weight(struct elab *e, struct scope *scope, const struct ast_stmt *stmt) {
    const struct ast_target *target = stmt->declare.target;
    struct type type;
    struct place place = {0};
    weight_id weight = {0};
    const char *name = name_text(e, scope, &target->name);
    if (!name) return STATUS_FAILED;
    TRY(eval_type(e, scope, target->type, &type));
    if (target->place) TRY(eval_place(e, target->place, &place));
    if (module_find_weight(e->m, name).i)
        return diag_error(e->diag, target->name.loc, "weight '%s' is declared or used already", name);
    TRY(declared_weight(e, stmt, name, type, &weight));
    add_scopes(&(struct name_visit){.e = e}, name);
    struct value *v = value_get(e->m, module_parameter(e->m, weight));
    v->type = type;
    v->place = place;
    return STATUS_OK;
}
