/* emit_contraction: a kernel for a contraction and the pointwise ops around it. */
#include "codegen/body.h"
#include "codegen/gemm/forms.h"
#include "codegen/gemm/site.h"
#include "codegen/loop.h"

#include <string.h>

/* Where finished sums go: bias, the body's ops, the results. */
struct epilogue {
    struct emit *e;
    const struct contraction *problem;
    const struct nest *nest; /* the one being emitted */
    struct body *body;       /* NULL: stored as they are */
    LLVMValueRef bias, out;
    uint32_t needs; /* storage coordinates that the body asks for */
    uint32_t rank;  /* storage dimensions of the result */
    int64_t extent[MAX_STORAGE_RANK];
};

static bool needs(const struct epilogue *o, uint32_t k) {
    return o->needs >> k & 1;
}

/* (n, c/V, h, w, c%V), without h for conv1d. In a flat convolution x counts all points of the plane. */
static void conv_coordinates(const struct epilogue *o, const struct gen *g, const struct nest_point *at,
                             LLVMValueRef *index) {
    uint32_t w = o->rank - 2;
    bool flat = conv_is_flat(&o->problem->conv) && o->problem->kind == CONTRACTION_CONV && w == 3;
    if (needs(o, 0)) index[0] = at->outer[0];
    if (needs(o, 1)) index[1] = gen_div(g, at->channel, g->lanes);
    LLVMValueRef row = o->problem->conv.turned ? at->x : at->row,
                 x = o->problem->conv.turned ? at->row : at->x;
    if (w == 3 && needs(o, 2)) index[2] = flat ? gen_div(g, at->x, o->extent[w]) : row;
    if (needs(o, w)) index[w] = flat ? gen_rem(g, at->x, o->extent[w]) : x;
    index[w + 1] = gen_i64(g, 0);
}

/* (.., m, n): either the nest has the leading dimensions as outer axes, or they are rows of one product. */
static void matmul_coordinates(const struct epilogue *o, const struct gen *g, const struct nest_point *at,
                               LLVMValueRef *index) {
    uint32_t last = o->rank - 1, axes = o->problem->matmul.n_outer;
    LLVMValueRef rest = at->x;
    index[last] = at->channel;
    for (uint32_t i = last; i-- > axes;) {
        if (needs(o, i)) index[i] = i == axes ? rest : gen_rem(g, rest, o->extent[i]);
        if (i > axes) rest = gen_div(g, rest, o->extent[i]);
    }
    for (uint32_t i = 0; i < axes && i < last; i++) index[i] = at->outer[i];
}

static LLVMValueRef active_mask(const struct gen *g, uint32_t active) {
    LLVMValueRef bit[64];
    for (uint32_t i = 0; i < g->lanes; i++) bit[i] = LLVMConstInt(g->i1, i < active, false);
    return LLVMConstVector(bit, g->lanes);
}

static void sink(void *ctx, const struct gen *g, LLVMValueRef sums, const struct nest_point *at) {
    struct epilogue *o = ctx;
    if (o->bias) {
        LLVMValueRef bias = gen_load(g, gen_at(g, o->bias, at->channel), 4, at->active);
        sums = LLVMBuildFAdd(g->b, sums, bias, "");
    }
    if (!o->body) {
        nest_store(g, o->nest, o->out, sums, at);
        return;
    }
    LLVMValueRef index[MAX_STORAGE_RANK] = {0};
    if (o->problem->kind == CONTRACTION_MATMUL)
        matmul_coordinates(o, g, at, index);
    else
        conv_coordinates(o, g, at, index);
    bool masked = !o->nest->out_padded && at->active < g->lanes;
    struct body_point point = {
        .lanes = g->lanes,
        .index = index,
        .offset = at->out,
        .mask = masked ? active_mask(g, at->active) : NULL,
        .seeds = &sums,
    };
    body_eval_store(o->body, &point);
}

/* The stored layouts must be those that the schedule stands for. */
static const char *check_layouts(struct module *m, const struct op *op, const struct contraction *c,
                                 const struct schedule *s, const struct target *target) {
    const struct type x = value_get(m, op->operand[0])->type, w = value_get(m, op->operand[1])->type;
    uint32_t rank = type_rank(&m->types, x), lanes = target_lanes(target);
    bool blocked = c->kind != CONTRACTION_MATMUL && (c->kind != CONTRACTION_CONV || c->conv.blocked);
    layout_id want_x = blocked ? layout_channel_blocked(&m->types, rank, lanes) : (layout_id){0};
    if (x.layout.i != want_x.i) return "the input has another layout than the schedule's";
    if (c->coded) return w.layout.i ? "coded weights have a layout" : NULL;
    if (w.layout.i != contraction_weights_layout(m, op, c, s, target).i)
        return "the weights have another layout than the schedule's";
    return NULL;
}

/* Most ops are one nest; the items of several follow each other. */
struct nests {
    struct nest at[TRANSPOSE_MAX_PHASES];
    uint32_t count;
};

static const char *make_nests(const struct contraction *c, const struct dot *dot, const struct schedule *s,
                              struct nests *out) {
    out->count = 1;
    switch (c->kind) {
    case CONTRACTION_CONV:
        return conv_nest(&c->conv, dot->lanes, s, out->at);
    case CONTRACTION_MATMUL:
        return matmul_nest(&c->matmul, dot->lanes, s, out->at);
    case CONTRACTION_DEPTHWISE:
        return depthwise_nest(&c->conv, dot->lanes, s, out->at);
    case CONTRACTION_CONV_TRANSPOSE:
        return transpose_nests(&c->conv, dot->lanes, s, out->at, &out->count);
    }
    return "the dense generator has no form of this op";
}

/* A nest that reads coded panels instead of the plain ones that it was made for. */
static const char *read_panels(struct emit *e, const struct op *root, const struct gemm_site *site,
                               struct nests *nests) {
    struct nest *n = &nests->at[0];
    const char *reason =
        panels_of(e->m, root->operand[site->w], &site->problem, root->schedule, e->target, &n->panels);
    if (reason) return reason;
    check(n->panels.stretches == n->k_blocks && nests->count == 1);
    n->b = NEST_B_DECODED;
    n->prefetch_b = false;
    return NULL;
}

/* Checks all that can be refused before anything is emitted. */
static const char *plan(struct emit *e, op_id id, struct gemm_site *site, struct nests *nests) {
    const char *reason = gemm_site_find(e->m, id, site);
    if (reason) return reason;
    const struct op *root = op_get(e->m, id), *op = op_get(e->m, site->contraction);
    const struct dot *dot = dot_for(e->target, ELEM_f32, ELEM_f32, ELEM_f32);
    if (!dot || dot->lanes != target_lanes(e->target)) return "no tiles for this target";
    if (!root->schedule) return "no schedule was assigned";
    reason = check_layouts(e->m, op, &site->problem, root->schedule, e->target);
    if (reason) return reason;
    struct type result = value_get(e->m, root->result[0])->type;
    if (result.shape.i != value_get(e->m, op->result[0])->type.shape.i)
        return "the results have another shape than the contraction";
    if (result.layout.i != contraction_result_layout(e->m, op, &site->problem, e->target).i)
        return "the result has another layout than the schedule's";
    reason = make_nests(&site->problem, dot, root->schedule, nests);
    return reason || !site->problem.coded ? reason : read_panels(e, root, site, nests);
}

/* x - first, within [0, items]: the share that one nest has of a range of all items. */
static LLVMValueRef share(const struct gen *g, LLVMValueRef x, uint32_t first, uint32_t items) {
    LLVMValueRef wide = LLVMBuildZExt(g->b, x, g->i64, "");
    LLVMValueRef from = LLVMBuildSub(g->b, wide, gen_i64(g, first), "");
    return LLVMBuildTrunc(g->b, gen_min(g, gen_max(g, from, gen_i64(g, 0)), gen_i64(g, items)), g->i32, "");
}

static void emit_kernel(struct emit *e, op_id id, const struct gemm_site *site, const struct nests *nests,
                        struct epilogue *o, const char *symbol, struct kernel *out) {
    struct gen g;
    const struct op *root = op_get(e->m, id);
    struct kernel_code code = kernel_begin(e, symbol);
    gen_init(&g, e->builder, code.function, dot_for(e->target, ELEM_f32, ELEM_f32, ELEM_f32));
    struct nest_buffers buffers = {
        .a = kernel_pointer(e, code.buf, site->x),
        .b = kernel_pointer(e, code.buf, site->w),
        .scratch = kernel_pointer(e, code.buf, root->operand_count + root->result_count),
        .lo = LLVMGetParam(code.function, 2),
        .hi = LLVMGetParam(code.function, 3),
    };
    if (site->bias != UINT32_MAX) o->bias = kernel_pointer(e, code.buf, site->bias);
    o->out = kernel_pointer(e, code.buf, root->operand_count);
    if (o->body) body_bind(o->body, code.buf);
    *out =
        (struct kernel){.function = code.function, .panels = nests->at[0].panels, .coded_operand = site->w};
    for (uint32_t i = 0; i < nests->count; i++) {
        o->nest = &nests->at[i];
        struct nest_buffers part = buffers;
        uint32_t items = nest_items(o->nest);
        if (nests->count > 1) {
            part.lo = share(&g, buffers.lo, out->items, items);
            part.hi = share(&g, buffers.hi, out->items, items);
        }
        nest_emit(&g, o->nest, &part, sink, o);
        out->items += items;
        if (nest_scratch(o->nest) > out->worker_scratch) out->worker_scratch = nest_scratch(o->nest);
    }
    kernel_end(e);
}

enum emit_result emit_contraction(struct emit *e, op_id id, const char *symbol, struct kernel *out,
                                  const char **why_not) {
    struct gemm_site site;
    struct nests nests;
    *why_not = plan(e, id, &site, &nests);
    if (*why_not) return EMIT_DECLINED;
    const struct op *root = op_get(e->m, id);
    value_id seed = op_get(e->m, site.contraction)->result[0];
    struct type frame = value_get(e->m, root->result[0])->type;
    struct epilogue o = {.e = e, .problem = &site.problem};
    o.rank = type_storage(&e->m->types, frame, o.extent);
    if (root->kind == OP_fuse) {
        struct body_request request = {.op = id, .frame = frame, .seeds = &seed, .seed_count = 1};
        o.body = body_new(e, &request, why_not);
        if (!o.body) return EMIT_DECLINED;
        o.needs = body_needs(o.body);
    }
    emit_kernel(e, id, &site, &nests, &o, symbol, out);
    if (o.body) body_free(o.body);
    return EMIT_DONE;
}
