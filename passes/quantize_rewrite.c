/* Integers between layers: each value that an integer layer reads is quantized once, as early as exact
 * integers can be carried on (through max pools, reshapes, concat), and the floats that are left between
 * integer layers read it dequantized, so that no f32 copy of it is stored. */
#include "passes/quantize.h"

#include <math.h>
#include <string.h>

/* A set of values that share a scale: a source and what moves its integers on. */
struct family {
    value_id source;
    double lo[RANGE_CANDIDATES], hi[RANGE_CANDIDATES], error[RANGE_CANDIDATES];
    bool tried[RANGE_CANDIDATES];
    struct scale_zero scale;
};

struct rewrite {
    struct quantize *q;
    struct module *m;
    VEC(struct family) families;
    VEC(value_id) quantized, plain; /* by value: its integers, and those dequantized; 0: none */
};

static value_id *slot(struct rewrite *w, value_id v) {
    while (w->quantized.count <= v.i) {
        *vec_push(&w->quantized) = (value_id){0};
        *vec_push(&w->plain) = (value_id){0};
    }
    return &w->quantized.at[v.i];
}

/* The op that moves one operand's integers to v; NULL if another one makes it. */
static const struct op *mover(const struct module *m, value_id v) {
    const struct value *value = value_get(m, v);
    if (value->kind != VALUE_RESULT) return NULL;
    const struct op *op = op_get(m, value->op);
    if (!(op_info(op->kind)->traits & TRAIT_QUANT_MOVES) || op->result_count != 1) return NULL;
    if (op->kind == OP_resize && op_keyword(op, ATTR_mode) != KEYWORD_nearest) return NULL;
    return op->operand_count == 1 ? op : NULL;
}

static value_id source_of(const struct module *m, value_id v) {
    for (const struct op *op; (op = mover(m, v));) v = op->operand[0];
    return v;
}

static struct family *family_of(struct rewrite *w, value_id v) {
    value_id source = source_of(w->m, v);
    for (uint32_t i = 0; i < w->families.count; i++)
        if (value_same(w->families.at[i].source, source)) return &w->families.at[i];
    struct family *f = vec_push(&w->families);
    *f = (struct family){.source = source};
    for (int i = 0; i < RANGE_CANDIDATES; i++) f->tried[i] = true;
    return f;
}

/* One range for all layers that read a family: of the candidates that all of them tried, that of the least
 * relative errors together. */
static void choose_scales(struct rewrite *w) {
    for (uint32_t i = 0; i < w->q->layers.count; i++) {
        const struct quantize_layer *l = &w->q->layers.at[i];
        if (!l->integer) continue;
        struct family *f = family_of(w, l->c.input);
        for (int k = 0; k < RANGE_CANDIDATES; k++) {
            f->tried[k] = f->tried[k] && l->ranges.tried[k];
            f->lo[k] = fmin(f->lo[k], l->ranges.lo[k]);
            f->hi[k] = fmax(f->hi[k], l->ranges.hi[k]);
            f->error[k] += l->energy > 0 ? l->error[k] / l->energy : 0;
        }
    }
    for (uint32_t i = 0; i < w->families.count; i++) {
        struct family *f = &w->families.at[i];
        int best = -1;
        for (int k = 0; k < RANGE_CANDIDATES; k++)
            if (f->tried[k] && (best < 0 || f->error[k] < f->error[best])) best = k;
        f->scale = best < 0 ? quantize_scale_zero(0, 1) : quantize_scale_zero(f->lo[best], f->hi[best]);
    }
}

/* -- building -- */
/* Right after what makes v, so that it is the end of that kernel. */
static struct builder after(struct rewrite *w, value_id v) {
    const struct value *value = value_get(w->m, v);
    struct builder b = {.m = w->m, .region = w->m->root, .at = 0, .loc = value->loc, .diag = w->q->diag};
    const struct region *root = region_get(w->m, w->m->root);
    if (value->kind != VALUE_RESULT) return b;
    while (root->ops.at[b.at].i != value->op.i) b.at++;
    b.at++;
    return b;
}

static value_id build_quantize(struct rewrite *w, value_id v, struct scale_zero s) {
    struct builder b = after(w, v);
    const char *name = arena_printf(&w->m->arena, "%s.q", value_get(w->m, v)->name);
    struct attr attrs[] = {attr_float(ATTR_scale, s.scale), attr_int(ATTR_zero, s.zero)};
    return build(&b, OP_quantize, &v, 1, attrs, 2, name);
}

/* Every operand of a concat in the result's scale, then the concat of integers. */
static value_id build_concat(struct rewrite *w, value_id v, struct scale_zero s) {
    op_id id = value_get(w->m, v)->op;
    uint32_t count = op_get(w->m, id)->operand_count;
    value_id *parts = xcalloc(count, sizeof *parts), result = {0};
    bool built = true;
    for (uint32_t i = 0; i < count && built; i++) {
        parts[i] = build_quantize(w, op_get(w->m, id)->operand[i], s);
        built = parts[i].i != 0;
    }
    struct builder b = after(w, v);
    struct attr axis = *op_attr(op_get(w->m, id), ATTR_axis);
    if (built) result = build(&b, OP_concat, parts, count, &axis, 1, NULL);
    free(parts);
    return result;
}

static value_id quantized(struct rewrite *w, value_id v) {
    if (slot(w, v)->i) return *slot(w, v);
    const struct op *op = mover(w->m, v);
    const struct value *value = value_get(w->m, v);
    value_id q;
    if (op) {
        op_id id = value->op;
        value_id in = quantized(w, op->operand[0]);
        if (!in.i) return in;
        struct builder b = after(w, v);
        op = op_get(w->m, id);
        q = build(&b, op->kind, &in, 1, op->attr, op_info_attrs(op_info(op->kind)), NULL);
    } else if (value->kind == VALUE_RESULT && op_get(w->m, value->op)->kind == OP_concat) {
        q = build_concat(w, v, family_of(w, v)->scale);
    } else {
        q = build_quantize(w, v, family_of(w, v)->scale);
    }
    *slot(w, v) = q;
    return q;
}

/* -- floats between integer layers -- */
static value_id dequantized(struct rewrite *w, value_id v) {
    value_id q = *slot(w, v);
    if (w->plain.at[v.i].i) return w->plain.at[v.i];
    struct builder b = after(w, q);
    value_id plain = build(&b, OP_dequantize, &q, 1, NULL, 0, NULL);
    w->plain.at[v.i] = plain;
    return plain;
}

static bool means(const struct op *op) {
    const struct op_info *info = op_info(op->kind);
    return (info->traits & TRAIT_QUANT_SUMS) && info->class != CLASS_CONTRACTION;
}

/* Sums and residual adds read the integers too; what makes the value itself does not. */
static enum status read_integers(struct rewrite *w) {
    for (uint32_t i = 0; i < region_get(w->m, w->m->root)->ops.count; i++) {
        op_id id = region_get(w->m, w->m->root)->ops.at[i];
        for (uint32_t k = 0; k < op_get(w->m, id)->operand_count; k++) {
            const struct op *op = op_get(w->m, id);
            value_id v = op->operand[k];
            if (value_none(v) || !slot(w, v)->i || op->kind == OP_quantize) continue;
            if (!means(op) && op->kind != OP_add && op->kind != OP_sub) continue;
            value_id to = means(op) ? *slot(w, v) : dequantized(w, v);
            if (!to.i) return STATUS_FAILED;
            op_get(w->m, id)->operand[k] = to;
        }
    }
    return STATUS_OK;
}

/* A layer without a bias gets the correction as one. */
static enum status add_bias(struct rewrite *w, struct quantize_layer *l) {
    if (!l->shift || l->c.bias.i) return STATUS_OK;
    struct op *op = op_get(w->m, l->op);
    const int64_t outputs = l->c.groups * l->c.rows;
    if (op->operand_count != 2 || op->kind == OP_matmul) return STATUS_OK;
    struct tensor t = tensor_new(ELEM_f32, 1, &outputs);
    for (int64_t i = 0; i < outputs; i++) tensor_set_f64(&t, i, l->shift[i]);
    struct str name = {0};
    str_printf(&name, "%s.shift", value_get(w->m, l->c.weight)->name);
    value_id bias =
        module_parameter(w->m, module_add_weight(w->m, str_text(&name), t, op_get(w->m, l->op)->loc));
    str_free(&name);
    value_id operands[3] = {op_get(w->m, l->op)->operand[0], op_get(w->m, l->op)->operand[1], bias};
    op = op_get(w->m, l->op);
    op->operand = arena_copy(&w->m->arena, operands, sizeof operands);
    op->operand_count = 3;
    return STATUS_OK;
}

/* What reads rows of narrow floats makes narrow floats: widened right after, exactly. */
enum status quantize_widen_rows(struct quantize *q, value_id table) {
    struct module *m = q->m;
    for (uint32_t i = 0; i < region_get(m, m->root)->ops.count; i++) {
        op_id id = region_get(m, m->root)->ops.at[i];
        const struct op *op = op_get(m, id);
        bool reads = false;
        for (uint32_t k = 0; k < op->operand_count; k++) reads |= value_same(op->operand[k], table);
        if (!reads) continue;
        struct builder b = builder_at(m, i, q->diag);
        const struct attr to = attr_elem(ATTR_to, ELEM_f32);
        value_id old = op->result[0], narrow, wide = {0};
        b.loc = op->loc;
        narrow = build(&b, op->kind, op->operand, op->operand_count, op->attr,
                       op_info_attrs(op_info(op->kind)), NULL);
        if (narrow.i) wide = build(&b, OP_cast, &narrow, 1, &to, 1, NULL);
        if (!wide.i) return STATUS_FAILED;
        module_replace_uses(m, old, wide);
        module_take_name(m, old, wide);
        module_erase_op(m, id);
        i += 2;
    }
    module_compact(m);
    return STATUS_OK;
}

enum status quantize_rewrite(struct quantize *q) {
    struct rewrite w = {.q = q, .m = q->m};
    enum status status = STATUS_OK;
    choose_scales(&w);
    for (uint32_t i = 0; i < q->layers.count && status == STATUS_OK; i++) {
        struct quantize_layer *l = &q->layers.at[i];
        status = add_bias(&w, l);
        if (!l->integer || status != STATUS_OK) continue;
        value_id in = quantized(&w, l->c.input);
        if (!in.i)
            status = STATUS_FAILED;
        else
            op_get(q->m, l->op)->operand[0] = in;
    }
    if (status == STATUS_OK) status = read_integers(&w);
    if (status == STATUS_OK) (void)module_remove_dead(q->m);
    vec_free(&w.families);
    vec_free(&w.quantized);
    vec_free(&w.plain);
    return status;
}
