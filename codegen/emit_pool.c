/* Kernels of pooling. A plane is the spatial part of one channel, or of a block of them; an item is a row of
 * a plane's result. The row is cut into runs of neighbouring outputs that have the same taps inside the
 * operand, so that taps along the row need no tests; the rows of taps are a loop between bounds.
 *
 * Vectors hold the channels of a block, or neighbouring outputs of a plain plane. */
#include "codegen/emit_reduction.h"
#include "codegen/loop.h"
#include "codegen/register.h"
#include "codegen/simd_memory.h"
#include "codegen/vmath.h"
#include "ir/ops/shape.h"
#include "ir/ops/window.h"

#include <math.h>

enum {
    OUTPUTS = 4, /* that a turn of the loop computes side by side */
    UNROLLED_TAPS = 16,
    PIECE = 64 /* taps of a row that are summed by themselves where the window has more */
};

struct pool {
    struct emit *e;
    enum elem elem, acc;
    bool average, count_pad;
    struct window rows, columns;
    int64_t planes, height, width, out_height, out_width;
    int64_t block;    /* channels of a plane: the stride of a column */
    int64_t channels; /* stored blocks with padding: logical channels, else 0 */
    unsigned lanes;
    LLVMValueRef from, to;            /* the plane; the row of the result */
    LLVMValueRef row, row_lo, row_hi; /* of the first tap; taps [row_lo, row_hi) are inside */
    LLVMValueRef row_taps;            /* that count in an average */
    LLVMValueRef within;              /* lanes that are channels, or NULL */
};

/* Outputs [first, first + count) of a row, whose taps [lo, hi) are inside. */
struct run {
    int64_t first, count, lo, hi;
    int64_t counted; /* taps that count in an average */
};

/* Taps of position o that lie in the operand with its padding, for averages that count it. */
static int64_t padded_taps(const struct window *w, int64_t in, int64_t o) {
    int64_t end = in + w->after - (o * w->stride - w->before);
    return min_i64(w->taps, ceil_div(end, w->dilation));
}

static struct run run_at(const struct pool *p, int64_t o) {
    struct run run = {.first = o, .count = 1};
    window_taps(&p->columns, p->width, o, &run.lo, &run.hi);
    run.counted = p->count_pad ? padded_taps(&p->columns, p->width, o) : run.hi - run.lo;
    return run;
}

/* -- one group of outputs -- */

static LLVMValueRef start_value(const struct pool *p, unsigned lanes) {
    return register_number(p->e, p->acc, p->average ? 0 : -INFINITY, lanes);
}

static LLVMValueRef combine(const struct pool *p, LLVMValueRef acc, LLVMValueRef x) {
    LLVMBuilderRef b = p->e->builder;
    if (p->average) return LLVMBuildFAdd(b, acc, x, "");
    if (elem_is_float(p->acc)) return vmath_max(b, acc, x);
    return simd_call2(b, elem_in(p->elem, ELEMS_SINT) ? "llvm.smax" : "llvm.umax", acc, x);
}

/* Tap (row, kx) of output x: all its channels, or of the outputs from x on. */
static LLVMValueRef load_tap(const struct pool *p, LLVMValueRef row, LLVMValueRef x, LLVMValueRef kx,
                             unsigned lanes) {
    struct emit *e = p->e;
    LLVMTypeRef elem = memory_type(e->context, p->elem, 1), type = memory_type(e->context, p->elem, lanes);
    LLVMValueRef column = scale64(e, x, p->columns.stride);
    column = add64(e, column, scale64(e, kx, p->columns.dilation));
    column = add64(e, column, int64(e, -p->columns.before));
    LLVMValueRef offset = scale64(e, add64(e, scale64(e, row, p->width), column), p->block);
    LLVMValueRef address = simd_address(e->builder, elem, p->from, offset), v;
    if (p->block > 1 || p->columns.stride == 1 || lanes == 1) {
        v = simd_load(e->builder, type, address, NULL);
    } else {
        LLVMTypeRef i64s = simd_type(LLVMInt64TypeInContext(e->context), lanes);
        v = simd_gather(e->builder, type, address, simd_iota(i64s, 0, p->columns.stride), NULL);
    }
    return register_cast(e, register_from_memory(e, p->elem, v), p->elem, p->acc);
}

static LLVMValueRef finish(const struct pool *p, const struct run *run, LLVMValueRef acc) {
    struct emit *e = p->e;
    LLVMTypeRef type = LLVMTypeOf(acc), real = simd_elem(type);
    if (p->average) {
        LLVMValueRef taps = scale64(e, p->row_taps, run->counted);
        LLVMValueRef divisor = LLVMBuildSIToFP(e->builder, taps, real, "");
        acc = LLVMBuildFDiv(e->builder, acc, simd_splat(e->builder, divisor, simd_lanes(type)), "");
        LLVMValueRef is_empty = LLVMBuildICmp(e->builder, LLVMIntEQ, taps, int64(e, 0), "");
        acc = LLVMBuildSelect(e->builder, is_empty, LLVMConstNull(type), acc, "");
    }
    acc = register_round(e, p->elem, register_cast(e, acc, p->acc, p->elem));
    return p->within ? LLVMBuildSelect(e->builder, p->within, acc, LLVMConstNull(LLVMTypeOf(acc)), "") : acc;
}

/* Taps [lo, hi) of a row, for `count` vectors of outputs. */
static void pool_taps(const struct pool *p, LLVMValueRef row, LLVMValueRef lo, LLVMValueRef hi,
                      const LLVMValueRef *at, unsigned count, unsigned lanes, LLVMValueRef *acc) {
    struct loop taps;
    loop_begin_carried(p->e, &taps, lo, hi, 1, acc, count);
    for (unsigned u = 0; u < count; u++)
        acc[u] = combine(p, acc[u], load_tap(p, row, at[u], taps.index, lanes));
    loop_end_carried(p->e, &taps, acc);
}

/* The same in pieces: errors of rounding grow with the terms of a sum, and less with those of a sum of sums.
 */
static void pool_pieces(const struct pool *p, const struct run *run, LLVMValueRef row, const LLVMValueRef *at,
                        unsigned count, unsigned lanes, LLVMValueRef *acc) {
    struct emit *e = p->e;
    LLVMValueRef piece[OUTPUTS];
    struct loop pieces;
    loop_begin_carried(e, &pieces, int64(e, run->lo), int64(e, run->hi), PIECE, acc, count);
    for (unsigned u = 0; u < count; u++) piece[u] = start_value(p, lanes);
    LLVMValueRef hi = min64(e, add64(e, pieces.index, int64(e, PIECE)), int64(e, run->hi));
    pool_taps(p, row, pieces.index, hi, at, count, lanes, piece);
    for (unsigned u = 0; u < count; u++) acc[u] = combine(p, acc[u], piece[u]);
    loop_end_carried(e, &pieces, acc);
}

/* `count` vectors of outputs from x on: outputs x, x + 1, … of a block, or x, x + lanes, … of a plain row. */
static void pool_outputs(const struct pool *p, const struct run *run, LLVMValueRef x, unsigned count,
                         unsigned lanes) {
    struct emit *e = p->e;
    LLVMValueRef acc[OUTPUTS], at[OUTPUTS];
    for (unsigned u = 0; u < count; u++) {
        acc[u] = start_value(p, lanes);
        at[u] = add64(e, x, int64(e, u * (p->block > 1 ? 1 : lanes)));
    }
    struct loop loop;
    loop_begin_carried(e, &loop, p->row_lo, p->row_hi, 1, acc, count);
    LLVMValueRef row = add64(e, p->row, scale64(e, loop.index, p->rows.dilation));
    if (p->average && p->rows.taps * p->columns.taps > PIECE)
        pool_pieces(p, run, row, at, count, lanes, acc);
    else if (run->hi - run->lo > UNROLLED_TAPS)
        pool_taps(p, row, int64(e, run->lo), int64(e, run->hi), at, count, lanes, acc);
    else
        for (int64_t kx = run->lo; kx < run->hi; kx++)
            for (unsigned u = 0; u < count; u++)
                acc[u] = combine(p, acc[u], load_tap(p, row, at[u], int64(e, kx), lanes));
    loop_end_carried(e, &loop, acc);
    LLVMTypeRef elem = memory_type(e->context, p->elem, 1);
    for (unsigned u = 0; u < count; u++) {
        LLVMValueRef y = register_to_memory(e, p->elem, finish(p, run, acc[u]));
        simd_store(e->builder, y, simd_address(e->builder, elem, p->to, scale64(e, at[u], p->block)), NULL);
    }
}

static void pool_run(const struct pool *p, const struct run *run) {
    struct emit *e = p->e;
    unsigned lanes = p->lanes;
    int64_t at = run->first, end = run->first + run->count;
    while (p->block == 1 && lanes > 1 && lanes > run->count) lanes /= 2;
    for (unsigned count = OUTPUTS;;) {
        int64_t step = (int64_t)count * (p->block > 1 ? 1 : lanes), whole = (end - at) / step * step;
        if (whole > 0) {
            struct loop loop;
            loop_begin(e, &loop, int64(e, at), int64(e, at + whole), step);
            pool_outputs(p, run, loop.index, count, lanes);
            loop_end(e, &loop);
            at += whole;
        }
        if (at == end) return;
        if (count > 1)
            count = 1;
        else
            lanes = 1;
    }
}

/* -- rows and planes -- */

static void pool_row(struct pool *p, LLVMValueRef y) {
    struct emit *e = p->e;
    const struct window *w = &p->rows;
    LLVMBuilderRef b = e->builder;
    p->row = LLVMBuildSub(b, scale64(e, y, w->stride), int64(e, w->before), "");
    /* Rows row + k * dilation in [0, height): k from ceil(-row / dilation) to ceil((height - row) /
     * dilation). */
    LLVMValueRef round_up = int64(e, w->dilation - 1), d = int64(e, w->dilation), zero = int64(e, 0);
    LLVMValueRef above = LLVMBuildSub(b, round_up, p->row, "");
    p->row_lo = LLVMBuildSDiv(b, max64(e, above, zero), d, "");
    LLVMValueRef below = LLVMBuildSub(b, int64(e, p->height + w->dilation - 1), p->row, "");
    p->row_hi = min64(e, LLVMBuildSDiv(b, max64(e, below, zero), d, ""), int64(e, w->taps));
    p->row_taps = max64(e, LLVMBuildSub(b, p->row_hi, p->row_lo, ""), zero);
    if (p->count_pad) {
        LLVMValueRef padded = LLVMBuildAdd(b, below, int64(e, w->after), "");
        p->row_taps = min64(e, LLVMBuildSDiv(b, max64(e, padded, zero), d, ""), int64(e, w->taps));
    }
    for (int64_t o = 0; o < p->out_width;) {
        struct run run = run_at(p, o);
        for (o++; o < p->out_width; o++, run.count++) {
            struct run next = run_at(p, o);
            if (next.lo != run.lo || next.hi != run.hi || next.counted != run.counted) break;
        }
        pool_run(p, &run);
    }
}

/* Item: (plane, row), and for each the vectors of a block. */
static void pool_item(struct pool *p, LLVMValueRef item, LLVMValueRef from, LLVMValueRef to) {
    struct emit *e = p->e;
    LLVMTypeRef elem = memory_type(e->context, p->elem, 1);
    LLVMValueRef plane = LLVMBuildUDiv(e->builder, item, int64(e, p->out_height), "");
    LLVMValueRef y = LLVMBuildURem(e->builder, item, int64(e, p->out_height), "");
    from = simd_address(e->builder, elem, from, scale64(e, plane, p->height * p->width * p->block));
    to = simd_address(e->builder, elem, to, scale64(e, item, p->out_width * p->block));
    if (p->block == 1) {
        p->from = from;
        p->to = to;
        pool_row(p, y);
        return;
    }
    for (int64_t c = 0; c < p->block; c += p->lanes) {
        p->from = simd_address(e->builder, elem, from, int64(e, c));
        p->to = simd_address(e->builder, elem, to, int64(e, c));
        if (p->channels > 0) {
            LLVMValueRef block =
                LLVMBuildURem(e->builder, plane, int64(e, ceil_div(p->channels, p->block)), "");
            LLVMValueRef first = add64(e, scale64(e, block, p->block), int64(e, c));
            LLVMValueRef left = LLVMBuildSub(e->builder, int64(e, p->channels), first, "");
            p->within = p->lanes > 1 ? simd_first_lanes(e->builder, left, p->lanes)
                                     : LLVMBuildICmp(e->builder, LLVMIntSGT, left, int64(e, 0), "");
        }
        pool_row(p, y);
    }
}

/* -- planning -- */

static bool is_pool(enum op_kind kind) {
    return kind == OP_maxpool1d || kind == OP_maxpool2d || kind == OP_avgpool1d || kind == OP_avgpool2d;
}

/* Plain, or channels in blocks innermost. */
static bool find_layout(struct pool *p, struct type x, struct type y, const char **why_not) {
    struct module *m = p->e->m;
    uint32_t rank = type_rank(&m->types, x);
    int64_t dims[MAX_RANK];
    type_static(&m->types, x, dims);
    p->block = 1;
    if (x.layout.i != y.layout.i) {
        *why_not = "operand and result in different layouts";
        return false;
    }
    if (x.layout.i) {
        const struct layout *layout = layout_get(&m->types, x.layout);
        uint32_t block = layout->at[layout->count - 1].block;
        if (x.layout.i != layout_channel_blocked(&m->types, rank, block).i) {
            *why_not = "a layout that is neither plain nor channel-blocked";
            return false;
        }
        p->block = block;
        p->channels = dims[1] % block ? dims[1] : 0;
    }
    p->planes = dims[0] * ceil_div(dims[1], p->block);
    p->lanes = target_lanes(p->e->target);
    while (p->block > 1 && p->block % p->lanes) p->lanes /= 2;
    return true;
}

enum emit_result emit_pool(struct emit *e, op_id id, const char *symbol, struct kernel *out,
                           const char **why_not) {
    const struct op *op = op_get(e->m, id);
    *why_not = "an op that does not pool";
    if (!is_pool(op->kind)) return EMIT_DECLINED;
    struct type x = operand_type(e->m, op, 0), y = result_type(e->m, op, 0);
    struct pool p = {.e = e, .elem = x.elem};
    p.average = op->kind == OP_avgpool1d || op->kind == OP_avgpool2d;
    p.count_pad = p.average && op_bool(op, ATTR_count_pad);
    p.acc = elem_is_float(x.elem) && x.elem != ELEM_f64 ? ELEM_f32 : x.elem;
    if (value_get(e->m, op->operand[0])->kind == VALUE_LITERAL) {
        *why_not = "a literal that is pooled";
        return EMIT_DECLINED;
    }
    if (!find_layout(&p, x, y, why_not)) return EMIT_DECLINED;
    int64_t in[MAX_RANK], result[MAX_RANK];
    uint32_t spatial = operand_extents(e->m, op, 0, in) - 2;
    result_extents(e->m, op, 0, result);
    struct window windows[MAX_SPATIAL];
    window_of(op, spatial, op_ints(op, ATTR_window, NULL), windows);
    p.rows = spatial == 2 ? windows[0] : (struct window){1, 1, 1, 0, 0};
    p.columns = windows[spatial - 1];
    p.height = spatial == 2 ? in[2] : 1;
    p.out_height = spatial == 2 ? result[2] : 1;
    p.width = in[1 + spatial];
    p.out_width = result[1 + spatial];
    int64_t items = p.planes * p.out_height;
    if (p.out_width == 0) items = 0;
    if (items >= UINT32_MAX) {
        *why_not = "more items than a kernel may have";
        return EMIT_DECLINED;
    }
    struct kernel_code code = kernel_begin(e, symbol);
    if (items > 0) {
        LLVMValueRef from = kernel_pointer(e, code.buf, 0), to = kernel_pointer(e, code.buf, 1);
        struct loop loop;
        loop_begin(e, &loop, code.lo, code.hi, 1);
        pool_item(&p, loop.index, from, to);
        loop_end(e, &loop);
    }
    kernel_end(e);
    *out = (struct kernel){.function = code.function, .items = (uint32_t)items};
    return EMIT_DONE;
}
