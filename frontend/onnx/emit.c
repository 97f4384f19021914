/* From refs to ops of the module. */
#include "frontend/onnx/importer.h"
#include "ir/quant.h"

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

/* -- quantized values: an item stands for floats or plain integers, and what can work on the quantized value
 * behind it does (ir/quant.h) -- */
static value_id integers_of(const struct importer *im, ref r, bool is_decoded) {
    if (ref_none(r)) return (value_id){0};
    const struct item *item = item_get(im, r);
    return item->kind == ITEM_VALUE && item->is_decoded == is_decoded ? item->integers : (value_id){0};
}

static struct quant quant_of(const struct importer *im, value_id integers) {
    return quant_get(&im->m->types, value_get(im->m, integers)->type.quant);
}

static bool is_activation(const struct importer *im, value_id integers) {
    return integers.i && quant_of(im, integers).literal;
}

/* Operands of a contraction, of a mean or sum, and tables. */
static void read_integers(const struct importer *im, enum op_kind kind, const ref *operands, uint32_t count,
                          value_id *values) {
    const struct op_info *info = op_info(kind);
    bool contracts = info->class == CLASS_CONTRACTION && count >= 2;
    if (!(info->traits & (TRAIT_QUANT_SUMS | TRAIT_QUANT_DECODES)) || kind == OP_dequantize) return;
    value_id first = count ? integers_of(im, operands[0], true) : (value_id){0};
    value_id second = count > 1 ? integers_of(im, operands[1], true) : (value_id){0};
    if (info->traits & TRAIT_QUANT_SUMS && contracts) {
        if (first.i && second.i) values[0] = first;
        if (second.i && (first.i || !is_activation(im, second))) values[1] = second;
    } else if (info->traits & TRAIT_QUANT_SUMS) {
        if (is_activation(im, first)) values[0] = first;
    } else {
        if (first.i && !is_activation(im, first)) values[0] = first;
        if (second.i && !is_activation(im, second)) values[1] = second;
    }
}

/* Max pools and movement of activations: of the same quant, where there are several. */
static bool moves_integers(const struct importer *im, enum op_kind kind, const ref *operands, uint32_t count,
                           const struct attr *attrs, uint32_t attr_count, value_id *values) {
    const struct op_info *info = op_info(kind);
    if (!(info->traits & TRAIT_QUANT_MOVES) || (info->traits & TRAIT_RESULTS) || !count) return false;
    for (uint32_t i = 0; i < attr_count; i++)
        if (kind == OP_resize && attrs[i].name == ATTR_mode && attrs[i].keyword != KEYWORD_nearest)
            return false;
    const struct item *head = ref_none(operands[0]) ? NULL : item_get(im, operands[0]);
    if (!head || head->kind != ITEM_VALUE || !is_activation(im, head->integers)) return false;
    struct type type = value_get(im->m, head->integers)->type;
    for (uint32_t i = 0; i < count && (info->traits & TRAIT_VARIADIC); i++) {
        value_id v = integers_of(im, operands[i], head->is_decoded);
        struct type other = v.i ? value_get(im->m, v)->type : (struct type){0};
        if (!v.i || other.elem != type.elem || other.quant.i != type.quant.i) return false;
    }
    values[0] = head->integers;
    for (uint32_t i = 1; i < count && (info->traits & TRAIT_VARIADIC); i++)
        values[i] = integers_of(im, operands[i], head->is_decoded);
    return true;
}

static ref view_of(struct node *n, value_id integers, bool is_decoded) {
    struct importer *im = n->im;
    if (!integers.i) return (ref){0};
    ref q = ref_of_value(im, integers);
    struct attr to = attr_elem(ATTR_to, ref_elem(im, q));
    ref view = emit_op(n, is_decoded ? OP_dequantize : OP_cast, &q, 1, &to, is_decoded ? 0 : 1);
    if (ref_none(view)) return view;
    item_get(im, view)->integers = integers;
    item_get(im, view)->is_decoded = is_decoded;
    return view;
}

ref emit_decoded(struct node *n, value_id integers) {
    return view_of(n, integers, true);
}
ref emit_integers(struct node *n, value_id integers) {
    return view_of(n, integers, false);
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
    read_integers(im, kind, operands, count, values);
    bool moves = moves_integers(im, kind, operands, count, attrs, attr_count, values);
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
    if (!moves) return STATUS_OK;
    out[0] = view_of(n, built->result[0], item_get(im, operands[0])->is_decoded);
    return ref_none(out[0]) ? STATUS_FAILED : STATUS_OK;
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

ref emit_stack(struct node *n, const ref *pieces, uint32_t count, int64_t axis, bool backwards) {
    ref *all = arena_array(&n->im->m->arena, ref, count);
    for (uint32_t i = 0; i < count; i++) {
        ref one = pieces[backwards ? count - 1 - i : i];
        all[i] = emit1_with(n, OP_unsqueeze, one, node_attr_ints(n, ATTR_axes, &axis, 1));
        if (ref_none(all[i])) return all[i];
    }
    return emit_op(n, OP_concat, all, count, EMIT_ATTRS(attr_int(ATTR_axis, axis)));
}

ref emit_transpose(struct node *n, ref x, uint32_t rank, const int64_t *perm) {
    return emit1_with(n, OP_transpose, x, node_attr_ints(n, ATTR_perm, perm, rank));
}

ref emit_reshape(struct node *n, ref x, uint32_t rank, const int64_t *extents) {
    dim_id dims[MAX_RANK];
    for (uint32_t i = 0; i < rank; i++) dims[i] = dim_const(&n->im->m->types, extents[i]);
    return emit1_with(n, OP_reshape, x, node_attr_dims(n, ATTR_shape, dims, rank));
}

ref emit_part(struct node *n, ref x, int64_t axis, int64_t start, int64_t end) {
    return emit1_with(n, OP_slice, x, node_attr_ints(n, ATTR_starts, &start, 1),
                      node_attr_ints(n, ATTR_ends, &end, 1), node_attr_ints(n, ATTR_axes, &axis, 1));
}

ref emit_element(struct node *n, ref x, int64_t axis, int64_t at) {
    return emit1_with(n, OP_squeeze, emit_part(n, x, axis, at, at + 1),
                      node_attr_ints(n, ATTR_axes, &axis, 1));
}

/* -- element types -- */
ref emit_cast(struct node *n, ref x, enum elem elem) {
    if (ref_none(x) || ref_elem(n->im, x) == elem) return x;
    return emit1_with(n, OP_cast, x, attr_elem(ATTR_to, elem));
}

ref node_in_wide(struct node *n, uint32_t i) {
    ref x = node_in(n, i);
    bool narrow = !ref_none(x) && elem_is_float(ref_elem(n->im, x)) && elem_bytes(ref_elem(n->im, x)) == 2;
    return narrow ? emit_cast(n, x, ELEM_f32) : x;
}

enum status node_result_as(struct node *n, ref r, enum elem elem) {
    return node_result(n, emit_cast(n, r, elem));
}

enum status node_result_narrow(struct node *n, ref r) {
    return node_result_as(n, r, ref_elem(n->im, node_in(n, 0)));
}
