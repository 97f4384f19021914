/* Decoders of the sparse codings. */
#include "codegen/gemm/decode_parts.h"

#include <string.h>

/* Values or blocks before the stretch, and with `next` before the one after it. */
static LLVMValueRef start_of(const struct decoder *d, uint32_t next) {
    const struct gen *g = d->g;
    LLVMValueRef part = gen_add(g, gen_mul(g, d->at->panel, d->p->stretches), d->at->stretch);
    LLVMValueRef at =
        decode_byte(d, d->section[SECTION_START], gen_mul(g, gen_add(g, part, gen_i64(g, next)), 4));
    return decode_number(d, at, 4);
}

/* -- bitmask -- */

/* Lane i of the result is stored[number of set bits below i]: what a mask without hardware support for it
 * costs, one extraction a lane. */
static LLVMValueRef expand_lanes(const struct decoder *d, LLVMValueRef stored, LLVMValueRef mask) {
    const struct gen *g = d->g;
    LLVMValueRef from = gen_i32(g, 0), out = gen_zero(g);
    for (uint32_t i = 0; i < g->lanes; i++) {
        LLVMValueRef value = LLVMBuildExtractElement(g->b, stored, from, "");
        LLVMValueRef kept = LLVMBuildExtractElement(g->b, mask, gen_i32(g, i), "");
        value = LLVMBuildSelect(g->b, kept, value, gen_f32(g, 0), "");
        out = LLVMBuildInsertElement(g->b, out, value, gen_i32(g, i), "");
        from = LLVMBuildAdd(g->b, from, LLVMBuildZExt(g->b, kept, g->i32, ""), "");
    }
    return out;
}

/* For each byte of bits, which of eight stored values each lane takes. */
static LLVMValueRef expansion_table(const struct gen *g) {
    static const char name[] = "expansion_table";
    LLVMValueRef global = LLVMGetNamedGlobal(g->module, name);
    if (global) return global;
    char bytes[256 * 8];
    for (uint32_t mask = 0; mask < 256; mask++)
        for (uint32_t i = 0, n = 0; i < 8; i++) {
            bytes[mask * 8 + i] = (char)n;
            n += mask >> i & 1;
        }
    LLVMValueRef data = LLVMConstStringInContext2(g->context, bytes, sizeof bytes, true);
    global = LLVMAddGlobal(g->module, LLVMTypeOf(data), name);
    LLVMSetInitializer(global, data);
    LLVMSetGlobalConstant(global, true);
    LLVMSetAlignment(global, 64);
    return global;
}

static LLVMValueRef expand_permuted(const struct decoder *d, LLVMValueRef stored, LLVMValueRef bits,
                                    LLVMValueRef mask) {
    const struct gen *g = d->g;
    LLVMTypeRef i8 = LLVMInt8TypeInContext(g->context);
    LLVMValueRef row = gen_mul(g, LLVMBuildZExt(g->b, bits, g->i64, ""), 8);
    LLVMValueRef order =
        LLVMBuildLoad2(g->b, LLVMVectorType(i8, 8), decode_byte(d, expansion_table(g), row), "");
    LLVMSetAlignment(order, 8);
    LLVMValueRef args[] = {stored, LLVMBuildZExt(g->b, order, LLVMVectorType(g->i32, 8), "")};
    return LLVMBuildSelect(g->b, mask, gen_intrinsic(g, "llvm.x86.avx2.permps", NULL, 0, args, 2),
                           gen_zero(g), "");
}

static LLVMValueRef expand(const struct decoder *d, LLVMValueRef stored, LLVMValueRef bits) {
    const struct gen *g = d->g;
    LLVMValueRef mask = decode_mask(d, bits);
    if (d->p->expand == EXPAND_MASK) {
        LLVMValueRef args[] = {stored, gen_zero(g), mask};
        return gen_intrinsic(g, "llvm.x86.avx512.mask.expand", (LLVMTypeRef[]){g->vec}, 1, args, 3);
    }
    if (d->p->expand == EXPAND_PERMUTE) return expand_permuted(d, stored, bits, mask);
    return expand_lanes(d, stored, mask);
}

static void bitmask_depth(const struct decoder *d, LLVMValueRef depth, LLVMValueRef stored,
                          LLVMValueRef *carried) {
    const struct gen *g = d->g;
    uint32_t bytes = panels_mask_bytes(d->p, d->width), whole = panels_mask_bytes(d->p, d->p->nr);
    LLVMValueRef before = gen_mul(g, d->at->panel, (int64_t)whole * d->p->columns);
    before = gen_add(g, before, gen_mul(g, gen_add(g, d->depth, stored), bytes));
    LLVMValueRef row = decode_byte(d, d->section[SECTION_POSITIONS], before);
    for (uint32_t v = 0; v < d->at->vectors; v++) {
        LLVMValueRef bits = decode_bits(d, row, v);
        decode_store(d, expand(d, decode_values(d, carried[0], g->lanes), bits), depth, v);
        LLVMValueRef count = gen_intrinsic(g, "llvm.ctpop", (LLVMTypeRef[]){LLVMTypeOf(bits)}, 1, &bits, 1);
        carried[0] = gen_add(g, carried[0], LLVMBuildZExt(g->b, count, g->i64, ""));
    }
}

void decode_bitmask(const struct decoder *d) {
    LLVMValueRef next = start_of(d, 0);
    decode_depths(d, bitmask_depth, &next, 1);
}

/* -- places of columns -- */
/* The depth in the stretch of its column `column`: stretches begin with whole blocks. */
static LLVMValueRef depth_of(const struct decoder *d, LLVMValueRef column) {
    const struct gen *g = d->g;
    const struct panels *p = d->p;
    if (p->taps == 1) return column;
    LLVMValueRef channel = gen_div(g, column, p->taps), tap = gen_rem(g, column, p->taps);
    LLVMValueRef block = gen_div(g, channel, p->steps), step = gen_rem(g, channel, p->steps);
    LLVMValueRef row = gen_add(g, gen_mul(g, block, p->taps), tap);
    return gen_add(g, gen_mul(g, row, p->steps), step);
}

/* -- n of m -- */

/* The value of each channel at place j of a group: that of the slot which says j. */
static LLVMValueRef at_place(const struct decoder *d, const LLVMValueRef *value, LLVMValueRef (*bit)[4],
                             uint32_t slots, uint32_t j) {
    const struct gen *g = d->g;
    LLVMValueRef out = gen_zero(g);
    for (uint32_t s = 0; s < slots; s++) {
        LLVMValueRef all = NULL;
        for (uint32_t k = 0; k < panels_place_bits(d->p); k++) {
            LLVMValueRef is = j >> k & 1 ? bit[s][k] : LLVMBuildNot(g->b, bit[s][k], "");
            all = all ? LLVMBuildAnd(g->b, all, is, "") : is;
        }
        out = all ? LLVMBuildSelect(g->b, decode_mask(d, all), value[s], out, "") : value[s];
    }
    return out;
}

/* A group of `size` columns from `column` of the stretch on, whose slots follow `slot` of the panel. */
static void emit_group(const struct decoder *d, LLVMValueRef column, LLVMValueRef slot, uint32_t size) {
    const struct gen *g = d->g;
    const struct panels *p = d->p;
    uint32_t slots = size < p->n ? size : p->n, bits = panels_place_bits(p),
             whole = panels_slots(p, p->columns);
    uint32_t bytes = panels_mask_bytes(p, d->width);
    LLVMValueRef first =
        gen_add(g, gen_mul(g, d->at->panel, (int64_t)p->nr * whole), gen_mul(g, slot, d->width));
    LLVMValueRef places = gen_mul(g, d->at->panel, (int64_t)panels_mask_bytes(p, p->nr) * bits * whole);
    places = gen_add(g, places, gen_mul(g, slot, (int64_t)bits * bytes));
    places = decode_byte(d, d->section[SECTION_POSITIONS], places);
    for (uint32_t v = 0; v < d->at->vectors; v++) {
        LLVMValueRef value[16], bit[16][4];
        for (uint32_t s = 0; s < slots; s++) {
            int64_t from = (int64_t)s * d->width + (int64_t)v * g->lanes;
            value[s] = decode_values(d, gen_add(g, first, gen_i64(g, from)), g->lanes);
            for (uint32_t k = 0; k < bits; k++)
                bit[s][k] =
                    decode_bits(d, decode_byte(d, places, gen_i64(g, (int64_t)(s * bits + k) * bytes)), v);
        }
        for (uint32_t j = 0; j < size; j++)
            decode_store(d, at_place(d, value, bit, slots, j), depth_of(d, gen_add(g, column, gen_i64(g, j))),
                         v);
    }
}

void decode_nm(const struct decoder *d) {
    const struct gen *g = d->g;
    const struct panels *p = d->p;
    uint32_t rest = p->columns % p->m;
    /* Before the last stretch there are only whole blocks, and so whole groups, of columns. */
    LLVMValueRef columns = gen_mul(g, d->at->blocks, panels_block_depth(p));
    LLVMValueRef left = LLVMBuildSub(g->b, gen_i64(g, p->columns - rest), d->depth, "");
    columns = d->at->final ? LLVMBuildSelect(g->b, d->at->final, left, columns, "") : left;
    LLVMValueRef before = gen_mul(g, gen_div(g, d->depth, p->m), p->n);
    struct gen_loop l;
    gen_loop_begin(g, &l, gen_i64(g, 0), columns, p->m, true, NULL, 0);
    emit_group(d, l.index, gen_add(g, before, gen_mul(g, gen_div(g, l.index, p->m), p->n)), p->m);
    gen_loop_end(g, &l, NULL);
    if (!rest) return;
    struct gen_if last;
    if (d->at->final) gen_if_begin(g, &last, d->at->final, NULL, 0);
    emit_group(d, left, gen_i64(g, (int64_t)(p->columns / p->m) * p->n), rest);
    if (d->at->final) gen_if_end(g, &last, NULL);
}

/* -- blocks -- */
static void clear(const struct decoder *d) {
    const struct gen *g = d->g;
    uint32_t lanes = g->lanes;
    LLVMValueRef depths = gen_mul(g, d->at->blocks, panels_block_depth(d->p));
    if (d->p->tail) depths = gen_add(g, depths, gen_i64(g, panels_block_depth(d->p)));
    struct gen_loop l;
    gen_loop_begin(g, &l, gen_i64(g, 0), gen_mul(g, depths, d->p->nr), d->p->nr, true, NULL, 0);
    for (uint32_t i = 0; i < d->p->nr; i += lanes)
        gen_store(g, gen_zero(g), gen_at(g, d->at->to, gen_add(g, l.index, gen_i64(g, i))), 4 * lanes, lanes);
    gen_loop_end(g, &l, NULL);
}

/* Where values are converted before they are copied to their places: after the decoded stretch. */
static LLVMValueRef staging(const struct decoder *d) {
    return gen_at_const(d->g, d->at->to, (int64_t)(decode_stretch_bytes(d->p) / sizeof(float)));
}

static void convert_chunk(const struct decoder *d, LLVMValueRef first, LLVMValueRef to) {
    const struct gen *g = d->g;
    uint32_t values = panels_chunk(d->p) * d->p->p * d->p->q;
    struct gen_loop l;
    gen_loop_begin(g, &l, gen_i64(g, 0), gen_i64(g, values), g->lanes, false, NULL, 0);
    LLVMValueRef v = decode_values(d, gen_add(g, first, l.index), g->lanes);
    gen_store(g, v, gen_at(g, to, l.index), 4 * g->lanes, g->lanes);
    gen_loop_end(g, &l, NULL);
}

static void copy_floats(const struct gen *g, LLVMValueRef from, LLVMValueRef to, uint32_t count) {
    for (uint32_t i = 0; i < count;) {
        uint32_t n = g->lanes;
        while (n > count - i) n /= 2;
        LLVMTypeRef type = n == 1 ? g->i32 : LLVMVectorType(g->i32, n);
        LLVMValueRef v = LLVMBuildLoad2(g->b, type, gen_at_const(g, from, i), "");
        LLVMSetAlignment(v, 4);
        LLVMSetAlignment(LLVMBuildStore(g->b, v, gen_at_const(g, to, i)), 4);
        i += n;
    }
}

/* Copies the block at `from` to place number `place` of the stretch. */
static void copy_block(const struct decoder *d, LLVMValueRef from, LLVMValueRef place) {
    const struct gen *g = d->g;
    const struct panels *p = d->p;
    if (p->p == 1) { /* numbered by depth */
        copy_floats(g, from, gen_at(g, d->at->to, gen_mul(g, place, p->q)), p->q);
        return;
    }
    uint32_t along = p->nr / p->q;
    LLVMValueRef column = gen_mul(g, gen_div(g, place, along), p->p);
    LLVMValueRef to = gen_at(g, d->at->to, gen_mul(g, gen_rem(g, place, along), p->q));
    if (p->p <= 16) {
        for (uint32_t j = 0; j < p->p; j++) {
            LLVMValueRef depth = depth_of(d, gen_add(g, column, gen_i64(g, j)));
            copy_floats(g, gen_at_const(g, from, (int64_t)j * p->q), gen_at(g, to, gen_mul(g, depth, p->nr)),
                        p->q);
        }
        return;
    }
    struct gen_loop l;
    gen_loop_begin(g, &l, gen_i64(g, 0), gen_i64(g, p->p), 1, false, NULL, 0);
    LLVMValueRef depth = depth_of(d, gen_add(g, column, l.index));
    copy_floats(g, gen_at(g, from, gen_mul(g, l.index, p->q)), gen_at(g, to, gen_mul(g, depth, p->nr)), p->q);
    gen_loop_end(g, &l, NULL);
}

static void scale_depth(const struct decoder *d, LLVMValueRef depth, LLVMValueRef stored,
                        LLVMValueRef *carried) {
    const struct gen *g = d->g;
    (void)stored;
    (void)carried;
    for (uint32_t v = 0; v < d->at->vectors; v++) {
        LLVMValueRef at = gen_add(g, gen_mul(g, depth, d->p->nr), gen_i64(g, (int64_t)v * g->lanes));
        decode_store(d, gen_load(g, gen_at(g, d->at->to, at), 4 * g->lanes, g->lanes), depth, v);
    }
}

void decode_block(const struct decoder *d) {
    const struct gen *g = d->g;
    const struct panels *p = d->p;
    LLVMValueRef end = start_of(d, 1), place = gen_i64(g, 0), chunk = staging(d);
    struct gen_loop chunks, blocks;
    clear(d);
    gen_loop_begin(g, &chunks, start_of(d, 0), end, panels_chunk(p), true, &place, 1);
    convert_chunk(d, gen_mul(g, chunks.index, (int64_t)p->p * p->q), chunk);
    LLVMValueRef stop = gen_min(g, end, gen_add(g, chunks.index, gen_i64(g, panels_chunk(p))));
    gen_loop_begin(g, &blocks, chunks.index, stop, 1, false, &place, 1);
    LLVMValueRef at = decode_byte(d, d->section[SECTION_POSITIONS], gen_mul(g, blocks.index, p->index_bytes));
    place = gen_add(g, place, decode_number(d, at, p->index_bytes));
    LLVMValueRef in_chunk = LLVMBuildSub(g->b, blocks.index, chunks.index, "");
    copy_block(d, gen_at(g, chunk, gen_mul(g, in_chunk, (int64_t)p->p * p->q)), place);
    gen_loop_end(g, &blocks, &place);
    gen_loop_end(g, &chunks, &place);
    if (p->scales != SCALES_NONE && !(p->literal && p->scale == 1 && !p->has_zero))
        decode_depths(d, scale_depth, NULL, 0);
}
