#include "ir/module.h"

#include <string.h>

struct module *module_new(const char *name) {
    struct module *m = xcalloc(1, sizeof *m);
    types_init(&m->types);
    m->name = arena_strdup(&m->arena, name);
    (void)vec_push(&m->values); /* handle 0 of every table is none */
    (void)vec_push(&m->ops);
    (void)vec_push(&m->regions);
    (void)vec_push(&m->weights);
    m->root = module_add_region(m, (op_id){0});
    return m;
}

void module_free(struct module *m) {
    if (!m) return;
    for (uint32_t i = 1; i < m->values.count; i++) tensor_free(&m->values.at[i].literal);
    for (uint32_t i = 1; i < m->weights.count; i++) tensor_free(&m->weights.at[i].tensor);
    while (m->keep.count) {
        struct keeper k = vec_pop(&m->keep);
        k.release(k.what);
    }
    for (uint32_t i = 0; i < m->regions.count; i++) {
        vec_free(&m->regions.at[i].args);
        vec_free(&m->regions.at[i].ops);
        vec_free(&m->regions.at[i].results);
    }
    vec_free(&m->values);
    vec_free(&m->ops);
    vec_free(&m->regions);
    vec_free(&m->weights);
    vec_free(&m->inputs);
    vec_free(&m->outputs);
    vec_free(&m->metadata);
    vec_free(&m->keep);
    vec_free(&m->weights_files);
    map_free(&m->value_names);
    map_free(&m->weight_names);
    types_free(&m->types);
    arena_free(&m->arena);
    free(m);
}

void module_keep(struct module *m, void (*release)(void *), void *what) {
    *vec_push(&m->keep) = (struct keeper){release, what};
}

region_id module_add_region(struct module *m, op_id owner) {
    vec_push(&m->regions)->owner = owner;
    return (region_id){m->regions.count - 1};
}

/* -- names: those of the root are in a map; those of a fuse body are few and looked for -- */
static bool body_name_taken(const struct module *m, region_id region, const char *name) {
    const struct region *r = region_get(m, region);
    for (uint32_t i = 0; i < r->args.count; i++)
        if (!strcmp(value_get(m, r->args.at[i])->name, name)) return true;
    for (uint32_t i = 0; i < r->ops.count; i++) {
        const struct op *op = op_get(m, r->ops.at[i]);
        for (uint32_t k = 0; k < op->result_count; k++)
            if (!strcmp(value_get(m, op->result[k])->name, name)) return true;
    }
    return false;
}

static bool name_taken(const struct module *m, region_id region, const char *name) {
    if (region.i && region.i != m->root.i) return body_name_taken(m, region, name);
    return module_find_value(m, name).i != 0;
}

/* The number that was last appended to a wanted name: fresh names count up from it, so a thousand `relu` take
 * no quadratic search. Kept in the map of the names, under a key that starts with a NUL, which no name has in
 * it. */
static uint32_t *last_number(struct map *names, region_id region, const char *wanted) {
    char key[160] = {0};
    int length = 1 + snprintf(key + 1, sizeof key - 1, "%u %.120s", region.i, wanted);
    return map_put(names, key, (size_t)length, NULL);
}

const char *module_fresh_name(struct module *m, region_id region, const char *wanted) {
    if (!wanted || !*wanted) wanted = "v";
    if (!name_taken(m, region, wanted)) return arena_strdup(&m->arena, wanted);
    uint32_t *last = last_number(&m->value_names, region, wanted);
    for (uint32_t n = *last + 1;; n++) {
        const char *name = arena_printf(&m->arena, "%s.%u", wanted, n);
        if (name_taken(m, region, name)) continue;
        *last = n;
        return name;
    }
}

static value_id add_value(struct module *m, enum value_kind kind, region_id region, const char *name,
                          struct type type, struct loc loc) {
    const char *fresh = module_fresh_name(m, region, name);
    struct value *v = vec_push(&m->values);
    value_id id = {m->values.count - 1};
    v->kind = kind;
    v->type = type;
    v->name = fresh;
    v->loc = loc;
    v->region = region;
    if (!region.i || region.i == m->root.i) *map_put_str(&m->value_names, fresh, NULL) = id.i;
    return id;
}

value_id module_add_result(struct module *m, op_id op, uint32_t index, region_id region, const char *name,
                           struct type type, struct loc loc) {
    value_id id = add_value(m, VALUE_RESULT, region, name, type, loc);
    value_get(m, id)->op = op;
    value_get(m, id)->index = index;
    return id;
}

bool module_rename_value(struct module *m, value_id v, const char *name) {
    struct value *value = value_get(m, v);
    if (!strcmp(value->name, name)) return true;
    if (name_taken(m, value->region, name)) return false;
    value->name = arena_strdup(&m->arena, name);
    if (!value->region.i || value->region.i == m->root.i) *map_put_str(&m->value_names, name, NULL) = v.i;
    return true;
}

void module_take_name(struct module *m, value_id from, value_id to) {
    const char *name = value_get(m, from)->name;
    if (!module_rename_value(m, from, module_fresh_name(m, m->root, "replaced")) ||
        !module_rename_value(m, to, name))
        bug("the name %s cannot be taken over", name);
}

value_id module_find_value(const struct module *m, const char *name) {
    uint32_t *slot = map_get_str(&m->value_names, name);
    /* An entry stays behind when a value is renamed: it counts only while the value still has that name. */
    if (!slot || strcmp(m->values.at[*slot].name, name)) return (value_id){0};
    return (value_id){*slot};
}

value_id module_add_input(struct module *m, const char *name, struct type type, struct loc loc) {
    value_id id = add_value(m, VALUE_INPUT, (region_id){0}, name, type, loc);
    value_get(m, id)->index = m->inputs.count;
    *vec_push(&m->inputs) = id;
    return id;
}

weight_id module_find_weight(const struct module *m, const char *name) {
    uint32_t *slot = map_get_str(&m->weight_names, name);
    return (weight_id){slot ? *slot : 0};
}

weight_id module_add_weight(struct module *m, const char *name, struct tensor tensor, struct loc loc) {
    const char *fresh = arena_strdup(&m->arena, name);
    while (module_find_weight(m, fresh).i)
        fresh =
            arena_printf(&m->arena, "%s.%u", name, ++*last_number(&m->weight_names, (region_id){0}, name));
    *vec_push(&m->weights) = (struct weight){.name = fresh, .tensor = tensor, .loc = loc};
    *map_put_str(&m->weight_names, fresh, NULL) = m->weights.count - 1;
    return (weight_id){m->weights.count - 1};
}

value_id module_parameter(struct module *m, weight_id weight) {
    const struct weight *w = weight_get(m, weight);
    uint64_t key = (uint64_t)weight.i | (uint64_t)1 << 63;
    uint32_t *slot = map_put(&m->weight_names, &key, sizeof key, NULL);
    if (*slot) return (value_id){*slot};
    struct value *v = vec_push(&m->values);
    v->kind = VALUE_PARAMETER;
    v->name = w->name;
    v->loc = w->loc;
    v->weight = weight;
    v->type = type_make(w->tensor.elem, dims_from_ints(&m->types, w->tensor.dim, w->tensor.rank));
    *slot = m->values.count - 1;
    return (value_id){*slot};
}

value_id module_add_literal(struct module *m, struct tensor tensor) {
    struct value *v = vec_push(&m->values);
    v->kind = VALUE_LITERAL;
    v->name = "";
    v->literal = tensor;
    v->type = type_make(tensor.elem, dims_from_ints(&m->types, tensor.dim, tensor.rank));
    return (value_id){m->values.count - 1};
}

value_id module_literal_f32(struct module *m, float value) {
    return module_add_literal(m, tensor_scalar_f64(ELEM_f32, (double)value));
}

void module_add_output(struct module *m, const char *name, value_id value) {
    *vec_push(&m->outputs) = (struct output){arena_strdup(&m->arena, name), value};
}

void module_add_metadata(struct module *m, const char *key, const char *value) {
    *vec_push(&m->metadata) = (struct metadata){arena_strdup(&m->arena, key), arena_strdup(&m->arena, value)};
}

value_id region_add_argument(struct module *m, region_id region, const char *name, struct type type) {
    value_id id = add_value(m, VALUE_ARGUMENT, region, name, type, (struct loc){0});
    value_get(m, id)->index = region_get(m, region)->args.count;
    *vec_push(&region_get(m, region)->args) = id;
    return id;
}

const struct tensor *value_constant(const struct module *m, value_id v) {
    const struct value *value = value_get(m, v);
    if (value->kind == VALUE_PARAMETER) return &weight_get(m, value->weight)->tensor;
    return value->kind == VALUE_LITERAL ? &value->literal : NULL;
}
