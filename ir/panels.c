#include "ir/panels.h"

#include "ir/encoding.h"

const char *panel_coding_name(enum panel_coding coding) {
    static const char *const names[] = {
#define PANEL_CODING(name, doc) #name,
#include "ir/panel_codings.def"
    };
    check(coding < PANEL_CODINGS);
    return names[coding];
}

uint32_t panels_place_bits(const struct panels *p) {
    uint32_t bits = 0;
    while ((1u << bits) < p->m) bits++;
    return bits;
}

uint32_t panels_chunk(const struct panels *p) {
    return 64 / (p->p * p->q) + 1;
}

const char *panels_hold(const struct module *m, struct type type) {
    static const uint32_t values = ELEM_BIT(ELEM_f32) | ELEM_BIT(ELEM_f16) | ELEM_BIT(ELEM_bf16) |
                                   ELEM_BIT(ELEM_i8) | ELEM_BIT(ELEM_u8) | ELEMS_NIBBLE;
    if (!elem_in(type.elem, values)) return "weights of this element type are not read in coded form";
    if (type.elem == ELEM_f32 && !type.sparse.i) return "the weights are plain f32";
    if (elem_is_float(type.elem)) return NULL;
    if (!type.quant.i) return "weights are plain integers";
    struct quant q = quant_get(&m->types, type.quant);
    if (!q.literal && q.axis > 0) return "the weights' scales do not go along the output channels";
    return NULL;
}

/* -- geometry -- */
static void matmul_panels(const struct matmul_problem *c, const struct schedule *s, struct panels *p) {
    p->channels = c->n;
    p->columns = c->k;
    p->taps = 1;
    p->steps = s->unroll;
    p->blocks = c->k / s->unroll;
    p->tail = c->k % s->unroll;
    p->per = s->kc / s->unroll;
}

static void conv_panels(const struct conv_problem *c, bool depthwise, const struct schedule *s,
                        struct panels *p) {
    uint32_t in = c->c / c->groups;
    p->channels = c->o;
    p->taps = c->kh * c->kw;
    p->columns = in * p->taps;
    p->steps = !depthwise && c->blocked ? p->lanes : 1;
    p->blocks = in / p->steps;
    p->tail = in % p->steps;
    p->per = s->kc / p->steps;
}

/* As the nest cuts the sum: stretches as even as can be. */
static void cut_stretches(struct panels *p) {
    p->stretches = p->per == 0 || p->per >= p->blocks ? 1 : (uint32_t)ceil_div(p->blocks, p->per);
    p->per = (uint32_t)ceil_div(p->blocks, p->stretches);
}

static void read_scales(const struct module *m, struct type type, const struct tensor *t, struct panels *p) {
    if (!type.quant.i) return;
    struct quant q = quant_get(&m->types, type.quant);
    p->literal = q.literal;
    p->scales = q.literal || q.axis < 0 ? SCALES_ONE : q.group ? SCALES_GROUP : SCALES_CHANNEL;
    p->scale = q.scale;
    p->zero = q.zero;
    p->group = (uint32_t)q.group;
    p->has_zero = q.literal ? q.zero != 0 : t->quant->zero.data != NULL;
}

/* Columns that are coded together must lie in one stretch. */
static const char *place_groups(const struct module *m, struct type type, struct panels *p) {
    struct sparse s = sparse_get(&m->types, type.sparse);
    uint32_t together = 1;
    p->p = p->q = 1;
    if (p->coding == PANELS_nm) {
        if (s.kind != SPARSE_NM) return "the weights are not n of m";
        if (s.b > 16) return "n of m is coded up to 16 columns";
        p->n = s.a;
        together = p->m = s.b;
    } else if (p->index_bytes && s.kind == SPARSE_BLOCK) {
        p->q = (uint32_t)common_divisor(s.a, p->nr);
        together = p->p = s.b;
        if (p->p * p->q > 4096) return "blocks are too large";
    }
    if (p->stretches > 1 && p->per * panels_block_depth(p) % together)
        return "the schedule's stretches divide groups of columns";
    return NULL;
}

const char *panels_of(const struct module *m, value_id weight, const struct contraction *c,
                      const struct schedule *s, const struct target *target, struct panels *out) {
    struct type type = value_get(m, weight)->type;
    const struct tensor *t = value_constant(m, weight);
    const char *reason = t ? panels_hold(m, type) : "the weights are not constant";
    if (reason) return reason;
    if (s->coding >= PANEL_CODINGS || s->coding == PANELS_none) return "the schedule's coding is none";
    if (s->nr == 0 || s->unroll == 0) return "the schedule has no tile";
    struct panels p = {.coding = (enum panel_coding)s->coding,
                       .elem = type.elem,
                       .has_f16 = target->arch == ARCH_X86_64 && target_has(target, CPU_F16C),
                       .nr = s->nr,
                       .lanes = target_lanes(target)};
    if (target->arch == ARCH_X86_64 && p.lanes == 16) p.expand = EXPAND_MASK;
    if (target->arch == ARCH_X86_64 && p.lanes == 8) p.expand = EXPAND_PERMUTE;
    if (s->coding >= PANELS_block8) p.index_bytes = 1u << (s->coding - PANELS_block8);
    switch (c->kind) {
    case CONTRACTION_MATMUL:
        if (!c->matmul.transposed) return "only linear reads coded weights";
        matmul_panels(&c->matmul, s, &p);
        break;
    case CONTRACTION_CONV:
    case CONTRACTION_DEPTHWISE:
        conv_panels(&c->conv, c->kind == CONTRACTION_DEPTHWISE, s, &p);
        break;
    case CONTRACTION_CONV_TRANSPOSE:
        return "a transposed convolution reads plain weights";
    }
    cut_stretches(&p);
    read_scales(m, type, t, &p);
    reason = place_groups(m, type, &p);
    if (!reason) *out = p;
    return reason;
}

enum panel_coding panels_choose(const struct module *m, value_id weight, const struct contraction *c,
                                const struct schedule *s, const struct target *target) {
    const struct tensor *t = value_constant(m, weight);
    uint64_t file = encoding_file_bytes(&m->types, value_get(m, weight)->type, t), least = UINT64_MAX;
    uint64_t enough = file + file / 20;
    enum panel_coding best = PANELS_none;
    for (uint32_t k = PANELS_none + 1; k < PANEL_CODINGS; k++) {
        struct schedule with = *s;
        struct panels p;
        with.coding = k;
        if (panels_of(m, weight, c, &with, target, &p)) continue;
        struct tensor coded = panels_encode(&p, t);
        uint64_t bytes = tensor_bytes(&coded);
        tensor_free(&coded);
        if (bytes < least) least = bytes, best = (enum panel_coding)k;
        if (least <= enough) break;
    }
    return best;
}
