/* What the dense generator proposes to `assign`: schedules with the layouts that they ask for. */
#include "codegen/gemm/dot.h"
#include "codegen/gemm/gemm.h"
#include "ir/op.h"

#include <string.h>

static const double cycles_per_ns = 3;
/* Channels of a plain input are far apart, and its reads are not whole lines. */
static const double plain_input_penalty = 1.1;

/* The position among the root op's operands of a value that the contraction uses, UINT32_MAX if it is none.
 */
static uint32_t operand_position(const struct module *m, const struct op *root, value_id v) {
    if (root->kind == OP_fuse) {
        const struct value *value = value_get(m, v);
        return value->kind == VALUE_ARGUMENT && value->region.i == root->body.i ? value->index : UINT32_MAX;
    }
    for (uint32_t i = 0; i < root->operand_count; i++)
        if (value_same(root->operand[i], v)) return i;
    return UINT32_MAX;
}

static const char *find_contraction(const struct module *m, op_id id, op_id *out) {
    const struct op *op = op_get(m, id);
    if (op->kind != OP_fuse) {
        *out = id;
        return op_info(op->kind)->class == CLASS_CONTRACTION ? NULL : "not a contraction";
    }
    const struct region *body = region_get(m, op->body);
    uint32_t found = 0;
    for (uint32_t i = 0; i < body->ops.count; i++) {
        if (op_info(op_get(m, body->ops.at[i])->kind)->class != CLASS_CONTRACTION) continue;
        *out = body->ops.at[i];
        found++;
    }
    return found == 1 ? NULL : found ? "several contractions in one body" : "not a contraction";
}

/* Weights are packed ahead, and a literal has no place to be packed to. */
static bool is_literal(const struct module *m, const struct op *root, uint32_t position) {
    return value_get(m, root->operand[position])->kind == VALUE_LITERAL;
}

const char *gemm_find(const struct module *m, op_id id, struct gemm_site *out) {
    *out = (struct gemm_site){.bias = UINT32_MAX};
    const char *reason = find_contraction(m, id, &out->contraction);
    if (reason) return reason;
    const struct op *root = op_get(m, id), *op = op_get(m, out->contraction);
    reason = contraction_of(m, op, &out->problem);
    if (reason) return reason;
    out->x = operand_position(m, root, op->operand[0]);
    out->w = operand_position(m, root, op->operand[1]);
    if (out->x == UINT32_MAX || out->w == UINT32_MAX) return "an operand is computed in the body";
    if (is_literal(m, root, out->x) || is_literal(m, root, out->w)) return "an operand is a literal";
    if (op->operand_count > 2 && op->operand[2].i) {
        out->bias = operand_position(m, root, op->operand[2]);
        if (out->bias == UINT32_MAX) return "the bias is computed in the body";
        if (is_literal(m, root, out->bias)) return "the bias is a literal";
    }
    if (value_get(m, op->result[0])->type.elem != ELEM_f32) return "only f32 is covered";
    return NULL;
}

/* Operands that are walked with the result are wanted in its layout, others plain. */
static layout_id epilogue_layout(const struct module *m, value_id operand, const struct type result,
                                 layout_id out) {
    struct type t = value_get(m, operand)->type;
    return t.shape.i == result.shape.i ? out : (layout_id){0};
}

static struct candidate make_candidate(struct module *m, op_id id, const struct gemm_site *site,
                                       const struct contraction *problem, const struct proposal *p,
                                       const struct target *target) {
    const struct op *root = op_get(m, id), *op = op_get(m, site->contraction);
    struct type result = value_get(m, op->result[0])->type;
    layout_id out = contraction_result_layout(m, op, problem, target);
    layout_id *in = arena_array(&m->arena, layout_id, root->operand_count + 1);
    for (uint32_t i = 0; i < root->operand_count; i++)
        in[i] = root->operand[i].i ? epilogue_layout(m, root->operand[i], result, out) : (layout_id){0};
    bool blocked_x = problem->kind == CONTRACTION_DEPTHWISE ||
                     (problem->kind == CONTRACTION_CONV && problem->conv.blocked);
    uint32_t rank = type_rank(&m->types, value_get(m, op->operand[0])->type);
    in[site->x] = blocked_x ? layout_channel_blocked(&m->types, rank, target_lanes(target)) : (layout_id){0};
    in[site->w] = contraction_weights_layout(m, op, problem, &p->schedule, target);
    if (site->bias != UINT32_MAX) in[site->bias] = (layout_id){0};
    double penalty = problem->kind == CONTRACTION_CONV && !blocked_x ? plain_input_penalty : 1;
    return (struct candidate){
        .out = out,
        .in = in,
        .schedule = p->schedule,
        .has_schedule = true,
        .cost_ns = p->cycles * penalty / cycles_per_ns,
    };
}

static uint32_t add_candidates(struct module *m, op_id id, const struct gemm_site *site,
                               const struct contraction *problem, const struct target *target,
                               struct candidate *out, uint32_t room) {
    struct proposal proposals[8];
    uint32_t n = contraction_propose(problem, target, proposals, room < 8 ? room : 8);
    for (uint32_t i = 0; i < n; i++) out[i] = make_candidate(m, id, site, problem, &proposals[i], target);
    return n;
}

uint32_t gemm_candidates(struct module *m, op_id id, const struct target *target, struct candidate *out,
                         uint32_t room) {
    struct gemm_site site;
    const struct dot *dot = dot_for(target, ELEM_f32, ELEM_f32, ELEM_f32);
    if (gemm_find(m, id, &site) || !dot || dot->lanes != target_lanes(target)) return 0;
    struct contraction problem = site.problem;
    if (problem.kind == CONTRACTION_MATMUL) {
        const struct value *b = value_get(m, op_get(m, id)->operand[site.w]);
        if (problem.matmul.packable && b->kind == VALUE_PARAMETER) problem.matmul.packed = true;
        return add_candidates(m, id, &site, &problem, target, out, room);
    }
    problem.conv.blocked = true;
    uint32_t n = 0;
    if (problem.kind == CONTRACTION_CONV && problem.conv.groups == 1) {
        struct contraction plain = problem;
        plain.conv.blocked = false;
        n = add_candidates(m, id, &site, &plain, target, out, room / 2);
    }
    return n + add_candidates(m, id, &site, &problem, target, out + n, room - n);
}
