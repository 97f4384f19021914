#include "ir/op.h"

#include <string.h>

struct builder builder_at_end(struct module *m, region_id region, struct diag *diag) {
    return (struct builder){.m = m, .region = region, .at = UINT32_MAX, .diag = diag};
}

struct builder builder_before(struct module *m, op_id op, struct diag *diag) {
    const struct op *o = op_get(m, op);
    const struct region *r = region_get(m, o->region);
    uint32_t at = 0;
    while (at < r->ops.count && r->ops.at[at].i != op.i) at++;
    check(at < r->ops.count);
    return (struct builder){m, o->region, at, o->loc, diag};
}

struct builder builder_at(struct module *m, uint32_t position, struct diag *diag) {
    struct loc loc = op_get(m, region_get(m, m->root)->ops.at[position])->loc;
    return (struct builder){m, m->root, position, loc, diag};
}

static void place(struct builder *b, op_id op) {
    struct region *r = region_get(b->m, b->region);
    *vec_push(&r->ops) = op;
    if (b->at == UINT32_MAX) return;
    memmove(&r->ops.at[b->at + 1], &r->ops.at[b->at], (r->ops.count - 1 - b->at) * sizeof *r->ops.at);
    r->ops.at[b->at++] = op;
}

/* -- attributes -- */
static struct attr default_attr(struct module *m, const struct attr_spec *spec) {
    struct attr a = {.name = spec->name};
    switch (attr_kind_of(spec->name)) {
    case ATTR_KIND_INT:
        a.i = (int64_t)spec->fill;
        break;
    case ATTR_KIND_FLOAT:
        a.f = spec->fill;
        break;
    case ATTR_KIND_BOOL:
        a.b = spec->fill != 0;
        break;
    case ATTR_KIND_KEYWORD:
        a.keyword = (enum keyword)spec->fill;
        break;
    case ATTR_KIND_ELEM:
        a.elem = (enum elem)spec->fill;
        break;
    case ATTR_KIND_INTS: {
        int64_t *at = arena_array(&m->arena, int64_t, spec->count);
        for (uint32_t i = 0; i < spec->count; i++) at[i] = (int64_t)spec->fill;
        a.ints.at = at;
        a.ints.count = spec->count;
        break;
    }
    default:
        break; /* lists are empty, layouts plain */
    }
    return a;
}

static enum status check_list(struct builder *b, const char *op, const struct attr_spec *spec,
                              const struct attr *a) {
    if (attr_kind_of(spec->name) != ATTR_KIND_INTS || !spec->count || a->ints.count == spec->count)
        return STATUS_OK;
    return diag_error(b->diag, b->loc, "%s: attribute %s has %u numbers, expected %u", op,
                      attr_name_text(spec->name), a->ints.count, spec->count);
}

static enum status fill_attrs(struct builder *b, const struct op_info *info, const struct attr *given,
                              uint32_t count, const struct attr **out) {
    uint32_t n = op_info_attrs(info);
    struct attr *all = arena_array(&b->m->arena, struct attr, n);
    for (uint32_t g = 0; g < count; g++)
        if (!op_info_attr(info, given[g].name))
            return diag_error(b->diag, b->loc, "%s has no attribute %s", info->name,
                              attr_name_text(given[g].name));
    for (uint32_t i = 0; i < n; i++) {
        const struct attr *found = NULL;
        for (uint32_t g = 0; g < count; g++)
            if (given[g].name == info->attrs[i].name) found = &given[g];
        if (!found && info->attrs[i].required)
            return diag_error(b->diag, b->loc, "%s needs the attribute %s", info->name,
                              attr_name_text(info->attrs[i].name));
        all[i] = found ? *found : default_attr(b->m, &info->attrs[i]);
        TRY(check_list(b, info->name, &info->attrs[i], &all[i]));
    }
    *out = all;
    return STATUS_OK;
}

/* -- operands -- */
static enum status check_operands(struct builder *b, const struct op_info *info, const value_id *operands,
                                  uint32_t count) {
    uint32_t required, names = op_info_operands(info, &required);
    bool variadic = (info->traits & TRAIT_VARIADIC) != 0;
    if (count < required || (count > names && !variadic)) {
        const char *bound = variadic ? "at least " : required < names && count < required ? "at least " : "";
        return diag_error(b->diag, b->loc, "%s takes %s%u operands (%s), found %u", info->name, bound,
                          count < required || variadic ? required : names, info->operands, count);
    }
    for (uint32_t i = 0; i < count; i++) {
        char name[32];
        op_info_operand_name(info, i, name);
        if (value_none(operands[i]) && (i < required || variadic))
            return diag_error(b->diag, b->loc, "%s: operand %s is left out", info->name, name);
    }
    if (!count || value_none(operands[0])) return STATUS_OK;
    struct type type = value_get(b->m, operands[0])->type;
    enum elem elem = type.elem;
    bool decoded = type.quant.i && (info->traits & (TRAIT_QUANT_SUMS | TRAIT_QUANT_DECODES));
    if (decoded || elem_in(elem, info->elems)) return STATUS_OK;
    char name[32];
    op_info_operand_name(info, 0, name);
    struct str expected = {0};
    for (enum elem e = ELEM_NONE + 1; e < ELEM_COUNT; e++)
        if (elem_in(e, info->elems)) str_printf(&expected, "%s%s", expected.length ? ", " : "", elem_name(e));
    diag_error(b->diag, b->loc, "%s: operand %s is %s, expected one of %s", info->name, name, elem_name(elem),
               str_text(&expected));
    str_free(&expected);
    return STATUS_FAILED;
}

static op_id new_op(struct builder *b, enum op_kind kind, const value_id *operands, uint32_t count) {
    struct op *op = vec_push(&b->m->ops);
    op->kind = kind;
    op->loc = b->loc;
    op->region = b->region;
    op->operand = arena_copy(&b->m->arena, operands, count * sizeof *operands);
    op->operand_count = count;
    return (op_id){b->m->ops.count - 1};
}

static enum status add_results(struct builder *b, op_id id, const char *const *names) {
    struct infer infer = {.m = b->m, .op = op_get(b->m, id), .diag = b->diag, .result_count = 1};
    TRY(infer_types(&infer));
    check(infer.result_count <= MAX_RESULTS);
    value_id *result = arena_array(&b->m->arena, value_id, infer.result_count);
    for (uint32_t i = 0; i < infer.result_count; i++) {
        const char *name = names && names[i] ? names[i] : op_info(op_get(b->m, id)->kind)->name;
        result[i] = module_add_result(b->m, id, i, b->region, name, infer.results[i], b->loc);
    }
    op_get(b->m, id)->result = result;
    op_get(b->m, id)->result_count = infer.result_count;
    return STATUS_OK;
}

op_id build_op(struct builder *b, enum op_kind kind, const value_id *operands, uint32_t operand_count,
               const struct attr *attrs, uint32_t attr_count, const char *const *names) {
    const struct op_info *info = op_info(kind);
    while (operand_count && value_none(operands[operand_count - 1]))
        operand_count--; /* optional ones at the end */
    const struct attr *all = NULL;
    if (check_operands(b, info, operands, operand_count) != STATUS_OK) return (op_id){0};
    if (fill_attrs(b, info, attrs, attr_count, &all) != STATUS_OK) return (op_id){0};
    op_id id = new_op(b, kind, operands, operand_count);
    op_get(b->m, id)->attr = all;
    if (add_results(b, id, names) != STATUS_OK) {
        op_get(b->m, id)->erased = true;
        return (op_id){0};
    }
    place(b, id);
    return id;
}

value_id build(struct builder *b, enum op_kind kind, const value_id *operands, uint32_t operand_count,
               const struct attr *attrs, uint32_t attr_count, const char *name) {
    op_id op = build_op(b, kind, operands, operand_count, attrs, attr_count, name ? &name : NULL);
    return op.i ? op_get(b->m, op)->result[0] : (value_id){0};
}

op_id build_fuse_begin(struct builder *b, const value_id *operands, uint32_t operand_count) {
    op_id id = new_op(b, OP_fuse, operands, operand_count);
    region_id body = module_add_region(b->m, id);
    struct op *op = op_get(b->m, id);
    op->body = body;
    op->attr = arena_array(&b->m->arena, struct attr, 1);
    for (uint32_t i = 0; i < operand_count; i++) {
        const struct value *v = value_get(b->m, operands[i]);
        region_add_argument(b->m, body, v->kind == VALUE_LITERAL ? "c" : v->name, v->type);
    }
    return id;
}

enum status build_fuse_end(struct builder *b, op_id fuse, const char *const *names) {
    TRY(add_results(b, fuse, names));
    place(b, fuse);
    return STATUS_OK;
}
