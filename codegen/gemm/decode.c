#include "codegen/gemm/decode_parts.h"

#include "codegen/vmath_convert.h"

uint64_t decode_stretch_bytes(const struct panels *p) {
    uint64_t blocks = p->per + (p->tail != 0), depths = blocks * panels_block_depth(p);
    uint64_t beyond = p->taps > 1 ? panels_block_depth(p) : p->p; /* what a last block of columns may cover */
    return ((depths + beyond) * p->nr * sizeof(float) + 63) / 64 * 64;
}

uint64_t decode_bytes(const struct panels *p) {
    uint64_t chunk = p->index_bytes ? (uint64_t)panels_chunk(p) * p->p * p->q + p->lanes : 0;
    return decode_stretch_bytes(p) + (chunk * sizeof(float) + 63) / 64 * 64;
}

LLVMValueRef decode_byte(const struct decoder *d, LLVMValueRef base, LLVMValueRef index) {
    LLVMTypeRef i8 = LLVMInt8TypeInContext(d->g->context);
    return LLVMBuildGEP2(d->g->b, i8, base, &index, 1, "");
}

static LLVMValueRef load_as(const struct decoder *d, LLVMTypeRef type, LLVMValueRef at, uint32_t align) {
    LLVMValueRef v = LLVMBuildLoad2(d->g->b, type, at, "");
    LLVMSetAlignment(v, align);
    return v;
}

LLVMValueRef decode_number(const struct decoder *d, LLVMValueRef at, uint32_t bytes) {
    LLVMValueRef v = load_as(d, LLVMIntTypeInContext(d->g->context, 8 * bytes), at, 1);
    return LLVMBuildZExt(d->g->b, v, d->g->i64, "");
}

/* -- values -- */
static LLVMValueRef splat_int(const struct decoder *d, LLVMTypeRef elem, uint64_t value, uint32_t lanes) {
    LLVMValueRef at[64];
    (void)d;
    for (uint32_t i = 0; i < lanes; i++) at[i] = LLVMConstInt(elem, value, false);
    return LLVMConstVector(at, lanes);
}

/* Pairs from an odd place on are shifted down from two overlapping words. Returns bytes of 0 to 15. */
static LLVMValueRef unpacked(const struct decoder *d, LLVMValueRef index, uint32_t lanes) {
    const struct gen *g = d->g;
    LLVMTypeRef i8 = LLVMInt8TypeInContext(g->context);
    uint32_t pairs = (lanes + 1) / 2;
    LLVMTypeRef word = LLVMIntTypeInContext(g->context, 8 * pairs);
    LLVMValueRef at =
        decode_byte(d, d->section[SECTION_VALUES], LLVMBuildLShr(g->b, index, gen_i64(g, 1), ""));
    LLVMValueRef odd = LLVMBuildAnd(g->b, index, gen_i64(g, 1), "");
    LLVMValueRef shift = LLVMBuildShl(g->b, LLVMBuildZExtOrBitCast(g->b, odd, g->i64, ""), gen_i64(g, 2), "");
    shift = LLVMBuildIntCast2(g->b, shift, word, false, "");
    LLVMValueRef low = load_as(d, word, at, 1),
                 high = load_as(d, word, decode_byte(d, at, gen_i64(g, pairs)), 1);
    LLVMValueRef bits = gen_intrinsic(g, "llvm.fshr", &word, 1, (LLVMValueRef[]){high, low, shift}, 3);
    LLVMValueRef bytes = LLVMBuildBitCast(g->b, bits, LLVMVectorType(i8, pairs), "");
    LLVMValueRef even = LLVMBuildAnd(g->b, bytes, splat_int(d, i8, 15, pairs), "");
    LLVMValueRef other = LLVMBuildLShr(g->b, bytes, splat_int(d, i8, 4, pairs), ""), order[64];
    for (uint32_t i = 0; i < lanes; i++) order[i] = gen_i32(g, i / 2 + (i % 2) * pairs);
    return LLVMBuildShuffleVector(g->b, even, other, LLVMConstVector(order, lanes), "");
}

static LLVMValueRef integers(const struct decoder *d, LLVMValueRef index, uint32_t lanes) {
    const struct gen *g = d->g;
    LLVMTypeRef i8 = LLVMInt8TypeInContext(g->context), wide = LLVMVectorType(g->i32, lanes);
    bool is_signed = elem_kind(d->p->elem) == ELEM_KIND_INT;
    LLVMValueRef v;
    if (elem_in(d->p->elem, ELEMS_NIBBLE)) {
        v = unpacked(d, index, lanes);
        LLVMValueRef sign = splat_int(d, i8, 8, lanes);
        if (is_signed) v = LLVMBuildSub(g->b, LLVMBuildXor(g->b, v, sign, ""), sign, "");
    } else {
        v = load_as(d, LLVMVectorType(i8, lanes), decode_byte(d, d->section[SECTION_VALUES], index), 1);
    }
    v = is_signed ? LLVMBuildSExt(g->b, v, wide, "") : LLVMBuildZExt(g->b, v, wide, "");
    return LLVMBuildSIToFP(g->b, v, LLVMVectorType(g->f32, lanes), "");
}

LLVMValueRef decode_values(const struct decoder *d, LLVMValueRef index, uint32_t lanes) {
    const struct gen *g = d->g;
    uint32_t width = (uint32_t)elem_bytes(d->p->elem);
    if (!elem_is_float(d->p->elem)) return integers(d, index, lanes);
    LLVMValueRef at = decode_byte(d, d->section[SECTION_VALUES], gen_mul(g, index, width));
    if (d->p->elem == ELEM_f32) return load_as(d, LLVMVectorType(g->f32, lanes), at, 4);
    LLVMTypeRef i16 = LLVMInt16TypeInContext(g->context);
    LLVMValueRef v = load_as(d, LLVMVectorType(i16, lanes), at, 2);
    return d->p->elem == ELEM_f16 ? vmath_f16_to_f32(g->b, v, d->p->has_f16) : vmath_bf16_to_f32(g->b, v);
}

/* -- rows of bits -- */
LLVMValueRef decode_bits(const struct decoder *d, LLVMValueRef row, uint32_t v) {
    const struct gen *g = d->g;
    LLVMTypeRef type = LLVMIntTypeInContext(g->context, g->lanes);
    if (g->lanes % 8 == 0) return load_as(d, type, decode_byte(d, row, gen_i64(g, v * g->lanes / 8)), 1);
    LLVMTypeRef i8 = LLVMInt8TypeInContext(g->context);
    LLVMValueRef byte = load_as(d, i8, decode_byte(d, row, gen_i64(g, v * g->lanes / 8)), 1);
    byte = LLVMBuildLShr(g->b, byte, LLVMConstInt(i8, v * g->lanes % 8, false), "");
    return LLVMBuildTrunc(g->b, byte, type, "");
}

LLVMValueRef decode_mask(const struct decoder *d, LLVMValueRef bits) {
    return LLVMBuildBitCast(d->g->b, bits, LLVMVectorType(d->g->i1, d->g->lanes), "");
}

/* -- scales -- */
static LLVMValueRef load_zero(const struct decoder *d, LLVMValueRef index, uint32_t lanes) {
    const struct gen *g = d->g;
    LLVMTypeRef i8 = LLVMInt8TypeInContext(g->context), wide = LLVMVectorType(g->i32, lanes);
    LLVMValueRef v =
        load_as(d, LLVMVectorType(i8, lanes), decode_byte(d, d->section[SECTION_ZERO], index), 1);
    v = elem_kind(d->p->elem) == ELEM_KIND_INT ? LLVMBuildSExt(g->b, v, wide, "")
                                               : LLVMBuildZExt(g->b, v, wide, "");
    return LLVMBuildSIToFP(g->b, v, LLVMVectorType(g->f32, lanes), "");
}

static LLVMValueRef spread(const struct gen *g, LLVMValueRef one) {
    return gen_splat(g, LLVMBuildExtractElement(g->b, one, gen_i32(g, 0), ""));
}

/* The number of vector v's first scale among those of a group of columns. */
static LLVMValueRef scale_index(const struct decoder *d, uint32_t v) {
    return gen_add(d->g, gen_mul(d->g, d->at->panel, d->p->nr), gen_i64(d->g, (int64_t)v * d->g->lanes));
}

static void load_scale(const struct decoder *d, LLVMValueRef index, LLVMValueRef *scale, LLVMValueRef *zero) {
    const struct gen *g = d->g;
    *scale = gen_load(g, gen_at(g, d->section[SECTION_SCALE], index), 4, g->lanes);
    *zero = d->p->has_zero ? load_zero(d, index, g->lanes) : NULL;
}

static void prepare_scales(struct decoder *d) {
    const struct gen *g = d->g;
    LLVMValueRef scale = NULL, zero = NULL;
    if (d->p->scales == SCALES_ONE && d->p->literal) {
        if (d->p->scale != 1) scale = gen_splat(g, gen_f32(g, (double)(float)d->p->scale));
        if (d->p->has_zero) zero = gen_splat(g, gen_f32(g, (double)d->p->zero));
    } else if (d->p->scales == SCALES_ONE) {
        scale = gen_splat(g, gen_element(g, d->section[SECTION_SCALE]));
        if (d->p->has_zero) zero = spread(g, load_zero(d, gen_i64(g, 0), 2));
    }
    for (uint32_t v = 0; v < d->at->vectors; v++) {
        d->scale[v] = scale;
        d->zero[v] = zero;
        if (d->p->scales == SCALES_CHANNEL) load_scale(d, scale_index(d, v), &d->scale[v], &d->zero[v]);
    }
}

/* The column at a depth of the stretch. */
static LLVMValueRef column_at(const struct decoder *d, LLVMValueRef depth) {
    const struct gen *g = d->g;
    const struct panels *p = d->p;
    LLVMValueRef whole = gen_add(g, d->depth, depth);
    if (p->taps == 1) return whole;
    LLVMValueRef tap = gen_rem(g, gen_div(g, whole, p->steps), p->taps), step = gen_rem(g, whole, p->steps);
    LLVMValueRef block = gen_div(g, whole, panels_block_depth(p));
    return gen_add(g, gen_mul(g, gen_add(g, gen_mul(g, block, p->steps), step), p->taps), tap);
}

void decode_store(const struct decoder *d, LLVMValueRef stored, LLVMValueRef depth, uint32_t v) {
    const struct gen *g = d->g;
    LLVMValueRef scale = d->scale[v], zero = d->zero[v];
    if (d->p->scales == SCALES_GROUP) {
        LLVMValueRef group = gen_div(g, column_at(d, depth), d->p->group);
        load_scale(d, gen_add(g, gen_mul(g, group, d->p->channels), scale_index(d, v)), &scale, &zero);
    }
    if (zero) stored = LLVMBuildFSub(g->b, stored, zero, "");
    if (scale) stored = LLVMBuildFMul(g->b, stored, scale, "");
    LLVMValueRef at = gen_add(g, gen_mul(g, depth, d->p->nr), gen_i64(g, (int64_t)v * g->lanes));
    gen_store(g, stored, gen_at(g, d->at->to, at), 4 * g->lanes, g->lanes);
}

/* -- the walk -- */
static void tail_depths(const struct decoder *d, decode_depth *emit, LLVMValueRef whole,
                        LLVMValueRef *carried, uint32_t count) {
    const struct gen *g = d->g;
    struct gen_loop taps, steps;
    gen_loop_begin(g, &taps, gen_i64(g, 0), gen_i64(g, d->p->taps), 1, false, carried, count);
    gen_loop_begin(g, &steps, gen_i64(g, 0), gen_i64(g, d->p->tail), 1, false, carried, count);
    LLVMValueRef depth = gen_add(g, gen_mul(g, taps.index, d->p->steps), steps.index);
    LLVMValueRef stored = gen_add(g, gen_mul(g, taps.index, d->p->tail), steps.index);
    emit(d, gen_add(g, whole, depth), gen_add(g, whole, stored), carried);
    gen_loop_end(g, &steps, carried);
    gen_loop_end(g, &taps, carried);
}

void decode_depths(const struct decoder *d, decode_depth *emit, LLVMValueRef *carried, uint32_t count) {
    const struct gen *g = d->g;
    LLVMValueRef whole = gen_mul(g, d->at->blocks, panels_block_depth(d->p));
    struct gen_loop l;
    gen_loop_begin(g, &l, gen_i64(g, 0), whole, 1, true, carried, count);
    emit(d, l.index, l.index, carried);
    gen_loop_end(g, &l, carried);
    if (!d->p->tail) return;
    struct gen_if last;
    if (d->at->final) gen_if_begin(g, &last, d->at->final, carried, count);
    tail_depths(d, emit, whole, carried, count);
    if (d->at->final) gen_if_end(g, &last, carried);
}

static void dense_depth(const struct decoder *d, LLVMValueRef depth, LLVMValueRef stored,
                        LLVMValueRef *carried) {
    const struct gen *g = d->g;
    (void)carried;
    LLVMValueRef panel = gen_mul(g, d->at->panel, (int64_t)d->p->nr * d->p->columns);
    LLVMValueRef first = gen_add(g, panel, gen_mul(g, gen_add(g, d->depth, stored), d->width));
    for (uint32_t v = 0; v < d->at->vectors; v++)
        decode_store(d, decode_values(d, gen_add(g, first, gen_i64(g, (int64_t)v * g->lanes)), g->lanes),
                     depth, v);
}

void decode_panel(const struct gen *g, const struct panels *p, const struct decode_at *at) {
    struct decoder d = {.g = g, .p = p, .at = at};
    d.width = (at->vectors - 1) * g->lanes + at->active;
    for (uint32_t i = 0; i < PANELS_SECTIONS; i++) {
        LLVMValueRef header = decode_byte(&d, at->coded, gen_i64(g, 4 * i));
        d.section[i] = decode_byte(&d, at->coded, decode_number(&d, header, 4));
    }
    d.depth = gen_mul(g, at->stretch, (int64_t)p->per * panels_block_depth(p));
    prepare_scales(&d);
    switch (p->coding) {
    case PANELS_dense:
        decode_depths(&d, dense_depth, NULL, 0);
        return;
    case PANELS_bitmask:
        decode_bitmask(&d);
        return;
    case PANELS_nm:
        decode_nm(&d);
        return;
    default:
        decode_block(&d);
    }
}
