#include "test/support/fuzz/edit.h"

#include "test/support/fuzz/data.h"

#include <stdlib.h>
#include <string.h>

struct editor {
    const struct module *from;
    const struct edit *edit;
    struct module *to;
    struct builder b;
    value_id *map; /* by value of `from` */
    bool *needed;  /* by value of `from` */
};

bool edit_possible(const struct module *m) {
    const struct region *root = region_get(m, m->root);
    for (uint32_t i = 0; i < root->ops.count; i++)
        if (op_get(m, root->ops.at[i])->body.i) return false;
    return true;
}

static value_id replaced(const struct editor *e, value_id v) {
    return e->edit->from.i && value_same(v, e->edit->from) ? e->edit->to : v;
}

static bool keeps_operand(const struct editor *e, op_id op, uint32_t i) {
    return e->edit->without.i != op.i || e->edit->operand != i;
}

/* -- what is needed -- */
static void need(struct editor *e) {
    const struct module *m = e->from;
    const struct region *root = region_get(m, m->root);
    for (uint32_t i = 0; i < m->outputs.count; i++)
        if (!e->edit->drop_output || !e->edit->drop_output[i])
            e->needed[replaced(e, m->outputs.at[i].value).i] = true;
    for (uint32_t i = root->ops.count; i-- > 0;) {
        op_id id = root->ops.at[i];
        const struct op *op = op_get(m, id);
        bool live = e->edit->keep_dead;
        for (uint32_t r = 0; r < op->result_count; r++)
            live = live || (e->needed[op->result[r].i] && !value_same(op->result[r], e->edit->cut));
        if (!live) continue;
        for (uint32_t r = 0; r < op->result_count; r++) e->needed[op->result[r].i] = true;
        for (uint32_t k = 0; k < op->operand_count; k++)
            if (keeps_operand(e, id, k)) e->needed[replaced(e, op->operand[k]).i] = true;
    }
}

/* -- leaves -- */
static int64_t changed_extent(const struct editor *e, value_id leaf, uint32_t axis, int64_t extent) {
    const struct edit *edit = e->edit;
    if (!edit->change_extent || extent != edit->extent.from) return extent;
    if (edit->leaf.i && (!value_same(leaf, edit->leaf) || axis != edit->axis)) return extent;
    return edit->extent.to;
}

static struct type copy_type(struct editor *e, value_id v) {
    int64_t dim[MAX_RANK];
    struct type type = value_get(e->from, v)->type;
    check(type_static(&e->from->types, type, dim));
    uint32_t rank = type_rank(&e->from->types, type);
    for (uint32_t i = 0; i < rank; i++) dim[i] = changed_extent(e, v, i, dim[i]);
    return type_make(type.elem, dims_from_ints(&e->to->types, dim, rank));
}

/* The first elements, over and over. */
static value_id copy_literal(struct editor *e, value_id v) {
    const struct tensor *old = &value_get(e->from, v)->literal;
    struct tensor t = tensor_new_of(&e->to->types, copy_type(e, v));
    size_t bytes = elem_bytes(t.elem);
    int64_t n = tensor_count(old);
    for (int64_t i = 0; n && i < tensor_count(&t); i++)
        memcpy((char *)t.data + (size_t)i * bytes, (const char *)old->data + (size_t)(i % n) * bytes, bytes);
    return module_add_literal(e->to, t);
}

static value_id copy_weight(struct editor *e, value_id v) {
    const struct weight *w = weight_get(e->from, value_get(e->from, v)->weight);
    struct type type = copy_type(e, v);
    if (w->made_by && !strncmp(w->made_by, "random(", 7)) return fuzz_weight_again(e->to, w, type);
    /* Data of another origin stays as it is. */
    weight_id copy = module_add_weight(e->to, w->name, tensor_copy(&w->tensor), w->loc);
    weight_get(e->to, copy)->made_by = w->made_by ? arena_strdup(&e->to->arena, w->made_by) : NULL;
    return module_parameter(e->to, copy);
}

static void copy_leaves(struct editor *e) {
    const struct module *m = e->from;
    for (uint32_t i = 0; i < m->inputs.count; i++) {
        value_id v = m->inputs.at[i];
        if (e->needed[v.i] || e->edit->keep_inputs)
            e->map[v.i] = module_add_input(e->to, value_get(m, v)->name, copy_type(e, v), (struct loc){0});
    }
    for (uint32_t i = 1; i < m->values.count; i++) {
        if (!e->needed[i]) continue;
        if (m->values.at[i].kind == VALUE_PARAMETER) e->map[i] = copy_weight(e, (value_id){i});
        if (m->values.at[i].kind == VALUE_LITERAL) e->map[i] = copy_literal(e, (value_id){i});
    }
    value_id cut = e->edit->cut;
    if (cut.i && e->needed[cut.i])
        e->map[cut.i] = module_add_input(e->to, value_get(m, cut)->name, copy_type(e, cut), (struct loc){0});
}

/* -- ops -- */
static struct attr copy_attr(struct editor *e, const struct attr *a) {
    struct attr copy = *a;
    int64_t dim[MAX_RANK];
    switch (attr_kind_of(a->name)) {
    case ATTR_KIND_INTS:
        return attr_ints(e->to, a->name, a->ints.at, a->ints.count);
    case ATTR_KIND_FLOATS:
        return attr_floats(e->to, a->name, a->floats.at, a->floats.count);
    case ATTR_KIND_DIMS:
        for (uint32_t i = 0; i < dims_rank(&e->from->types, a->dims); i++) {
            check(dim_is_const(&e->from->types, dims_at(&e->from->types, a->dims, i), &dim[i]));
            if (!e->edit->leaf.i) dim[i] = changed_extent(e, (value_id){0}, i, dim[i]);
        }
        return attr_dims(a->name, dims_from_ints(&e->to->types, dim, dims_rank(&e->from->types, a->dims)));
    case ATTR_KIND_LAYOUT:
        if (a->layout.i) copy.layout = layout_make(&e->to->types, layout_get(&e->from->types, a->layout));
        return copy;
    default:
        return copy;
    }
}

static bool copy_op(struct editor *e, op_id id) {
    const struct op *op = op_get(e->from, id);
    value_id operand[64];
    struct attr attrs[16];
    const char *names[MAX_RESULTS];
    uint32_t operands = 0, n = 0, all = op_info_attrs(op_info(op->kind));
    check(op->operand_count <= COUNT_OF(operand) && all <= COUNT_OF(attrs));
    bool variadic = (op_info(op->kind)->traits & TRAIT_VARIADIC) != 0;
    for (uint32_t i = 0; i < op->operand_count; i++) {
        value_id v = keeps_operand(e, id, i) ? e->map[replaced(e, op->operand[i]).i] : (value_id){0};
        if (v.i || !variadic) operand[operands++] = v;
    }
    for (uint32_t i = 0; i < all; i++)
        if (e->edit->op.i != id.i || e->edit->attr != op->attr[i].name)
            attrs[n++] = copy_attr(e, &op->attr[i]);
    for (uint32_t r = 0; r < op->result_count; r++) names[r] = value_get(e->from, op->result[r])->name;
    op_id copy = build_op(&e->b, op->kind, operand, operands, attrs, n, names);
    if (!copy.i || op_get(e->to, copy)->result_count != op->result_count) return false;
    for (uint32_t r = 0; r < op->result_count; r++)
        if (!value_same(op->result[r], e->edit->cut))
            e->map[op->result[r].i] = op_get(e->to, copy)->result[r];
    return true;
}

static bool wanted(const struct editor *e, const struct op *op) {
    bool live = e->edit->keep_dead;
    for (uint32_t r = 0; r < op->result_count; r++)
        live = live || (e->needed[op->result[r].i] && !value_same(op->result[r], e->edit->cut));
    return live;
}

static bool copy_body(struct editor *e) {
    const struct region *root = region_get(e->from, e->from->root);
    for (uint32_t i = 0; i < root->ops.count; i++)
        if (wanted(e, op_get(e->from, root->ops.at[i])) && !copy_op(e, root->ops.at[i])) return false;
    for (uint32_t i = 0; i < e->from->outputs.count; i++) {
        const struct output *output = &e->from->outputs.at[i];
        if (e->edit->drop_output && e->edit->drop_output[i]) continue;
        module_add_output(e->to, output->name, e->map[replaced(e, output->value).i]);
    }
    return e->to->outputs.count > 0;
}

struct module *edit_apply(const struct module *from, const struct edit *edit, struct diag *diag) {
    struct editor e = {.from = from, .edit = edit, .to = module_new(from->name)};
    e.b = builder_at_end(e.to, e.to->root, diag);
    e.map = xcalloc(from->values.count, sizeof *e.map);
    e.needed = xcalloc(from->values.count, sizeof *e.needed);
    need(&e);
    copy_leaves(&e);
    bool ok = copy_body(&e);
    free(e.map);
    free(e.needed);
    if (ok) return e.to;
    module_free(e.to);
    return NULL;
}
