/* The verifier. What it checks, in this order; each group only if the ones before it hold:
 *
 * handles
 *   handle 1   every handle of a value, op, region or weight lies within its table; only operands may be 0
 *   handle 2   the root is a region without owner, arguments and results
 *   handle 3   a region lists each op once, and each op that is not erased stands in the one region that it
 * names handle 4   every region but the root is the body of one op, its owner handle 5   the op's kind is in
 * the table; fuse has a body, no other op has, and no body holds a fuse type 1     the handles of shapes,
 * dimensions, layouts, quant and sparse lie within their tables values value 1    a value has one definition,
 * and that refers back to it: the list of inputs, its weight, the results of its op, the arguments of its
 * region value 2    an op uses what is defined before it value 3    a body is closed: its ops use its
 * arguments, each other's results and literals value 4    the ops of the root use inputs, parameters,
 * literals and each other's results value 5    names are not empty, are UTF-8, and are unique among the
 * values of the root, among those of a body, and among weights value 6    a parameter has the element type
 * and shape of its weight, a literal those of its data, and both have data value 7    memory that a value was
 * given exists: its port, or its bytes within the scratch memory types type 2     the element type is one of
 * the table type 3     extents are not negative and fit the memory of a machine type 4     a layout covers
 * each dimension once type 5     quant is on integers; its axis and group fit the shape, a literal scale is
 * positive and finite, and a literal zero is a value of the type; results and inputs have literals type 6
 * sparse is on parameters of rank 2 or more, with a pattern that exists type 7     inputs are plain; a
 * symbol's bounds hold a value ops op 1       the attributes are those of the table, in its order op 2 lists
 * have as many numbers as the table says op 3       keywords and element types are given, and floats are not
 * NaN op 4       the number of operands fits, and only optional ones are left out op 5       the element type
 * of operand 0 is allowed op 6       the arguments of a body have the types of the operands; its results have
 * the element types and shapes of the fuse's op 7       only fuses and contractions of the root have a
 * schedule op 8       (thorough) results are those of shape inference, in number, element type and shape op 9
 * (thorough) layouts: that of a relayout is the one it names; an op that follows layouts shares one among its
 * result and the operands of the same shape the module module 1   there is an output; outputs are values that
 * the root sees, plain, with unique names module 2   every symbol is a dimension of some input, so that
 * running the model gives it a value
 */
#include "ir/verify.h"

#include "ir/encoding.h"
#include "ir/quant.h"
#include "ir/verify_parts.h"

#include <math.h>
#include <stdarg.h>
#include <string.h>

static const struct loc NOWHERE = {0};

enum status verify_op_error(const struct verify *v, const struct op *op, const char *fmt, ...) {
    struct str text = {0};
    const char *name = op->result_count ? value_get(v->m, op->result[0])->name : "?";
    str_printf(&text, "%s = %s: ", name, op_info(op->kind)->name);
    va_list args;
    va_start(args, fmt);
    str_vprintf(&text, fmt, args);
    va_end(args);
    diag_error(v->diag, op->loc, "%s", str_text(&text));
    str_free(&text);
    return STATUS_FAILED;
}

/* -- handles -- */

static void check_handle(const struct verify *v, struct loc loc, const char *what, uint32_t handle,
                         uint32_t count) {
    if (!handle || handle >= count)
        diag_error(v->diag, loc, "%s has the handle %u, expected 1 to %u", what, handle, count - 1);
}

static void check_value_handles(const struct verify *v) {
    const struct module *m = v->m;
    for (uint32_t i = 1; i < m->values.count; i++) {
        const struct value *value = &m->values.at[i];
        if (value->kind == VALUE_RESULT)
            check_handle(v, value->loc, "the op of a result", value->op.i, m->ops.count);
        if (value->kind == VALUE_RESULT || value->kind == VALUE_ARGUMENT)
            check_handle(v, value->loc, "the region of a value", value->region.i, m->regions.count);
        if (value->kind == VALUE_PARAMETER)
            check_handle(v, value->loc, "the weight of a parameter", value->weight.i, m->weights.count);
        if (!verify_type_handles(m, value->type))
            diag_error(v->diag, value->loc, "the type of value %s has a part that does not exist",
                       value->name);
    }
    for (uint32_t i = 0; i < m->inputs.count; i++)
        check_handle(v, NOWHERE, "an input", m->inputs.at[i].i, m->values.count);
    for (uint32_t i = 0; i < m->outputs.count; i++)
        check_handle(v, NOWHERE, "an output", m->outputs.at[i].value.i, m->values.count);
}

static void check_op_handles(const struct verify *v) {
    const struct module *m = v->m;
    for (uint32_t i = 1; i < m->ops.count; i++) {
        const struct op *op = &m->ops.at[i];
        if (op->erased) continue;
        if (op->kind <= OP_NONE || op->kind >= OP_COUNT) {
            diag_error(v->diag, op->loc, "op %u is of the kind %u, which does not exist", i,
                       (unsigned)op->kind);
            continue;
        }
        check_handle(v, op->loc, "the region of an op", op->region.i, m->regions.count);
        if ((op->kind == OP_fuse) != (op->body.i != 0))
            diag_error(v->diag, op->loc, "%s %s a body", op_info(op->kind)->name,
                       op->body.i ? "has" : "lacks");
        if (op->body.i) check_handle(v, op->loc, "the body of an op", op->body.i, m->regions.count);
        for (uint32_t k = 0; k < op->operand_count; k++)
            if (op->operand[k].i) check_handle(v, op->loc, "an operand", op->operand[k].i, m->values.count);
        for (uint32_t k = 0; k < op->result_count; k++)
            check_handle(v, op->loc, "a result", op->result[k].i, m->values.count);
    }
}

static void check_region_handles(const struct verify *v) {
    const struct module *m = v->m;
    check_handle(v, m->loc, "the root", m->root.i, m->regions.count);
    for (uint32_t i = 1; i < m->regions.count; i++) {
        const struct region *r = &m->regions.at[i];
        if (r->owner.i) check_handle(v, NOWHERE, "the owner of a region", r->owner.i, m->ops.count);
        for (uint32_t k = 0; k < r->args.count; k++)
            check_handle(v, NOWHERE, "an argument", r->args.at[k].i, m->values.count);
        for (uint32_t k = 0; k < r->ops.count; k++)
            check_handle(v, NOWHERE, "an op of a region", r->ops.at[k].i, m->ops.count);
        for (uint32_t k = 0; k < r->results.count; k++)
            check_handle(v, NOWHERE, "a result of a region", r->results.at[k].i, m->values.count);
    }
}

/* Regions and the ops in them. Handles are in range. */
static void check_regions(const struct verify *v) {
    const struct module *m = v->m;
    const struct region *root = region_get(m, m->root);
    uint32_t *listed = xcalloc(m->ops.count, sizeof *listed);
    if (root->owner.i || root->args.count || root->results.count)
        diag_error(v->diag, m->loc, "the root has an owner, arguments or results");
    for (uint32_t i = 1; i < m->regions.count; i++) {
        const struct region *r = &m->regions.at[i];
        const struct op *owner = op_get(m, r->owner);
        if (i != m->root.i && (!r->owner.i || owner->body.i != i))
            diag_error(v->diag, owner->loc, "region %u is not the body of its owner", i);
        if (r->owner.i && owner->erased) continue;
        for (uint32_t k = 0; k < r->ops.count; k++) {
            const struct op *op = op_get(m, r->ops.at[k]);
            if (op->erased || op->region.i != i || listed[r->ops.at[k].i]++)
                diag_error(v->diag, op->loc,
                           "region %u lists an op that is erased, listed already, or in region %u", i,
                           op->region.i);
            if (op->body.i && i != m->root.i)
                diag_error(v->diag, op->loc, "a fuse stands in the body of another op");
        }
    }
    for (uint32_t i = 1; i < m->ops.count; i++)
        if (!m->ops.at[i].erased && !listed[i])
            diag_error(v->diag, m->ops.at[i].loc, "op %u is not erased, and no region lists it", i);
    free(listed);
}

/* -- values -- */

/* A result of an erased op, or of nothing that is left of the module. */
static bool value_gone(const struct module *m, const struct value *value) {
    if (value->kind == VALUE_RESULT) return op_get(m, value->op)->erased;
    if (value->kind != VALUE_ARGUMENT) return false;
    op_id owner = region_get(m, value->region)->owner;
    return owner.i && op_get(m, owner)->erased;
}

static bool listed_at(const value_id *list, uint32_t count, uint32_t index, value_id v) {
    return index < count && value_same(list[index], v);
}

static void check_definition(const struct verify *v, value_id id) {
    const struct module *m = v->m;
    const struct value *value = value_get(m, id);
    bool defined = false;
    switch (value->kind) {
    case VALUE_INPUT:
        defined = listed_at(m->inputs.at, m->inputs.count, value->index, id);
        break;
    case VALUE_PARAMETER:
    case VALUE_LITERAL:
        defined = true;
        break;
    case VALUE_RESULT: {
        const struct op *op = op_get(m, value->op);
        defined =
            listed_at(op->result, op->result_count, value->index, id) && value->region.i == op->region.i;
        break;
    }
    case VALUE_ARGUMENT: {
        const struct region *r = region_get(m, value->region);
        defined = listed_at(r->args.at, r->args.count, value->index, id);
        break;
    }
    }
    if (!defined)
        diag_error(v->diag, value->loc, "value %s is not where its definition should be", value->name);
}

/* The other way round: what lists a value as its own. */
static void check_listed(const struct verify *v, value_id id, enum value_kind kind, uint32_t index,
                         uint32_t owner, struct loc loc) {
    const struct value *value = value_get(v->m, id);
    uint32_t of = kind == VALUE_RESULT ? value->op.i : kind == VALUE_ARGUMENT ? value->region.i : owner;
    if (value->kind != kind || value->index != index || of != owner)
        diag_error(v->diag, loc, "value %s is defined twice", value->name);
}

static void check_definitions(const struct verify *v) {
    const struct module *m = v->m;
    for (uint32_t i = 1; i < m->values.count; i++)
        if (!value_gone(m, &m->values.at[i])) check_definition(v, (value_id){i});
    for (uint32_t i = 0; i < m->inputs.count; i++)
        check_listed(v, m->inputs.at[i], VALUE_INPUT, i, 0, NOWHERE);
    for (uint32_t i = 1; i < m->ops.count; i++)
        for (uint32_t k = 0; !m->ops.at[i].erased && k < m->ops.at[i].result_count; k++)
            check_listed(v, m->ops.at[i].result[k], VALUE_RESULT, k, i, m->ops.at[i].loc);
    for (uint32_t i = 1; i < m->regions.count; i++)
        for (uint32_t k = 0; k < m->regions.at[i].args.count; k++)
            check_listed(v, m->regions.at[i].args.at[k], VALUE_ARGUMENT, k, i, NOWHERE);
}

/* True if code in `region` may read the value, its position apart. */
static bool value_visible(const struct verify *v, region_id region, const struct value *value) {
    bool body = region.i != v->m->root.i;
    switch (value->kind) {
    case VALUE_LITERAL:
        return true;
    case VALUE_INPUT:
    case VALUE_PARAMETER:
        return !body;
    default:
        return value->region.i == region.i;
    }
}

static void check_order(const struct verify *v, region_id region) {
    const struct module *m = v->m;
    const struct region *r = region_get(m, region);
    bool *defined = xcalloc(m->ops.count, sizeof *defined);
    for (uint32_t i = 0; i < r->ops.count; i++) {
        const struct op *op = op_get(m, r->ops.at[i]);
        for (uint32_t k = 0; k < op->operand_count; k++) {
            if (value_none(op->operand[k])) continue;
            const struct value *value = value_get(m, op->operand[k]);
            if (!value_visible(v, region, value))
                verify_op_error(v, op, "operand %u, %s, is not a value of this %s", k, value->name,
                                region.i == m->root.i ? "model" : "body");
            else if (value->kind == VALUE_RESULT && !defined[value->op.i])
                verify_op_error(v, op, "operand %u, %s, is defined later", k, value->name);
        }
        defined[r->ops.at[i].i] = true;
    }
    for (uint32_t i = 0; i < r->results.count; i++) {
        const struct value *value = value_get(m, r->results.at[i]);
        if (!value_visible(v, region, value) || value_gone(m, value))
            diag_error(v->diag, value->loc, "a body returns %s, which is not a value of it", value->name);
    }
    free(defined);
}

static void check_orders(const struct verify *v) {
    for (uint32_t i = 1; i < v->m->regions.count; i++) {
        op_id owner = v->m->regions.at[i].owner;
        if (!owner.i || !op_get(v->m, owner)->erased) check_order(v, (region_id){i});
    }
}

static void check_name(const struct verify *v, struct map *taken, region_id region, const char *name,
                       struct loc loc) {
    struct str key = {0};
    bool is_new;
    if (!name || !*name || !str_is_utf8(name, strlen(name))) {
        diag_error(v->diag, loc, "a name is empty or not UTF-8");
        return;
    }
    str_printf(&key, "%u %s", region.i, name);
    map_put_str(taken, str_text(&key), &is_new);
    if (!is_new) diag_error(v->diag, loc, "the name %s is taken by two values", name);
    str_free(&key);
}

static void check_names(const struct verify *v) {
    const struct module *m = v->m;
    struct map values = {0}, weights = {0};
    for (uint32_t i = 1; i < m->values.count; i++) {
        const struct value *value = &m->values.at[i];
        if (value->kind == VALUE_LITERAL || value->kind == VALUE_PARAMETER || value_gone(m, value)) continue;
        region_id region = value->kind == VALUE_INPUT ? m->root : value->region;
        check_name(v, &values, region, value->name, value->loc);
    }
    for (uint32_t i = 1; i < m->weights.count; i++)
        check_name(v, &weights, (region_id){0}, m->weights.at[i].name, m->weights.at[i].loc);
    map_free(&values);
    map_free(&weights);
}

/* The module holds sparse parameters dense; the format must be able to store them. */
static void check_format(const struct verify *v, const struct value *value, const struct tensor *data) {
    struct sparse s = sparse_get(&v->m->types, value->type.sparse);
    int64_t columns = 1;
    if (data->rank < 2) return;
    for (uint32_t i = 1; i < data->rank; i++) columns *= data->dim[i];
    if (s.kind == SPARSE_BLOCK && (s.a > max_i64(data->dim[0], 1) || s.b > max_i64(columns, 1)))
        diag_error(v->diag, value->loc, "parameter %s is smaller than a block of its format", value->name);
    if (s.kind == SPARSE_NM && s.a && s.a <= s.b && !encoding_holds(s, data))
        diag_error(v->diag, value->loc, "parameter %s has more than %u nonzeros among %u", value->name, s.a,
                   s.b);
}

/* Component tensors of a quantized parameter: of the shape that its type says, scales positive and finite. */
static void check_scales(const struct verify *v, const struct value *value, const struct tensor *data) {
    struct quant q = quant_get(&v->m->types, value->type.quant);
    const struct tensor_quant *c = data->quant;
    int64_t shape[2];
    if (q.literal || q.axis >= (int32_t)data->rank) return;
    bool fits = c && c->axis == q.axis && c->group == q.group && c->scale.elem == ELEM_f32 &&
                c->scale.rank == quant_scale_shape(q, data->rank, data->dim, shape);
    for (uint32_t i = 0; fits && i < c->scale.rank; i++) fits = c->scale.dim[i] == shape[i];
    if (fits && c->zero.data)
        fits = c->zero.elem == data->elem && tensor_count(&c->zero) == tensor_count(&c->scale);
    if (!fits) {
        diag_error(v->diag, value->loc, "parameter %s does not have the scales of its type", value->name);
        return;
    }
    if (c->zero.data && value->type.sparse.i)
        diag_error(v->diag, value->loc, "parameter %s is sparse and has zero points", value->name);
    for (int64_t i = 0, n = tensor_count(&c->scale); i < n; i++) {
        float scale = ((const float *)c->scale.data)[i];
        if (scale > 0 && isfinite(scale)) continue;
        diag_error(v->diag, value->loc, "parameter %s: scale %lld is %g, expected a positive, finite number",
                   value->name, (long long)i, (double)scale);
        return;
    }
}

static void check_constant(const struct verify *v, value_id id) {
    const struct value *value = value_get(v->m, id);
    const struct tensor *data = value_constant(v->m, id);
    if (!data) return;
    bool fits = tensor_shape_ok(data->elem, data->rank, data->dim) && data->elem == value->type.elem &&
                data->rank == type_rank(&v->m->types, value->type);
    for (uint32_t i = 0; fits && i < data->rank; i++) {
        int64_t extent;
        fits = dim_is_const(&v->m->types, dims_at(&v->m->types, value->type.shape, i), &extent) &&
               extent == data->dim[i];
    }
    if (!fits)
        diag_error(v->diag, value->loc, "%s %s does not have the type of its data",
                   value->kind == VALUE_LITERAL ? "literal" : "parameter", value->name);
    else if (!data->data && tensor_bytes(data))
        diag_error(v->diag, value->loc, "%s %s has no data",
                   value->kind == VALUE_LITERAL ? "literal" : "parameter", value->name);
    if (!fits) return;
    if (value->type.sparse.i) check_format(v, value, data);
    if (value->type.quant.i) check_scales(v, value, data);
}

static void check_place(const struct verify *v, const struct value *value) {
    const struct module *m = v->m;
    struct place p = value->place;
    bool fits = true;
    if (p.space == PLACE_INPUT) fits = p.port < m->inputs.count;
    if (p.space == PLACE_OUTPUT) fits = p.port < m->outputs.count;
    if (p.space == PLACE_SCRATCH && type_static(&m->types, value->type, NULL))
        fits = p.offset <= m->scratch_bytes &&
               (uint64_t)type_storage_bytes(&m->types, value->type) <= m->scratch_bytes - p.offset;
    if (!fits) diag_error(v->diag, value->loc, "value %s was given memory that does not exist", value->name);
}

/* -- the module -- */
static void check_outputs(const struct verify *v) {
    const struct module *m = v->m;
    struct map names = {0};
    if (!m->outputs.count) diag_error(v->diag, m->loc, "the model has no output");
    for (uint32_t i = 0; i < m->outputs.count; i++) {
        const struct output *out = &m->outputs.at[i];
        const struct value *value = value_get(m, out->value);
        bool is_new = true;
        if (!*out->name || !str_is_utf8(out->name, strlen(out->name)))
            diag_error(v->diag, value->loc, "the name of output %u is empty or not UTF-8", i);
        map_put_str(&names, out->name, &is_new);
        if (!is_new) diag_error(v->diag, value->loc, "two outputs have the name %s", out->name);
        if (!value_visible(v, m->root, value) || value_gone(m, value))
            diag_error(v->diag, value->loc, "output %s is %s, which is not a value of the model", out->name,
                       value->name);
        if (value->type.layout.i)
            diag_error(v->diag, value->loc, "output %s has a layout, expected a plain one", out->name);
    }
    map_free(&names);
}

struct symbols {
    const struct verify *v;
    struct map bound;
    const struct value *value; /* whose type is looked at */
};

static void check_symbol(void *ctx, dim_id symbol, const char *name) {
    struct symbols *s = ctx;
    (void)symbol;
    if (!map_get_str(&s->bound, name))
        diag_error(s->v->diag, s->value->loc,
                   "the type of %s depends on %s, which is no dimension of an input", s->value->name, name);
}

static void check_symbols(const struct verify *v) {
    const struct module *m = v->m;
    struct symbols s = {.v = v};
    for (uint32_t i = 0; i < m->inputs.count; i++) {
        struct type type = value_get(m, m->inputs.at[i])->type;
        for (uint32_t d = 0; d < type_rank(&m->types, type); d++) {
            const char *name;
            if (dim_is_symbol(&m->types, dims_at(&m->types, type.shape, d), &name))
                map_put_str(&s.bound, name, NULL);
        }
    }
    for (uint32_t i = 1; i < m->values.count; i++) {
        s.value = &m->values.at[i];
        if (value_gone(m, s.value)) continue;
        for (uint32_t d = 0; d < type_rank(&m->types, s.value->type); d++)
            dim_each_symbol(&m->types, dims_at(&m->types, s.value->type.shape, d), check_symbol, &s);
    }
    map_free(&s.bound);
}

/* -- all of it -- */
static enum status outcome(const struct verify *v, uint32_t errors_before) {
    return v->diag->errors == errors_before ? STATUS_OK : STATUS_FAILED;
}

static void check_values(const struct verify *v) {
    const struct module *m = v->m;
    check_definitions(v);
    check_orders(v);
    check_names(v);
    for (uint32_t i = 1; i < m->values.count; i++) {
        const struct value *value = &m->values.at[i];
        if (value_gone(m, value)) continue;
        verify_value_type(v, value);
        check_constant(v, (value_id){i});
    }
}

enum status verify_module(struct module *m, bool thorough, struct diag *diag) {
    struct verify v = {m, diag, thorough};
    uint32_t before = diag->errors;
    check_region_handles(&v);
    check_op_handles(&v);
    check_value_handles(&v);
    TRY(outcome(&v, before));
    check_regions(&v);
    TRY(outcome(&v, before));
    check_values(&v);
    TRY(outcome(&v, before));
    for (uint32_t i = 1; i < m->values.count; i++)
        if (!value_gone(m, &m->values.at[i])) check_place(&v, &m->values.at[i]);
    for (uint32_t i = 1; i < m->ops.count; i++)
        if (!m->ops.at[i].erased) verify_op(&v, op_get(m, (op_id){i}));
    check_outputs(&v);
    check_symbols(&v);
    TRY(outcome(&v, before));
    for (uint32_t i = 1; thorough && i < m->ops.count; i++)
        if (!m->ops.at[i].erased) verify_op_inference(&v, op_get(m, (op_id){i}));
    return outcome(&v, before);
}
