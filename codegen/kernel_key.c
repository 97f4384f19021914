#include "codegen/kernel_key.h"

#include <string.h>

struct keyer {
    const struct module *m;
    struct str *out;
    struct map numbers; /* value -> its number in order of appearance */
};

static void add_bytes(struct keyer *k, const void *bytes, size_t length) {
    const unsigned char *p = bytes;
    for (size_t i = 0; i < length; i++) str_printf(k->out, "%02x", p[i]);
}

static void add_type(struct keyer *k, struct type type) {
    type_print(&k->m->types, type, k->out);
}

static void add_value(struct keyer *k, value_id v) {
    const struct value *value = value_get(k->m, v);
    if (!v.i) {
        str_add(k->out, "-");
    } else if (value->kind == VALUE_LITERAL) {
        add_type(k, value->type);
        str_add(k->out, "=");
        add_bytes(k, value->literal.data, tensor_bytes(&value->literal));
    } else {
        bool is_new;
        uint32_t *number = map_put(&k->numbers, &v.i, sizeof v.i, &is_new);
        if (is_new) *number = k->numbers.count;
        str_printf(k->out, "%%%u:", *number);
        add_type(k, value->type);
    }
    str_add_char(k->out, ' ');
}

static void add_attr(struct keyer *k, const struct attr *a) {
    str_printf(k->out, "%s=", attr_name_text(a->name));
    switch (attr_kind_of(a->name)) {
    case ATTR_KIND_INTS:
        add_bytes(k, a->ints.at, a->ints.count * sizeof *a->ints.at);
        break;
    case ATTR_KIND_FLOATS:
        add_bytes(k, a->floats.at, a->floats.count * sizeof *a->floats.at);
        break;
    case ATTR_KIND_FLOAT:
        add_bytes(k, &a->f, sizeof a->f);
        break;
    case ATTR_KIND_BOOL:
        str_printf(k->out, "%d", a->b);
        break;
    case ATTR_KIND_KEYWORD:
        str_add(k->out, keyword_text(a->keyword));
        break;
    case ATTR_KIND_ELEM:
        str_add(k->out, elem_name(a->elem));
        break;
    case ATTR_KIND_DIMS:
        dims_print(&k->m->types, a->dims, k->out);
        break;
    case ATTR_KIND_LAYOUT:
        layout_print(&k->m->types, a->layout, k->out);
        break;
    default:
        str_printf(k->out, "%lld", (long long)a->i);
    }
    str_add_char(k->out, ' ');
}

static void add_op(struct keyer *k, const struct op *op);

static void add_body(struct keyer *k, region_id body) {
    const struct region *r = region_get(k->m, body);
    str_add(k->out, "{ ");
    for (uint32_t i = 0; i < r->args.count; i++) add_value(k, r->args.at[i]);
    str_add(k->out, "\n");
    for (uint32_t i = 0; i < r->ops.count; i++) add_op(k, op_get(k->m, r->ops.at[i]));
    str_add(k->out, "return ");
    for (uint32_t i = 0; i < r->results.count; i++) add_value(k, r->results.at[i]);
    str_add(k->out, "}");
}

static void add_schedule(struct keyer *k, const struct schedule *s) {
#define SCHEDULE(name, doc) str_printf(k->out, #name "=%u ", s->name);
#include "ir/schedule.def"
}

static void add_op(struct keyer *k, const struct op *op) {
    const struct op_info *info = op_info(op->kind);
    for (uint32_t i = 0; i < op->result_count; i++) add_value(k, op->result[i]);
    str_printf(k->out, "= %s ", info->name);
    for (uint32_t i = 0; i < op->operand_count; i++) add_value(k, op->operand[i]);
    for (uint32_t i = 0; info->attrs[i].name; i++) add_attr(k, &op->attr[i]);
    if (op->schedule) add_schedule(k, op->schedule);
    if (op->body.i) add_body(k, op->body);
    str_add(k->out, "\n");
}

void kernel_key(const struct module *m, op_id op, struct str *out) {
    struct keyer k = {.m = m, .out = out};
    add_op(&k, op_get(m, op));
    map_free(&k.numbers);
}
