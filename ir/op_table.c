#include "ir/ops/functions.h"

#include <math.h>
#include <string.h>

enum status expand_none(struct builder *b, const struct op *op, value_id *out) {
    (void)b;
    (void)out;
    bug("expand of the primitive op %s", op_info(op->kind)->name);
}

#define A_INT(name, fill)                                                                                    \
    { ATTR_##name, false, 1, fill }
#define A_FLOAT(name, fill)                                                                                  \
    { ATTR_##name, false, 1, fill }
#define A_BOOL(name, fill)                                                                                   \
    { ATTR_##name, false, 1, fill }
#define A_KEYWORD(name, word)                                                                                \
    { ATTR_##name, false, 1, KEYWORD_##word }
#define A_INTS(name, count, fill)                                                                            \
    { ATTR_##name, false, count, fill }
#define A_FLOATS(name)                                                                                       \
    { ATTR_##name, false, 0, 0 }
#define R_FLOAT(name)                                                                                        \
    { ATTR_##name, true, 1, 0 }
#define A_ELEM(name, elem)                                                                                   \
    { ATTR_##name, false, 1, ELEM_##elem }
#define R_INT(name)                                                                                          \
    { ATTR_##name, true, 1, 0 }
#define R_INTS(name, count)                                                                                  \
    { ATTR_##name, true, count, 0 }
#define R_ELEM(name)                                                                                         \
    { ATTR_##name, true, 1, 0 }
#define R_DIMS(name)                                                                                         \
    { ATTR_##name, true, 0, 0 }
#define R_LAYOUT(name)                                                                                       \
    { ATTR_##name, true, 1, 0 }

/* In parentheses, so that a list with commas passes through the row macros as one argument. */
#define ATTRS(...) (__VA_ARGS__, {ATTR_NONE, false, 0, 0})
#define NO_ATTRS ({ATTR_NONE, false, 0, 0})
#define UNPARENTHESIZE(...) __VA_ARGS__

static const struct op_info table[OP_COUNT] = {
#define OP(id, class_, traits_, operands_, results_, elems_, attrs_, infer_, eval_, channels_, footprint_,   \
           expand_, summary_, example_)                                                                      \
    [OP_##id] = {.name = #id,                                                                                \
                 .class = class_,                                                                            \
                 .traits = traits_,                                                                          \
                 .operands = operands_,                                                                      \
                 .results = results_,                                                                        \
                 .elems = elems_,                                                                            \
                 .attrs = (const struct attr_spec[]){UNPARENTHESIZE attrs_},                                 \
                 .infer = infer_,                                                                            \
                 .eval = eval_,                                                                              \
                 .channels = channels_,                                                                      \
                 .footprint = footprint_,                                                                    \
                 .expand = expand_,                                                                          \
                 .summary = summary_,                                                                        \
                 .example = example_},
#include "ir/ops.def"
};

const struct op_info *op_info(enum op_kind kind) {
    check(kind > OP_NONE && kind < OP_COUNT);
    return &table[kind];
}

enum op_kind op_by_name(const char *name) {
    for (enum op_kind k = OP_NONE + 1; k < OP_COUNT; k++)
        if (!strcmp(table[k].name, name)) return k;
    return OP_NONE;
}

uint32_t op_info_operands(const struct op_info *info, uint32_t *out_required) {
    uint32_t names = 1, optional = 0;
    for (const char *p = info->operands; *p; p++) names += *p == ',', optional += *p == '?';
    if (out_required) *out_required = names - optional;
    return names;
}

void op_info_operand_name(const struct op_info *info, uint32_t i, char out[32]) {
    uint32_t last = op_info_operands(info, NULL) - 1;
    const char *p = info->operands;
    for (uint32_t skip = i < last ? i : last; skip; skip--) p = strchr(p, ',') + 2;
    size_t length = strcspn(p, ",?");
    check(length < 32);
    memcpy(out, p, length);
    out[length] = 0;
}

uint32_t op_info_attrs(const struct op_info *info) {
    uint32_t n = 0;
    while (info->attrs[n].name) n++;
    return n;
}

const struct attr_spec *op_info_attr(const struct op_info *info, enum attr_name name) {
    for (const struct attr_spec *s = info->attrs; s->name; s++)
        if (s->name == name) return s;
    return NULL;
}
