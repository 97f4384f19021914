/* The reference of all ops as Markdown, from the op table. */
#include "ir/op.h"

static const char *const class_title[] = {
    [CLASS_POINTWISE] = "Pointwise",  [CLASS_CONTRACTION] = "Contractions",
    [CLASS_REDUCTION] = "Reductions", [CLASS_NORMALIZATION] = "Normalizations",
    [CLASS_MOVEMENT] = "Movement",    [CLASS_INDEXING] = "Indexing",
    [CLASS_STRUCTURE] = "Structure",
};

static void add_elems(elem_set elems, struct str *out) {
    static const struct {
        elem_set set;
        const char *text;
    } named[] = {{ELEMS_ANY, "any"},
                 {ELEMS_NUMERIC, "numbers"},
                 {ELEMS_SIGNED, "signed numbers"},
                 {ELEMS_INT, "integers"},
                 {ELEMS_FLOAT, "floats"}};
    for (size_t i = 0; i < COUNT_OF(named); i++)
        if (elems == named[i].set) {
            str_add(out, named[i].text);
            return;
        }
    const char *comma = "";
    for (enum elem e = ELEM_NONE + 1; e < ELEM_COUNT; e++)
        if (elem_in(e, elems)) str_printf(out, "%s%s", comma, elem_name(e)), comma = ", ";
}

static void add_default(const struct attr_spec *spec, struct str *out) {
    switch (attr_kind_of(spec->name)) {
    case ATTR_KIND_INT:
        str_printf(out, "%lld", (long long)spec->fill);
        break;
    case ATTR_KIND_FLOAT:
        str_add_f64(out, spec->fill);
        break;
    case ATTR_KIND_BOOL:
        str_add(out, spec->fill != 0 ? "true" : "false");
        break;
    case ATTR_KIND_KEYWORD:
        str_add(out, keyword_text((enum keyword)spec->fill));
        break;
    case ATTR_KIND_INTS:
        str_add(out, "[");
        for (uint32_t i = 0; i < spec->count; i++)
            str_printf(out, "%s%lld", i ? ", " : "", (long long)spec->fill);
        str_add(out, "]");
        break;
    default:
        str_add(out, "[]");
    }
}

/* `conv2d(x, w, b?, stride = [1, 1], …)`: attributes that must be given have no default. */
static void add_signature(const struct op_info *info, struct str *out) {
    str_printf(out, "%s(%s%s", info->name, info->operands, info->traits & TRAIT_VARIADIC ? ", …" : "");
    for (const struct attr_spec *s = info->attrs; s->name; s++) {
        str_printf(out, ", %s", attr_name_text(s->name));
        if (s->required) continue;
        str_add(out, " = ");
        add_default(s, out);
    }
    str_add(out, ")");
}

static void add_op(const struct op_info *info, struct str *out) {
    static const char *const kinds[] = {
        [ATTR_KIND_INT] = "integer",       [ATTR_KIND_FLOAT] = "float",     [ATTR_KIND_BOOL] = "bool",
        [ATTR_KIND_INTS] = "integers",     [ATTR_KIND_FLOATS] = "floats",   [ATTR_KIND_KEYWORD] = "keyword",
        [ATTR_KIND_ELEM] = "element type", [ATTR_KIND_DIMS] = "dimensions", [ATTR_KIND_LAYOUT] = "layout",
        [ATTR_KIND_TENSOR] = "tensor",     [ATTR_KIND_NONE] = "",
    };
    str_printf(out, "#### %s\n\n`", info->name);
    add_signature(info, out);
    str_printf(out, "`\n\n%s.\n\n", info->summary);
    str_printf(out, "- %s: ", op_info_operands(info, NULL) > 1 ? "first operand" : "operand");
    add_elems(info->elems, out);
    str_add(out, "\n");
    for (const struct attr_spec *s = info->attrs; s->name; s++)
        str_printf(out, "- `%s` (%s): %s%s\n", attr_name_text(s->name), kinds[attr_kind_of(s->name)],
                   attr_doc(s->name), s->required ? "; must be given" : "");
    str_printf(out, "- example: `%s`\n\n", info->example);
}

void op_table_markdown(struct str *out) {
    for (size_t c = 0; c < COUNT_OF(class_title); c++) {
        str_printf(out, "### %s\n\n", class_title[c]);
        for (enum op_kind k = OP_NONE + 1; k < OP_COUNT; k++)
            if (op_info(k)->class == (enum op_class)c) add_op(op_info(k), out);
    }
}
