/* Refs, nodes and the list of what is not supported. */
#include "frontend/onnx/importer.h"

#include <string.h>

/* -- refs -- */
struct item *item_get(const struct importer *im, ref r) {
    check(r.i && r.i < im->items.count);
    return &im->items.at[r.i];
}

static ref add_item(struct importer *im, struct item item) {
    *vec_push(&im->items) = item;
    return (ref){im->items.count - 1};
}

static struct type value_type(const struct importer *im, const struct item *item) {
    return value_get(im->m, item->value)->type;
}

enum elem ref_elem(const struct importer *im, ref r) {
    const struct item *item = item_get(im, r);
    if (item->kind == ITEM_VALUE) return value_type(im, item).elem;
    return item->kind == ITEM_SHAPE ? item->shape_elem : item->tensor.elem;
}

uint32_t ref_rank(const struct importer *im, ref r) {
    const struct item *item = item_get(im, r);
    return item->kind == ITEM_VALUE ? type_rank(&im->m->types, value_type(im, item)) : item->tensor.rank;
}

dim_id ref_dim(const struct importer *im, ref r, uint32_t axis) {
    const struct item *item = item_get(im, r);
    if (item->kind == ITEM_VALUE) return dims_at(&im->m->types, value_type(im, item).shape, axis);
    return dim_const(&im->m->types, item->tensor.dim[axis]);
}

const struct tensor *ref_constant(const struct importer *im, ref r) {
    const struct item *item = item_get(im, r);
    return item->kind == ITEM_CONSTANT ? &item->tensor : NULL;
}

ref ref_of_tensor(struct importer *im, struct tensor tensor) {
    return add_item(im, (struct item){.kind = ITEM_CONSTANT, .tensor = tensor});
}

ref ref_of_value(struct importer *im, value_id value) {
    return value_none(value) ? (ref){0} : add_item(im, (struct item){.kind = ITEM_VALUE, .value = value});
}

ref ref_of_dims(struct importer *im, const dim_id *dims, uint32_t count, bool scalar) {
    struct tensor t = tensor_new(ELEM_i64, scalar ? 0 : 1, (const int64_t[]){count});
    int64_t *at = t.data, value;
    bool constant = true;
    for (uint32_t i = 0; i < count; i++) constant = dim_is_const(&im->m->types, dims[i], NULL) && constant;
    for (uint32_t i = 0; i < count; i++)
        at[i] = constant && dim_is_const(&im->m->types, dims[i], &value) ? value : (int64_t)dims[i].i;
    if (constant) return ref_of_tensor(im, t);
    return add_item(im, (struct item){.kind = ITEM_SHAPE, .tensor = t, .shape_elem = ELEM_i64});
}

ref ref_f64(struct importer *im, enum elem elem, double value) {
    return ref_of_tensor(im, tensor_scalar_f64(elem, value));
}

/* -- nodes -- */
ref node_in(const struct node *n, uint32_t i) {
    if (i >= n->proto->n_input || !*n->proto->input[i]) return (ref){0};
    const uint32_t *index = map_get_str(&n->im->names, n->proto->input[i]);
    check(index);
    return (ref){*index};
}

bool node_wants(const struct node *n, uint32_t i) {
    return i < n->proto->n_output && *n->proto->output[i] && map_get_str(n->im->needed, n->proto->output[i]);
}

/* A value made for this node takes the name; one that was there before (identity, dropout) keeps its own. */
void node_out(struct node *n, uint32_t i, ref r) {
    struct importer *im = n->im;
    check(r.i);
    if (!node_wants(n, i)) return;
    const char *name = n->proto->output[i];
    *map_get_str(&im->names, name) = r.i;
    struct item *item = item_get(im, r);
    if (!item->name) item->name = name;
    bool of_the_model = !im->depth; /* names of bodies may come again outside of them */
    if (of_the_model && item->kind == ITEM_VALUE && item->value.i >= n->first_value)
        module_rename_value(im->m, item->value, name);
}

enum status node_result(struct node *n, ref r) {
    if (ref_none(r)) return STATUS_FAILED;
    node_out(n, 0, r);
    return STATUS_OK;
}

enum status node_error(struct node *n, const char *fmt, ...) {
    struct str text = {0};
    va_list args;
    va_start(args, fmt);
    str_vprintf(&text, fmt, args);
    va_end(args);
    diag_error(n->im->diag, n->im->model->loc, "%s: %s", n->label, str_text(&text));
    str_free(&text);
    n->failed = true;
    return STATUS_FAILED;
}

/* -- what is not supported -- */
enum { NODES_SHOWN = 5 };

enum status unsupported(struct node *n, const char *fmt, ...) {
    struct importer *im = n->im;
    struct str what = {0};
    va_list args;
    va_start(args, fmt);
    str_vprintf(&what, fmt, args);
    va_end(args);
    bool is_new;
    uint32_t *index = map_put_str(&im->unsupported_map, str_text(&what), &is_new);
    if (is_new) {
        *index = im->unsupported.count;
        vec_push(&im->unsupported)->what = arena_strdup(&im->m->arena, str_text(&what));
    }
    struct unsupported *u = &im->unsupported.at[*index];
    if (u->count++ < NODES_SHOWN) {
        const char *name = onnx_text(n->proto->name);
        if (!*name && n->proto->n_output) name = n->proto->output[0];
        str_printf(&u->nodes, "%s'%s'", u->nodes.length ? ", " : "", name);
    }
    str_free(&what);
    return STATUS_FAILED;
}
