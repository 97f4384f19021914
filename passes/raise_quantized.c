/* Ops on decoded integers, as ops on the integers (ir/quant.h): what reads a dequantize reads what that
 * decodes, where the op sums or moves integers. Other readers keep the dequantize.
 *
 *   contraction(dequantize(x), dequantize(w), b)   contraction(x, w, b), where it sums integers
 *   contraction(x, dequantize(w), b)               contraction(x, w, b), w a parameter
 *   embedding(n, dequantize(t))                    embedding(n, t), t a parameter; gather, too
 *   quantize(move(dequantize(q)))                  move(q), of equal quant
 *   quantize(dequantize(q))                        q, of equal quant
 *
 * Sums of integers are exact, so results differ from those of sums of floats in the last bits. */
#include "passes/raise.h"

#include "ir/quant.h"

#include <stdlib.h>

struct rewriter {
    struct module *m;
    struct diag *diag;
    uint32_t *uses;
    uint32_t known;
    uint32_t at; /* position in the root of the op at hand */
};

/* What v decodes; 0 if it is no dequantize. */
static value_id decoded_from(const struct module *m, value_id v) {
    const struct value *value = value_get(m, v);
    if (value_none(v) || value->kind != VALUE_RESULT) return (value_id){0};
    const struct op *op = op_get(m, value->op);
    return op->kind == OP_dequantize && !op->erased ? op->operand[0] : (value_id){0};
}

static bool has_literal_quant(const struct module *m, value_id v) {
    return quant_get(&m->types, value_get(m, v)->type.quant).literal;
}

/* -- contractions: operands are put in place, the result keeps its type -- */
static bool read_factors(struct module *m, op_id id) {
    struct op *op = op_get(m, id);
    const struct op_info *info = op_info(op->kind);
    if (info->class != CLASS_CONTRACTION || !(info->traits & TRAIT_QUANT_SUMS)) return false;
    value_id x = op->operand[0], w = op->operand[1];
    value_id xq = decoded_from(m, x), wq = decoded_from(m, w);
    if (value_get(m, x)->type.quant.i) xq = x;
    if (value_get(m, w)->type.quant.i) wq = w;
    if (!wq.i || (value_same(wq, w) && (!xq.i || value_same(xq, x)))) return false;
    if (xq.i) {
        op->operand[0] = xq;
        op->operand[1] = wq;
        if (op_sums_integers(m, op)) return true;
        op->operand[0] = x;
        op->operand[1] = w;
    }
    if (value_same(wq, w) || has_literal_quant(m, wq)) return false;
    op->operand[1] = wq;
    return true;
}

/* -- look-ups: rows of what is decoded are rows of the integers, decoded -- */
static bool read_tables(struct module *m, op_id id) {
    struct op *op = op_get(m, id);
    bool any = false;
    if (op->kind == OP_dequantize || !(op_info(op->kind)->traits & TRAIT_QUANT_DECODES)) return false;
    for (uint32_t i = 0; i < op->operand_count; i++) {
        value_id q = decoded_from(m, op->operand[i]);
        if (!q.i || has_literal_quant(m, q)) continue;
        op->operand[i] = q;
        any = true;
    }
    return any;
}

/* -- what moves integers -- */
static const struct op *mover(const struct rewriter *w, value_id v) {
    const struct value *value = value_get(w->m, v);
    if (value->kind != VALUE_RESULT || v.i >= w->known || w->uses[v.i] != 1) return NULL;
    const struct op *op = op_get(w->m, value->op);
    if (!(op_info(op->kind)->traits & TRAIT_QUANT_MOVES) || op->operand_count != 1 || op->result_count != 1)
        return NULL;
    return op->kind != OP_resize || op_keyword(op, ATTR_mode) == KEYWORD_nearest ? op : NULL;
}

enum { LONGEST_CHAIN = 64 };

/* What a chain of movers starts from. */
static value_id source_of(const struct rewriter *w, value_id v) {
    const struct op *op;
    for (int i = 0; i < LONGEST_CHAIN && (op = mover(w, v)); i++) v = op->operand[0];
    return decoded_from(w->m, v);
}

/* The movers after v's dequantize, on integers. */
static value_id moved(struct rewriter *w, value_id v) {
    value_id q = decoded_from(w->m, v);
    if (q.i) return q;
    op_id id = value_get(w->m, v)->op;
    q = moved(w, op_get(w->m, id)->operand[0]);
    if (!q.i) return q;
    const struct op *op = op_get(w->m, id);
    struct builder b = builder_at(w->m, w->at, w->diag);
    q = build(&b, op->kind, &q, 1, op->attr, op_info_attrs(op_info(op->kind)), NULL);
    w->at += q.i != 0;
    return q;
}

/* A quantize of what was decoded from the same quant; 0: none. */
static value_id without_rounding(struct rewriter *w, op_id id) {
    struct module *m = w->m;
    value_id old = op_get(m, id)->result[0], in = op_get(m, id)->operand[0];
    value_id source = source_of(w, in);
    if (!source.i) return source;
    struct type from = value_get(m, source)->type, to = value_get(m, old)->type;
    if (from.quant.i != to.quant.i || from.elem != to.elem) return (value_id){0};
    value_id q = moved(w, in);
    if (q.i >= w->known) module_take_name(m, old, q);
    return q;
}

static void note(const struct rewriter *w, value_id v) {
    diag_remark(w->diag, REMARK_APPLIED, "raise", value_get(w->m, v)->name, "reads integers");
}

void raise_quantized(struct module *m, struct diag *diag) {
    struct rewriter w = {.m = m, .diag = diag, .uses = module_count_uses(m), .known = m->values.count};
    value_id *to = xcalloc(w.known, sizeof *to);
    for (w.at = 0; w.at < region_get(m, m->root)->ops.count; w.at++) {
        op_id id = region_get(m, m->root)->ops.at[w.at];
        value_id result = op_get(m, id)->result_count ? op_get(m, id)->result[0] : (value_id){0};
        if (op_get(m, id)->kind == OP_quantize && result.i < w.known) {
            to[result.i] = without_rounding(&w, id);
            if (to[result.i].i) note(&w, to[result.i]);
        } else if (read_factors(m, id) || read_tables(m, id)) {
            note(&w, result);
        }
    }
    value_id *all = xcalloc(m->values.count, sizeof *all);
    for (uint32_t i = 0; i < w.known; i++) all[i] = to[i];
    module_replace_all(m, all);
    free(all);
    free(to);
    free(w.uses);
    module_remove_dead(m);
}
