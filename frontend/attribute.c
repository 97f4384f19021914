/* Attributes: constants converted to the kind that the op's specification wants. */
#include "frontend/elaborate.h"

#include <string.h>

struct wanted {
    struct elab *e;
    const struct op_info *info;
    const struct attr_spec *spec;
};

static enum status mismatch(const struct wanted *w, const struct constant *c, const char *expected) {
    return diag_error(w->e->diag, c->loc, "%s: attribute %s must be %s, found %s", w->info->name,
                      attr_name_text(w->spec->name), expected, constant_text(c));
}

/* A list of exactly spec->count items, or of any number if that is 0. A single item stands for all. */
static enum status items_of(const struct wanted *w, const struct constant *c, const struct constant **at,
                            uint32_t *count) {
    if (c->kind == CONSTANT_LIST) {
        *at = c->list.at;
        *count = c->list.count;
        if (!w->spec->count || *count == w->spec->count) return STATUS_OK;
        return diag_error(w->e->diag, c->loc, "%s: attribute %s has %u numbers, expected %u, or one for all",
                          w->info->name, attr_name_text(w->spec->name), *count, w->spec->count);
    }
    *count = w->spec->count ? w->spec->count : 1;
    struct constant *same = arena_array(&w->e->arena, struct constant, *count);
    for (uint32_t i = 0; i < *count; i++) same[i] = *c;
    *at = same;
    return STATUS_OK;
}

static enum status ints_attr(const struct wanted *w, const struct constant *c, struct attr *out) {
    const struct constant *at;
    uint32_t count;
    TRY(items_of(w, c, &at, &count));
    int64_t *ints = arena_array(&w->e->arena, int64_t, count);
    for (uint32_t i = 0; i < count; i++) {
        if (at[i].kind != CONSTANT_INT) return mismatch(w, &at[i], "a list of integers");
        ints[i] = at[i].i;
    }
    *out = attr_ints(w->e->m, w->spec->name, ints, count);
    return STATUS_OK;
}

static enum status float_of(const struct wanted *w, const struct constant *c, const char *expected,
                            double *out) {
    if (c->kind != CONSTANT_FLOAT && c->kind != CONSTANT_INT) return mismatch(w, c, expected);
    *out = c->kind == CONSTANT_INT ? (double)c->i : c->f;
    return STATUS_OK;
}

static enum status floats_attr(const struct wanted *w, const struct constant *c, struct attr *out) {
    const struct constant *at;
    uint32_t count;
    TRY(items_of(w, c, &at, &count));
    double *floats = arena_array(&w->e->arena, double, count);
    for (uint32_t i = 0; i < count; i++) TRY(float_of(w, &at[i], "a list of numbers", &floats[i]));
    *out = attr_floats(w->e->m, w->spec->name, floats, count);
    return STATUS_OK;
}

static enum status dims_attr(const struct wanted *w, const struct constant *c, struct attr *out) {
    const struct constant *at;
    uint32_t count;
    dim_id dims[MAX_RANK];
    TRY(items_of(w, c, &at, &count));
    if (count > MAX_RANK)
        return diag_error(w->e->diag, c->loc, "%s: attribute %s has %u dimensions; at most %d are possible",
                          w->info->name, attr_name_text(w->spec->name), count, MAX_RANK);
    for (uint32_t i = 0; i < count; i++) TRY(constant_dim(w->e, &at[i], &dims[i]));
    *out = attr_dims(w->spec->name, dims_make(&w->e->m->types, dims, count));
    return STATUS_OK;
}

static enum status keyword_attr(const struct wanted *w, const struct constant *c, struct attr *out) {
    if (c->kind != CONSTANT_WORD) return mismatch(w, c, "a keyword");
    enum keyword keyword = keyword_by_name(c->word);
    if (keyword == KEYWORD_NONE_GIVEN) {
        struct near near = near_to(c->word);
        for (enum keyword k = KEYWORD_NONE_GIVEN + 1; k < KEYWORD_COUNT; k++)
            near_offer(&near, keyword_text(k));
        return diag_error(w->e->diag, c->loc, "%s: attribute %s has no value '%s'%s", w->info->name,
                          attr_name_text(w->spec->name), c->word, near_hint(&near, &w->e->arena));
    }
    *out = attr_keyword(w->spec->name, keyword);
    return STATUS_OK;
}

enum status eval_attr(struct elab *e, const struct scope *scope, const struct op_info *info,
                      const struct attr_spec *spec, const struct ast_arg *arg, struct attr *out) {
    struct wanted w = {e, info, spec};
    struct constant c;
    TRY(eval_constant(e, scope, arg->expr, &c));
    switch (attr_kind_of(spec->name)) {
    case ATTR_KIND_INT:
        if (c.kind != CONSTANT_INT) return mismatch(&w, &c, "an integer");
        *out = attr_int(spec->name, c.i);
        return STATUS_OK;
    case ATTR_KIND_FLOAT:
        *out = attr_float(spec->name, 0);
        return float_of(&w, &c, "a number", &out->f);
    case ATTR_KIND_BOOL:
        if (c.kind != CONSTANT_BOOL) return mismatch(&w, &c, "true or false");
        *out = attr_bool(spec->name, c.b);
        return STATUS_OK;
    case ATTR_KIND_ELEM:
        if (c.kind != CONSTANT_ELEM) return mismatch(&w, &c, "an element type");
        *out = attr_elem(spec->name, c.elem);
        return STATUS_OK;
    case ATTR_KIND_LAYOUT:
        if (c.kind != CONSTANT_LAYOUT) return mismatch(&w, &c, "a layout");
        *out = attr_layout(spec->name, c.layout);
        return STATUS_OK;
    case ATTR_KIND_INTS:
        return ints_attr(&w, &c, out);
    case ATTR_KIND_FLOATS:
        return floats_attr(&w, &c, out);
    case ATTR_KIND_DIMS:
        return dims_attr(&w, &c, out);
    case ATTR_KIND_KEYWORD:
        return keyword_attr(&w, &c, out);
    case ATTR_KIND_TENSOR:
    case ATTR_KIND_NONE:
        break;
    }
    bug("attribute %s has no text form", attr_name_text(spec->name));
}
