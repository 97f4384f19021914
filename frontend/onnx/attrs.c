/* Attributes of nodes, and the parameters that are attributes in some opsets and constant inputs in others.
 */
#include "frontend/onnx/scope.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_ATTRS = 64 };

static const Onnx__AttributeProto *find_attr(const Onnx__NodeProto *node, const char *name, uint64_t *read) {
    for (size_t i = 0; i < node->n_attribute && i < MOST_ATTRS; i++) {
        if (strcmp(onnx_text(node->attribute[i]->name), name)) continue;
        if (read) *read |= (uint64_t)1 << i;
        return node->attribute[i];
    }
    return NULL;
}

static bool is_reference(const Onnx__AttributeProto *a) {
    return a && a->ref_attr_name && *a->ref_attr_name;
}

static const Onnx__AttributeProto *attr_of_call(const struct function_call *call, const char *name) {
    const Onnx__AttributeProto *a = find_attr(call->node, name, NULL);
    for (uint32_t i = 0; !a && i < call->defaults->count; i++)
        if (!strcmp(onnx_text(call->defaults->at[i]->name), name)) a = call->defaults->at[i];
    return a;
}

/* In a function an attribute may stand for one of the call. */
const Onnx__AttributeProto *node_attr(struct node *n, const char *name) {
    const Onnx__AttributeProto *a = find_attr(n->proto, name, &n->attrs_read);
    for (const struct function_call *call = n->im->call; is_reference(a) && call; call = call->outer)
        a = attr_of_call(call, a->ref_attr_name);
    return a;
}

/* The attribute if it is there and of that type; files of the first format versions have no type. */
static const Onnx__AttributeProto *typed_attr(struct node *n, const char *name, int type, const char *kind) {
    const Onnx__AttributeProto *a = node_attr(n, name);
    if (!a) return NULL;
    if (is_reference(a)) {
        node_error(n, "attribute '%s' refers to one of a function, outside of any function", name);
        return NULL;
    }
    if (!a->has_type || a->type == ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__UNDEFINED || (int)a->type == type)
        return a;
    node_error(n, "attribute '%s' is not %s", name, kind);
    return NULL;
}

int64_t node_int(struct node *n, const char *name, int64_t fill) {
    const Onnx__AttributeProto *a =
        typed_attr(n, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT, "an integer");
    return a ? a->i : fill;
}

/* Attributes, and their defaults, are f32, but were written as decimals: 0.1 is meant, not 0.10000000149.
 * Both are the same f32. */
static double decimal(const struct node *n, float value) {
    ref x = node_in(n, 0);
    if (!isfinite(value) || (!ref_none(x) && ref_elem(n->im, x) == ELEM_f64)) return (double)value;
    struct str text = {0};
    str_add_f32(&text, value);
    double exact = strtod(str_text(&text), NULL);
    str_free(&text);
    return exact;
}

double node_float(struct node *n, const char *name, double fill) {
    const Onnx__AttributeProto *a =
        typed_attr(n, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT, "a float");
    return decimal(n, a ? a->f : (float)fill);
}

struct ints node_ints(struct node *n, const char *name) {
    const Onnx__AttributeProto *a =
        typed_attr(n, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS, "a list of integers");
    if (!a) return (struct ints){0};
    if (a->n_ints > UINT16_MAX) {
        node_error(n, "attribute '%s' has %zu numbers", name, a->n_ints);
        return (struct ints){0};
    }
    return (struct ints){a->ints, (uint32_t)a->n_ints, true};
}

enum status node_word(struct node *n, const char *name, const char *const *words, uint32_t fill,
                      uint32_t *out) {
    const Onnx__AttributeProto *a =
        typed_attr(n, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRING, "a string");
    *out = fill;
    if (!a) return n->failed ? STATUS_FAILED : STATUS_OK;
    for (uint32_t i = 0; words[i]; i++)
        if (strlen(words[i]) == a->s.len && !memcmp(words[i], a->s.data, a->s.len)) {
            *out = i;
            return STATUS_OK;
        }
    return unsupported(n, "%s with %s = %.*s", n->proto->op_type, name, (int)(a->s.len < 40 ? a->s.len : 40),
                       a->s.len ? (const char *)a->s.data : "");
}

/* -- inputs as parameters -- */

/* The constant input `i` of rank 0 or 1; NULL without a failure when it is left out. */
static enum status constant_input(struct node *n, uint32_t i, const struct tensor **out) {
    ref r = node_in(n, i);
    *out = NULL;
    if (ref_none(r)) return STATUS_OK;
    *out = ref_constant(n->im, r);
    if (!*out && item_get(n->im, r)->kind == ITEM_SHAPE)
        return unsupported(
            n, "%s whose input %u depends on a dimension without a size (fix it by --shape or --dim)",
            n->proto->op_type, i);
    if (!*out)
        return unsupported(
            n, "%s whose input %u is not a constant (if it is an input of the model, --bind makes it one)",
            n->proto->op_type, i);
    if ((*out)->rank > 1) return node_error(n, "input %u has rank %u, expected a list", i, (*out)->rank);
    if (tensor_count(*out) > UINT16_MAX)
        return node_error(n, "input %u has %" PRId64 " numbers", i, tensor_count(*out));
    return STATUS_OK;
}

enum status node_ints_or_input(struct node *n, const char *name, uint32_t i, struct ints *out) {
    *out = node_ints(n, name);
    if (n->failed) return STATUS_FAILED;
    if (out->given) return STATUS_OK;
    const struct tensor *t;
    TRY(constant_input(n, i, &t));
    if (!t) return STATUS_OK;
    if (!elem_is_int(t->elem))
        return node_error(n, "input %u is %s, expected integers", i, elem_name(t->elem));
    int64_t count = tensor_count(t), *at = arena_array(&n->im->m->arena, int64_t, count);
    for (int64_t k = 0; k < count; k++) at[k] = tensor_get_i64(t, k);
    *out = (struct ints){at, (uint32_t)count, true};
    return STATUS_OK;
}

enum status node_floats_or_input(struct node *n, const char *name, uint32_t i, const double **out,
                                 uint32_t *count) {
    const Onnx__AttributeProto *a =
        typed_attr(n, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOATS, "a list of floats");
    const struct tensor *t = NULL;
    *out = NULL;
    *count = 0;
    if (n->failed) return STATUS_FAILED;
    if (!a) TRY(constant_input(n, i, &t));
    if (!a && !t) return STATUS_OK;
    if (a && a->n_floats > UINT16_MAX)
        return node_error(n, "attribute '%s' has %zu numbers", name, a->n_floats);
    *count = (uint32_t)(a ? a->n_floats : (size_t)tensor_count(t));
    double *at = arena_array(&n->im->m->arena, double, *count);
    for (uint32_t k = 0; k < *count; k++) at[k] = a ? (double)a->floats[k] : tensor_get_f64(t, k);
    *out = at;
    return STATUS_OK;
}

enum status node_float_or_input(struct node *n, const char *name, uint32_t i, double fill, double *out) {
    const Onnx__AttributeProto *a =
        typed_attr(n, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT, "a float");
    const struct tensor *t = NULL;
    *out = decimal(n, a ? a->f : (float)fill);
    if (n->failed) return STATUS_FAILED;
    if (!a) TRY(constant_input(n, i, &t));
    if (t && tensor_count(t) > 1)
        return node_error(n, "input %u has %" PRId64 " numbers, expected one", i, tensor_count(t));
    if (t && tensor_count(t)) *out = tensor_get_f64(t, 0);
    return STATUS_OK;
}

enum status node_dims(struct node *n, uint32_t i, dim_id out[], uint32_t most, uint32_t *count) {
    struct importer *im = n->im;
    ref r = node_in(n, i);
    if (ref_none(r)) return node_error(n, "input %u is left out", i);
    const struct item *item = item_get(im, r);
    if (item->kind == ITEM_VALUE)
        return unsupported(n, "%s whose shape, input %u, depends on data", n->proto->op_type, i);
    if (item->tensor.rank > 1)
        return node_error(n, "input %u has rank %u, expected a list", i, item->tensor.rank);
    if (!elem_is_int(item->tensor.elem))
        return node_error(n, "input %u is %s, expected integers", i, elem_name(item->tensor.elem));
    if (tensor_count(&item->tensor) > most)
        return node_error(n, "input %u has %" PRId64 " numbers, at most %u are supported", i,
                          tensor_count(&item->tensor), most);
    *count = (uint32_t)tensor_count(&item->tensor);
    for (uint32_t k = 0; k < *count; k++) {
        int64_t v = tensor_get_i64(&item->tensor, k);
        out[k] = item->kind == ITEM_SHAPE ? (dim_id){(uint32_t)v} : dim_const(&im->m->types, v);
        if (!out[k].i) return node_error(n, "number %u of input %u is out of range", k, i);
    }
    return STATUS_OK;
}

enum status node_axis(struct node *n, int64_t axis, uint32_t rank, uint32_t *out) {
    int64_t from_front = axis < 0 ? axis + rank : axis;
    if (axis < -(int64_t)rank || from_front < 0 || from_front >= rank)
        return node_error(n, "axis %" PRId64 " does not exist, the rank is %u", axis, rank);
    *out = (uint32_t)from_front;
    return STATUS_OK;
}

struct attr node_attr_ints(struct node *n, enum attr_name name, const int64_t *at, uint32_t count) {
    return attr_ints(n->im->m, name, at, count);
}

struct attr node_attr_dims(struct node *n, enum attr_name name, const dim_id *dims, uint32_t count) {
    return attr_dims(name, dims_make(&n->im->m->types, dims, count));
}

enum status node_indices_inside(struct node *n, ref indices, uint32_t i, dim_id extent) {
    const struct tensor *t = ref_constant(n->im, indices);
    int64_t size;
    if (!t || !dim_is_const(&n->im->m->types, extent, &size)) return STATUS_OK;
    for (int64_t k = 0, count = tensor_count(t); k < count; k++) {
        int64_t at = tensor_get_i64(t, k);
        if (at < -size || at >= size)
            return node_error(n, "index %" PRId64 " of input %u lies outside of an extent of %" PRId64, at, i,
                              size);
    }
    return STATUS_OK;
}
