#include "ir/op.h"

#include <string.h>

static const struct {
    const char *text;
    enum attr_kind kind;
    const char *doc;
} names[ATTR_COUNT] = {
#define ATTR(name, kind, doc) [ATTR_##name] = {#name, ATTR_KIND_##kind, doc},
#include "ir/attrs.def"
};

static const char *const keywords[KEYWORD_COUNT] = {
#define KEYWORD(name) [KEYWORD_##name] = #name,
#include "ir/keywords.def"
};

const char *attr_name_text(enum attr_name name) {
    return names[name].text;
}
enum attr_kind attr_kind_of(enum attr_name name) {
    return names[name].kind;
}
const char *attr_doc(enum attr_name name) {
    return names[name].doc;
}

enum attr_name attr_by_name(const char *text) {
    for (enum attr_name n = ATTR_NONE + 1; n < ATTR_COUNT; n++)
        if (!strcmp(names[n].text, text)) return n;
    return ATTR_NONE;
}

const char *keyword_text(enum keyword keyword) {
    return keyword == KEYWORD_NONE_GIVEN ? "?" : keywords[keyword];
}

enum keyword keyword_by_name(const char *text) {
    for (enum keyword k = KEYWORD_NONE_GIVEN + 1; k < KEYWORD_COUNT; k++)
        if (!strcmp(keywords[k], text)) return k;
    return KEYWORD_NONE_GIVEN;
}

/* -- making -- */
struct attr attr_int(enum attr_name name, int64_t value) {
    return (struct attr){.name = name, .i = value};
}
struct attr attr_float(enum attr_name name, double value) {
    return (struct attr){.name = name, .f = value};
}
struct attr attr_bool(enum attr_name name, bool value) {
    return (struct attr){.name = name, .b = value};
}
struct attr attr_elem(enum attr_name name, enum elem elem) {
    return (struct attr){.name = name, .elem = elem};
}
struct attr attr_dims(enum attr_name name, dims_id dims) {
    return (struct attr){.name = name, .dims = dims};
}
struct attr attr_layout(enum attr_name name, layout_id l) {
    return (struct attr){.name = name, .layout = l};
}
struct attr attr_keyword(enum attr_name name, enum keyword k) {
    return (struct attr){.name = name, .keyword = k};
}

struct attr attr_ints(struct module *m, enum attr_name name, const int64_t *at, uint32_t count) {
    struct attr a = {.name = name};
    a.ints.at = arena_copy(&m->arena, at, count * sizeof *at);
    a.ints.count = count;
    return a;
}

struct attr attr_floats(struct module *m, enum attr_name name, const double *at, uint32_t count) {
    struct attr a = {.name = name};
    a.floats.at = arena_copy(&m->arena, at, count * sizeof *at);
    a.floats.count = count;
    return a;
}

/* -- reading -- */
const struct attr *op_attr(const struct op *op, enum attr_name name) {
    const struct op_info *info = op_info(op->kind);
    for (uint32_t i = 0; info->attrs[i].name; i++)
        if (info->attrs[i].name == name) return &op->attr[i];
    bug("op %s has no attribute %s", info->name, attr_name_text(name));
}

int64_t op_int(const struct op *op, enum attr_name name) {
    return op_attr(op, name)->i;
}
double op_float(const struct op *op, enum attr_name name) {
    return op_attr(op, name)->f;
}
bool op_bool(const struct op *op, enum attr_name name) {
    return op_attr(op, name)->b;
}
enum keyword op_keyword(const struct op *op, enum attr_name name) {
    return op_attr(op, name)->keyword;
}

const int64_t *op_ints(const struct op *op, enum attr_name name, uint32_t *count) {
    const struct attr *a = op_attr(op, name);
    if (count) *count = a->ints.count;
    return a->ints.at;
}

const double *op_floats(const struct op *op, enum attr_name name, uint32_t *count) {
    const struct attr *a = op_attr(op, name);
    if (count) *count = a->floats.count;
    return a->floats.at;
}
