/* From refs to ops of the module. */
#include "frontend/onnx/importer.h"

#include <string.h>

/* A name for an intermediate value that is no name of the file, now or later. */
static const char *make_name(const struct node *n, enum op_kind kind, struct str *out) {
    const char *base = n->proto->n_output && *n->proto->output[0] ? n->proto->output[0] : "v";
    str_printf(out, "%s.%s", base, op_info(kind)->name);
    while (map_get_str(&n->im->names, str_text(out))) str_add_char(out, '_');
    return str_text(out);
}

/* A constant of one element that broadcasts into another operand is written as a number. */
static bool fits_literal(const struct importer *im, enum op_kind kind, const ref *operands, uint32_t count,
                         uint32_t i) {
    const struct tensor *t = &item_get(im, operands[i])->tensor;
    if (t->rank == 0) return true;
    if (tensor_count(t) != 1 || !(op_info(kind)->traits & TRAIT_BROADCASTS)) return false;
    for (uint32_t k = 0; k < count; k++)
        if (k != i && !ref_none(operands[k]) && ref_rank(im, operands[k]) >= t->rank &&
            item_get(im, operands[k])->kind == ITEM_VALUE)
            return true;
    return false;
}

static value_id literal_of(struct importer *im, const struct tensor *t) {
    struct tensor scalar = tensor_view(t, 0, NULL);
    return module_add_literal(im->m, tensor_copy(&scalar));
}

/* The module takes the data over; the item keeps looking at it. */
static value_id parameter_of(struct importer *im, struct item *item, const struct node *n) {
    struct str name = {0};
    if (!item->name) make_name(n, OP_identity, &name);
    weight_id weight =
        module_add_weight(im->m, item->name ? item->name : str_text(&name), item->tensor, im->model->loc);
    str_free(&name);
    item->tensor.owned = false;
    return module_parameter(im->m, weight);
}

static enum status operand_value(struct node *n, enum op_kind kind, const ref *operands, uint32_t count,
                                 uint32_t i, value_id *out) {
    struct importer *im = n->im;
    struct item *item = item_get(im, operands[i]);
    if (item->kind == ITEM_SHAPE)
        return unsupported(
            n, "%s of numbers that depend on a dimension without a size (fix it by --shape or --dim)",
            n->proto->op_type);
    check(item->kind == ITEM_VALUE || item->kind == ITEM_CONSTANT);
    if (item->kind == ITEM_CONSTANT && value_none(item->value) &&
        fits_literal(im, kind, operands, count, i)) {
        *out = literal_of(im, &item->tensor);
        return STATUS_OK;
    }
    if (value_none(item->value)) item->value = parameter_of(im, item, n);
    *out = item->value;
    return STATUS_OK;
}

static bool has_open_dims(const struct importer *im, const ref *operands, uint32_t count) {
    for (uint32_t i = 0; i < count; i++)
        for (uint32_t axis = 0; !ref_none(operands[i]) && axis < ref_rank(im, operands[i]); axis++)
            if (!dim_is_const(&im->m->types, ref_dim(im, operands[i], axis), NULL)) return true;
    return false;
}

enum { MOST_OPERANDS = 4096 };

static enum status build_node_op(struct node *n, enum op_kind kind, const ref *operands, uint32_t count,
                                 const struct attr *attrs, uint32_t attr_count, ref *out,
                                 uint32_t out_count) {
    struct importer *im = n->im;
    value_id *values = arena_array(&im->m->arena, value_id, count);
    for (uint32_t i = 0; i < count; i++)
        if (!ref_none(operands[i])) TRY(operand_value(n, kind, operands, count, i, &values[i]));
    struct str name = {0};
    const char *names[MAX_RESULTS];
    make_name(n, kind, &name);
    for (uint32_t i = 0; i < MAX_RESULTS; i++) names[i] = name.text;
    uint32_t errors = im->diag->errors;
    op_id op = build_op(&im->b, kind, values, count, attrs, attr_count, names);
    str_free(&name);
    if (!op.i) {
        if (im->diag->errors > errors)
            diag_note(im->diag, im->model->loc, "in %s%s", n->label,
                      has_open_dims(im, operands, count)
                          ? "; --shape or --dim fixes dimensions without a size"
                          : "");
        return STATUS_FAILED;
    }
    const struct op *built = op_get(im->m, op);
    check(built->result_count == out_count);
    for (uint32_t i = 0; i < out_count; i++) out[i] = ref_of_value(im, built->result[i]);
    return STATUS_OK;
}

enum status emit_results(struct node *n, enum op_kind kind, const ref *operands, uint32_t count,
                         const struct attr *attrs, uint32_t attr_count, ref *out, uint32_t out_count) {
    if (n->failed) return STATUS_FAILED;
    if (count > MOST_OPERANDS) return node_error(n, "%u inputs are more than are supported", count);
    enum fold fold = fold_op(n, kind, operands, count, attrs, attr_count, out, out_count);
    if (fold != FOLD_NO) return fold == FOLD_DONE ? STATUS_OK : STATUS_FAILED;
    return build_node_op(n, kind, operands, count, attrs, attr_count, out, out_count);
}

ref emit_op(struct node *n, enum op_kind kind, const ref *operands, uint32_t count, const struct attr *attrs,
            uint32_t attr_count) {
    ref out = {0};
    uint32_t required;
    op_info_operands(op_info(kind), &required);
    for (uint32_t i = 0; i < required && i < count; i++) /* a step before this one failed */
        if (ref_none(operands[i])) return out;
    if (emit_results(n, kind, operands, count, attrs, attr_count, &out, 1) != STATUS_OK) return (ref){0};
    return out;
}

ref emit1(struct node *n, enum op_kind kind, ref x) {
    return emit_op(n, kind, &x, 1, NULL, 0);
}
ref emit2(struct node *n, enum op_kind kind, ref a, ref b) {
    return emit_op(n, kind, (const ref[]){a, b}, 2, NULL, 0);
}
ref emit3(struct node *n, enum op_kind kind, ref a, ref b, ref c) {
    return emit_op(n, kind, (const ref[]){a, b, c}, 3, NULL, 0);
}
