#include "ir/interp.h"

#include "ir/quant.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* -- one op -- */
struct arithmetic {
    bool f64, ordered;
};

static enum elem held_elem(enum elem elem, bool f64) {
    return f64 && elem_is_float(elem) ? ELEM_f64 : elem;
}

/* A tensor for a result, if its type says how large it is and the machine could hold it. */
static enum status allocate(const struct module *m, const struct op *op, uint32_t r, bool f64,
                            struct tensor *out, struct diag *diag) {
    const struct value *v = value_get(m, op->result[r]);
    int64_t dim[MAX_RANK];
    uint32_t rank = type_rank(&m->types, v->type);
    if (!type_static(&m->types, v->type, dim)) {
        struct str type = {0};
        type_print(&m->types, v->type, &type);
        enum status status =
            diag_error(diag, op->loc, "%s: value %s has the type %s, expected constant extents",
                       op_info(op->kind)->name, v->name, str_text(&type));
        str_free(&type);
        return status;
    }
    enum elem elem = held_elem(v->type.elem, f64);
    struct tensor shape = {.elem = elem, .rank = rank};
    memcpy(shape.dim, dim, sizeof dim);
    bool fits = tensor_shape_ok(elem, rank, dim);
    if (fits) {
        size_t pages = (size_t)sysconf(_SC_PHYS_PAGES), page = (size_t)sysconf(_SC_PAGESIZE);
        fits = tensor_bytes(&shape) / page <= pages;
    }
    if (!fits)
        return diag_error(diag, op->loc, "%s: value %s needs more memory than this machine has",
                          op_info(op->kind)->name, v->name);
    *out = tensor_new(elem, rank, dim);
    return STATUS_OK;
}

static void free_all(struct tensor *tensors, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) tensor_free(&tensors[i]);
}

static enum status run_op(const struct module *m, const struct op *op, const struct tensor *const *in,
                          struct arithmetic arithmetic, struct tensor *out, struct diag *diag) {
    memset(out, 0, op->result_count * sizeof *out);
    struct eval eval = {m, op, in, out, arithmetic.f64, arithmetic.ordered, diag};
    enum status status = STATUS_OK;
    for (uint32_t r = 0; r < op->result_count && status == STATUS_OK; r++)
        status = allocate(m, op, r, arithmetic.f64, &out[r], diag);
    if (status == STATUS_OK)
        status = op_has_stored_operands(m, op) ? quant_eval(&eval) : op_info(op->kind)->eval(&eval);
    if (status != STATUS_OK) free_all(out, op->result_count);
    return status;
}

enum status interp_op(const struct module *m, const struct op *op, const struct tensor *const *in, bool f64,
                      struct tensor *out, struct diag *diag) {
    return run_op(m, op, in, (struct arithmetic){f64, true}, out, diag);
}

enum status interp_op_fast(const struct module *m, const struct op *op, const struct tensor *const *in,
                           struct tensor *out, struct diag *diag) {
    return run_op(m, op, in, (struct arithmetic){false, false}, out, diag);
}

/* -- a region: its values, each from its definition to its last use -- */
struct slot {
    const struct tensor *tensor; /* NULL: not there (yet, or any more) */
    struct tensor owned;
    uint32_t last_use; /* position of the last op that reads it; UINT32_MAX: a result of the region */
};

struct frame {
    const struct module *m;
    const struct region *region;
    struct arithmetic arithmetic;
    struct diag *diag;
    uint32_t first, count; /* handles of the values that the region touches: [first, first + count) */
    struct slot *slot;
};

static struct slot *slot_of(struct frame *f, value_id v) {
    check(v.i >= f->first && v.i - f->first < f->count);
    return &f->slot[v.i - f->first];
}

static void include(uint32_t *lo, uint32_t *hi, const value_id *values, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        if (value_none(values[i])) continue;
        if (values[i].i < *lo) *lo = values[i].i;
        if (values[i].i >= *hi) *hi = values[i].i + 1;
    }
}

/* `given` are the region's arguments, or the module's inputs; `results` what it hands back. */
static struct frame frame_new(const struct module *m, region_id region, const value_id *given,
                              uint32_t given_count, const value_id *results, uint32_t result_count) {
    struct frame f = {.m = m, .region = region_get(m, region)};
    uint32_t lo = UINT32_MAX, hi = 0;
    include(&lo, &hi, given, given_count);
    include(&lo, &hi, results, result_count);
    for (uint32_t i = 0; i < f.region->ops.count; i++) {
        const struct op *op = op_get(m, f.region->ops.at[i]);
        include(&lo, &hi, op->operand, op->operand_count);
        include(&lo, &hi, op->result, op->result_count);
    }
    f.first = lo < hi ? lo : 0;
    f.count = lo < hi ? hi - lo : 0;
    f.slot = xcalloc(f.count, sizeof *f.slot);
    for (uint32_t i = 0; i < f.region->ops.count; i++) {
        const struct op *op = op_get(m, f.region->ops.at[i]);
        for (uint32_t k = 0; k < op->operand_count; k++)
            if (!value_none(op->operand[k])) slot_of(&f, op->operand[k])->last_use = i;
    }
    for (uint32_t i = 0; i < result_count; i++) slot_of(&f, results[i])->last_use = UINT32_MAX;
    return f;
}

static void slot_clear(struct slot *slot) {
    tensor_free(&slot->owned);
    slot->tensor = NULL;
}

static void frame_free(struct frame *f) {
    for (uint32_t i = 0; i < f->count; i++) slot_clear(&f->slot[i]);
    free(f->slot);
}

/* Puts a tensor of somebody else's into a slot, widened where floats are held in f64. */
static void slot_lend(struct slot *slot, const struct tensor *tensor, bool f64) {
    enum elem elem = held_elem(tensor->elem, f64);
    slot->tensor = tensor;
    if (elem == tensor->elem) return;
    slot->owned = tensor_cast(tensor, elem);
    slot->tensor = &slot->owned;
}

static const struct tensor *frame_get(struct frame *f, value_id v) {
    if (value_none(v)) return NULL;
    struct slot *slot = slot_of(f, v);
    if (!slot->tensor) {
        const struct tensor *constant = value_constant(f->m, v);
        if (!constant) bug("value %s is read before it is defined", value_get(f->m, v)->name);
        slot_lend(slot, constant, f->arithmetic.f64);
    }
    return slot->tensor;
}

static enum status frame_step(struct frame *f, uint32_t at, const struct interp_options *options) {
    op_id id = f->region->ops.at[at];
    const struct op *op = op_get(f->m, id);
    const struct tensor **in = xcalloc(op->operand_count, sizeof *in);
    struct tensor *out = xcalloc(op->result_count, sizeof *out);
    for (uint32_t i = 0; i < op->operand_count; i++) in[i] = frame_get(f, op->operand[i]);
    enum status status = run_op(f->m, op, in, f->arithmetic, out, f->diag);
    if (status == STATUS_OK) {
        if (options && options->observe) options->observe(options->observe_ctx, id, out);
        for (uint32_t r = 0; r < op->result_count; r++) {
            struct slot *slot = slot_of(f, op->result[r]);
            slot->owned = out[r];
            slot->tensor = &slot->owned;
            if (slot->last_use <= at) slot_clear(slot); /* nobody reads it */
        }
        for (uint32_t i = 0; i < op->operand_count; i++)
            if (!value_none(op->operand[i]) && slot_of(f, op->operand[i])->last_use == at)
                slot_clear(slot_of(f, op->operand[i]));
    }
    free(in);
    free(out);
    return status;
}

/* The tensors of the region's results, the caller's own. */
static void frame_take(struct frame *f, const value_id *results, uint32_t count, struct tensor *out) {
    for (uint32_t i = 0; i < count; i++) {
        const struct tensor *tensor = frame_get(f, results[i]);
        struct slot *slot = slot_of(f, results[i]);
        bool again = false;
        for (uint32_t k = i + 1; k < count; k++) again = again || value_same(results[i], results[k]);
        if (again || tensor != &slot->owned) {
            out[i] = tensor_copy(tensor);
        } else {
            out[i] = slot->owned;
            slot->owned = (struct tensor){0};
        }
    }
}

static enum status frame_run(struct frame *f, const struct interp_options *options, const value_id *results,
                             uint32_t result_count, struct tensor *out) {
    enum status status = STATUS_OK;
    for (uint32_t i = 0; i < f->region->ops.count && status == STATUS_OK; i++)
        status = frame_step(f, i, options);
    if (status == STATUS_OK) frame_take(f, results, result_count, out);
    frame_free(f);
    return status;
}

enum status interp_body(const struct eval *eval) {
    const struct module *m = eval->m;
    const struct region *body = region_get(m, eval->op->body);
    struct frame f =
        frame_new(m, eval->op->body, body->args.at, body->args.count, body->results.at, body->results.count);
    f.arithmetic = (struct arithmetic){eval->f64, eval->ordered};
    f.diag = eval->diag;
    for (uint32_t i = 0; i < body->args.count; i++)
        slot_lend(slot_of(&f, body->args.at[i]), eval->in[i], eval->f64);
    struct tensor *results = xcalloc(body->results.count, sizeof *results);
    enum status status = frame_run(&f, NULL, body->results.at, body->results.count, results);
    for (uint32_t i = 0; i < body->results.count && status == STATUS_OK; i++) {
        tensor_free(&eval->out[i]);
        eval->out[i] = results[i];
    }
    free(results);
    return status;
}

/* -- inputs and symbols -- */
struct binding {
    const char *name;
    int64_t value;
};
struct bindings {
    VEC(struct binding) list;
};

static bool look_up(void *ctx, const char *name, int64_t *value) {
    const struct bindings *b = ctx;
    for (uint32_t i = 0; i < b->list.count; i++)
        if (!strcmp(b->list.at[i].name, name)) {
            *value = b->list.at[i].value;
            return true;
        }
    return false;
}

static enum status bind(const struct module *m, const struct value *input, uint32_t axis, int64_t extent,
                        struct bindings *bindings, struct diag *diag) {
    dim_id dim = dims_at(&m->types, input->type.shape, axis);
    const char *name;
    int64_t bound;
    if (!dim_is_symbol(&m->types, dim, &name)) return STATUS_OK;
    if (extent < dim_lo(&m->types, dim) || extent > dim_hi(&m->types, dim))
        return diag_error(diag, input->loc, "input %s: %s is %lld, expected %lld to %lld", input->name, name,
                          (long long)extent, (long long)dim_lo(&m->types, dim),
                          (long long)dim_hi(&m->types, dim));
    if (!look_up(bindings, name, &bound)) {
        *vec_push(&bindings->list) = (struct binding){name, extent};
        return STATUS_OK;
    }
    if (bound == extent) return STATUS_OK;
    return diag_error(diag, input->loc, "input %s: %s is %lld in dimension %u, but %lld elsewhere",
                      input->name, name, (long long)extent, axis, (long long)bound);
}

/* Element type and rank; symbols that are dimensions get their values. */
static enum status check_input(const struct module *m, uint32_t i, const struct tensor *tensor,
                               struct bindings *bindings, struct diag *diag) {
    const struct value *input = value_get(m, m->inputs.at[i]);
    if (tensor->elem != input->type.elem)
        return diag_error(diag, input->loc, "input %s is %s, expected %s", input->name,
                          elem_name(tensor->elem), elem_name(input->type.elem));
    uint32_t rank = type_rank(&m->types, input->type);
    if (tensor->rank != rank)
        return diag_error(diag, input->loc, "input %s has rank %u, expected %u", input->name, tensor->rank,
                          rank);
    for (uint32_t d = 0; d < rank; d++) TRY(bind(m, input, d, tensor->dim[d], bindings, diag));
    return STATUS_OK;
}

/* Constant dimensions and expressions, once the symbols have their values. */
static enum status check_extents(struct module *m, uint32_t i, const struct tensor *tensor,
                                 struct bindings *bindings, struct diag *diag) {
    const struct value *input = value_get(m, m->inputs.at[i]);
    for (uint32_t d = 0; d < tensor->rank; d++) {
        dim_id declared = dims_at(&m->types, input->type.shape, d);
        dim_id dim = dim_substitute(&m->types, declared, look_up, bindings);
        int64_t expected;
        if (dim_is_const(&m->types, dim, &expected) && expected == tensor->dim[d]) continue;
        struct str text = {0};
        dim_print(&m->types, dim.i ? dim : declared, &text);
        enum status status =
            diag_error(diag, input->loc, "input %s has extent %lld in dimension %u, expected %s", input->name,
                       (long long)tensor->dim[d], d, str_text(&text));
        str_free(&text);
        return status;
    }
    return STATUS_OK;
}

enum status interp_bind_inputs(struct module *m, const struct tensor *inputs, struct diag *diag) {
    struct bindings bindings = {0};
    enum status status = STATUS_OK;
    for (uint32_t i = 0; i < m->inputs.count && status == STATUS_OK; i++)
        status = check_input(m, i, &inputs[i], &bindings, diag);
    for (uint32_t i = 0; i < m->inputs.count && status == STATUS_OK; i++)
        status = check_extents(m, i, &inputs[i], &bindings, diag);
    if (status == STATUS_OK) status = module_bind_symbols(m, look_up, &bindings, diag);
    vec_free(&bindings.list);
    return status;
}

/* -- the whole model -- */
static enum status run_bound(const struct module *m, const struct tensor *inputs,
                             const struct interp_options *options, struct tensor *outputs,
                             struct diag *diag) {
    value_id *results = xcalloc(m->outputs.count, sizeof *results);
    for (uint32_t i = 0; i < m->outputs.count; i++) results[i] = m->outputs.at[i].value;
    struct frame f = frame_new(m, m->root, m->inputs.at, m->inputs.count, results, m->outputs.count);
    f.arithmetic.f64 = options && options->f64;
    f.diag = diag;
    for (uint32_t i = 0; i < m->inputs.count; i++)
        slot_lend(slot_of(&f, m->inputs.at[i]), &inputs[i], f.arithmetic.f64);
    enum status status = frame_run(&f, options, results, m->outputs.count, outputs);
    free(results);
    return status;
}

/* A copy of the module takes the symbols' values; handles are the same in it. */
enum status interp_run(const struct module *m, const struct tensor *inputs,
                       const struct interp_options *options, struct tensor *outputs, struct diag *diag) {
    struct module *bound = module_clone(m);
    enum status status = interp_bind_inputs(bound, inputs, diag);
    if (status == STATUS_OK) status = run_bound(bound, inputs, options, outputs, diag);
    module_free(bound);
    return status;
}
