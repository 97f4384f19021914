#include "ir/print.h"

#include <string.h>

/* -- names and numbers -- */
bool print_is_bare_name(const char *name) {
    static const char *const reserved[] = {
#define RESERVED(word, token) #word,
#include "ir/reserved.def"
    };
    static const char first[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_";
    if (!*name || !strchr(first, *name)) return false;
    for (const char *p = name + 1; *p; p++)
        if (!strchr(first, *p) && !(*p >= '0' && *p <= '9')) return false;
    for (size_t i = 0; i < COUNT_OF(reserved); i++)
        if (!strcmp(name, reserved[i])) return false;
    return elem_by_name(name) == ELEM_NONE;
}

void print_name(struct str *out, const char *name) {
    if (print_is_bare_name(name))
        str_add(out, name);
    else
        str_add_quoted(out, name);
}

static void print_element(const struct tensor *tensor, int64_t i, struct str *out) {
    switch (elem_kind(tensor->elem)) {
    case ELEM_KIND_BOOL:
        str_add(out, tensor_get_i64(tensor, i) ? "true" : "false");
        break;
    case ELEM_KIND_UINT:
        str_printf(out, "%llu", (unsigned long long)tensor_get_i64(tensor, i));
        break;
    case ELEM_KIND_INT:
        str_printf(out, "%lld", (long long)tensor_get_i64(tensor, i));
        break;
    default:
        if (tensor->elem == ELEM_f64)
            str_add_f64(out, tensor_get_f64(tensor, i));
        else
            str_add_f32(out, (float)tensor_get_f64(tensor, i));
    }
}

void print_numbers(const struct tensor *tensor, struct str *out) {
    str_add(out, "{");
    for (int64_t i = 0, n = tensor_count(tensor); i < n; i++) {
        if (i) str_add(out, ", ");
        print_element(tensor, i, out);
    }
    str_add(out, "}");
}

static void print_place(struct place place, struct str *out) {
    switch (place.space) {
    case PLACE_NONE:
        break;
    case PLACE_INPUT:
        str_printf(out, " at input(%u, %llu)", place.port, (unsigned long long)place.offset);
        break;
    case PLACE_OUTPUT:
        str_printf(out, " at output(%u, %llu)", place.port, (unsigned long long)place.offset);
        break;
    case PLACE_SCRATCH:
        str_printf(out, " at scratch(%llu)", (unsigned long long)place.offset);
        break;
    case PLACE_WEIGHTS:
        str_printf(out, " at weights(%llu)", (unsigned long long)place.offset);
        break;
    }
}

/* A scalar as `f32 0.5`, anything else as `i64[2] {1, 2}`. */
static void print_literal(const struct module *m, const struct value *v, struct str *out) {
    const struct tensor *tensor = &v->literal;
    if (!tensor->rank && !v->type.layout.i && !v->type.quant.i) {
        str_printf(out, "%s ", elem_name(tensor->elem));
        print_element(tensor, 0, out);
    } else {
        type_print(&m->types, v->type, out);
        str_add(out, " ");
        print_numbers(tensor, out);
    }
    print_place(v->place, out);
}

/* -- values -- */
/* Whether a value that is printed has this name: results of erased ops keep theirs. */
static bool is_value_name(const struct module *m, const char *name) {
    value_id v = module_find_value(m, name);
    return v.i && !(value_get(m, v)->kind == VALUE_RESULT && op_get(m, value_get(m, v)->op)->erased);
}

/* Weights have a name space of their own; @ says so where a value has the same name. */
static void print_value(const struct module *m, value_id id, struct str *out) {
    const struct value *v = value_get(m, id);
    if (v->kind == VALUE_LITERAL) {
        print_literal(m, v, out);
        return;
    }
    if (v->kind == VALUE_PARAMETER && is_value_name(m, v->name)) str_add_char(out, '@');
    print_name(out, v->name);
}

static void print_declaration(const struct module *m, value_id id, struct str *out) {
    const struct value *v = value_get(m, id);
    print_name(out, v->name);
    str_add(out, ": ");
    type_print(&m->types, v->type, out);
    print_place(v->place, out);
}

/* -- attributes -- */
static void print_attr(const struct module *m, const struct attr *attr, struct str *out) {
    str_printf(out, "%s = ", attr_name_text(attr->name));
    switch (attr_kind_of(attr->name)) {
    case ATTR_KIND_INT:
        str_printf(out, "%lld", (long long)attr->i);
        break;
    case ATTR_KIND_FLOAT:
        str_add_f64(out, attr->f);
        break;
    case ATTR_KIND_BOOL:
        str_add(out, attr->b ? "true" : "false");
        break;
    case ATTR_KIND_INTS:
        str_add(out, "[");
        for (uint32_t i = 0; i < attr->ints.count; i++)
            str_printf(out, "%s%lld", i ? ", " : "", (long long)attr->ints.at[i]);
        str_add(out, "]");
        break;
    case ATTR_KIND_FLOATS:
        str_add(out, "[");
        for (uint32_t i = 0; i < attr->floats.count; i++) {
            if (i) str_add(out, ", ");
            str_add_f64(out, attr->floats.at[i]);
        }
        str_add(out, "]");
        break;
    case ATTR_KIND_KEYWORD:
        str_add(out, keyword_text(attr->keyword));
        break;
    case ATTR_KIND_ELEM:
        str_add(out, elem_name(attr->elem));
        break;
    case ATTR_KIND_DIMS:
        dims_print(&m->types, attr->dims, out);
        break;
    case ATTR_KIND_LAYOUT:
        layout_print(&m->types, attr->layout, out);
        break;
    case ATTR_KIND_NONE:
    case ATTR_KIND_TENSOR:
        bug("attribute %s has no text form", attr_name_text(attr->name));
    }
}

static void print_schedule(const struct schedule *schedule, struct str *out) {
    const char *comma = "";
    str_add(out, " schedule(");
#define SCHEDULE(name, doc) str_printf(out, "%s%s = %u", comma, #name, schedule->name), comma = ", ";
#include "ir/schedule.def"
    str_add(out, ")");
}

/* -- ops -- */
static void print_line(const struct module *m, op_id id, int indent, struct str *out);

static void print_results(const struct module *m, const value_id *results, uint32_t count, struct str *out) {
    for (uint32_t i = 0; i < count; i++) {
        if (i) str_add(out, ", ");
        print_value(m, results[i], out);
    }
}

/* `fuse(x, w = "conv1.weight")`: an argument is named where its name is not that of its operand. */
static void print_fuse(const struct module *m, const struct op *op, int indent, struct str *out) {
    const struct region *body = region_get(m, op->body);
    str_add(out, "fuse(");
    for (uint32_t i = 0; i < op->operand_count; i++) {
        const char *name = value_get(m, body->args.at[i])->name;
        if (i) str_add(out, ", ");
        const struct value *operand = value_get(m, op->operand[i]);
        if (operand->kind == VALUE_LITERAL || strcmp(operand->name, name)) {
            print_name(out, name);
            str_add(out, " = ");
        }
        print_value(m, op->operand[i], out);
    }
    str_add(out, ") {\n");
    for (uint32_t i = 0; i < body->ops.count; i++)
        if (!op_get(m, body->ops.at[i])->erased) print_line(m, body->ops.at[i], indent + 2, out);
    str_printf(out, "%*sreturn ", indent + 2, "");
    print_results(m, body->results.at, body->results.count, out);
    str_printf(out, "\n%*s}", indent, "");
}

static void print_call(const struct module *m, const struct op *op, struct str *out) {
    const struct op_info *info = op_info(op->kind);
    const char *comma = "";
    bool skipped = false;
    str_printf(out, "%s(", info->name);
    for (uint32_t i = 0; i < op->operand_count; i++) {
        if (value_none(op->operand[i])) {
            skipped = true;
            continue;
        }
        str_add(out, comma);
        comma = ", ";
        if (skipped) {
            char name[32];
            op_info_operand_name(info, i, name);
            str_printf(out, "%s = ", name);
        }
        print_value(m, op->operand[i], out);
    }
    for (uint32_t i = 0; i < op_info_attrs(info); i++) {
        str_add(out, comma);
        comma = ", ";
        print_attr(m, &op->attr[i], out);
    }
    str_add(out, ")");
}

static void print_line(const struct module *m, op_id id, int indent, struct str *out) {
    const struct op *op = op_get(m, id);
    str_printf(out, "%*s", indent, "");
    for (uint32_t i = 0; i < op->result_count; i++) {
        if (i) str_add(out, ", ");
        print_declaration(m, op->result[i], out);
    }
    str_add(out, " = ");
    if (op->body.i)
        print_fuse(m, op, indent, out);
    else
        print_call(m, op, out);
    if (op->schedule) print_schedule(op->schedule, out);
    str_add(out, "\n");
}

void print_op(const struct module *m, op_id op, struct str *out) {
    print_line(m, op, 0, out);
}

/* -- modules -- */
static void print_head(const struct module *m, struct str *out) {
    str_add(out, "model ");
    print_name(out, m->name);
    if (m->target) {
        str_add(out, " target(");
        print_name(out, m->target);
        str_add(out, ")");
    }
    if (m->scratch_bytes) str_printf(out, " scratch(%llu)", (unsigned long long)m->scratch_bytes);
    str_add(out, "\n");
    for (uint32_t i = 0; i < m->weights_files.count; i++) {
        str_add(out, "weights ");
        str_add_quoted(out, m->weights_files.at[i].path);
        if (m->weights_files.at[i].prefix) {
            str_add(out, " as ");
            print_name(out, m->weights_files.at[i].prefix);
        }
        str_add(out, "\n");
    }
}

struct symbols {
    struct map seen;
    const struct types *types;
    struct str *out;
};

static void print_symbol(void *ctx, dim_id dim, const char *name) {
    struct symbols *symbols = ctx;
    bool is_new;
    (void)map_put_str(&symbols->seen, name, &is_new);
    if (!is_new) return;
    str_add(symbols->out, "dim ");
    print_name(symbols->out, name);
    str_printf(symbols->out, " in %lld..=%lld\n", (long long)dim_lo(symbols->types, dim),
               (long long)dim_hi(symbols->types, dim));
}

/* Symbols come from the types of the inputs and from nowhere else. */
static void print_symbols(const struct module *m, struct str *out) {
    struct symbols symbols = {.types = &m->types, .out = out};
    for (uint32_t i = 0; i < m->inputs.count; i++) {
        struct type type = value_get(m, m->inputs.at[i])->type;
        for (uint32_t d = 0; d < type_rank(&m->types, type); d++)
            dim_each_symbol(&m->types, dims_at(&m->types, type.shape, d), print_symbol, &symbols);
    }
    map_free(&symbols.seen);
}

/* Weights that nobody uses are not part of the model. */
static void print_weights(const struct module *m, struct str *out) {
    uint32_t *uses = module_count_uses(m);
    for (uint32_t i = 1; i < m->values.count; i++) {
        const struct value *v = &m->values.at[i];
        if (v->kind != VALUE_PARAMETER || !uses[i]) continue;
        const char *made_by = weight_get(m, v->weight)->made_by;
        str_add(out, "weight ");
        print_declaration(m, (value_id){i}, out);
        if (made_by) str_printf(out, " = %s", made_by);
        str_add(out, "\n");
    }
    free(uses);
}

static void print_outputs(const struct module *m, struct str *out) {
    for (uint32_t i = 0; i < m->outputs.count; i++) {
        const struct output *o = &m->outputs.at[i];
        const struct value *v = value_get(m, o->value);
        str_add(out, "output ");
        if (v->kind == VALUE_LITERAL || v->kind == VALUE_PARAMETER || strcmp(o->name, v->name)) {
            print_name(out, o->name);
            str_add(out, " = ");
        }
        print_value(m, o->value, out);
        str_add(out, "\n");
    }
}

static void print_plan(const char *plan, struct str *out) {
    str_add(out, "plan {\n");
    for (const char *line = plan; *line;) {
        size_t length = strcspn(line, "\n");
        str_add(out, "  ");
        str_add_bytes(out, line, length);
        str_add(out, "\n");
        line += length + (line[length] == '\n');
    }
    str_add(out, "}\n");
}

/* Starts a paragraph unless the text printed since `from` is empty. */
static size_t paragraph(struct str *out, size_t from) {
    if (out->length > from) str_add(out, "\n");
    return out->length;
}

void print_module(const struct module *m, struct str *out) {
    size_t from = out->length;
    print_head(m, out);
    from = paragraph(out, from);
    print_symbols(m, out);
    for (uint32_t i = 0; i < m->inputs.count; i++) {
        str_add(out, "input ");
        print_declaration(m, m->inputs.at[i], out);
        str_add(out, "\n");
    }
    from = paragraph(out, from);
    print_weights(m, out);
    from = paragraph(out, from);
    const struct region *root = region_get(m, m->root);
    for (uint32_t i = 0; i < root->ops.count; i++)
        if (!op_get(m, root->ops.at[i])->erased) print_line(m, root->ops.at[i], 0, out);
    from = paragraph(out, from);
    print_outputs(m, out);
    for (uint32_t i = 0; i < m->metadata.count; i++) {
        str_add(out, "metadata ");
        str_add_quoted(out, m->metadata.at[i].key);
        str_add(out, " = ");
        str_add_quoted(out, m->metadata.at[i].value);
        str_add(out, "\n");
    }
    if (m->plan) {
        paragraph(out, from);
        print_plan(m->plan, out);
    }
}
