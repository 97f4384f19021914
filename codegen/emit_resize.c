/* Kernels of resize. Where a dimension is resampled, constant tables hold the operand's offsets (and weights)
 * for each position of the result; along the other dimensions operand and result are walked alike. Vectors
 * run along the innermost dimension: with scalar weights when it is copied, as the channels of a blocked
 * layout are, else lane by lane. */
#include "codegen/emit_movement.h"
#include "codegen/loop.h"
#include "codegen/register.h"
#include "codegen/simd_memory.h"
#include "ir/ops/resize.h"
#include "ir/ops/shape.h"

#include <stdlib.h>

enum { ITEM_ELEMENTS = 4096, MAX_LINEAR = 4, MAX_CORNERS = 1 << MAX_LINEAR };

/* A dimension of the storage. Tables are private constants: of i64 offsets, and of weights in the type of the
 * blend. */
struct axis {
    int64_t extent, from, to; /* strides in operand and result */
    bool resampled;
    LLVMValueRef low, high, weight;
};

struct resizer {
    struct emit *e;
    bool linear;
    enum elem elem, blend; /* of the tensors; what is blended in */
    uint32_t rank;
    struct axis axis[MAX_STORAGE_RANK];
    LLVMValueRef index[MAX_STORAGE_RANK];
    LLVMValueRef from, to;
};

static LLVMValueRef constant_table(struct emit *e, LLVMTypeRef elem, LLVMValueRef *values, int64_t count) {
    LLVMValueRef global = LLVMAddGlobal(e->module, LLVMArrayType2(elem, (uint64_t)count), "resize");
    LLVMSetInitializer(global, LLVMConstArray2(elem, values, (uint64_t)count));
    LLVMSetGlobalConstant(global, 1);
    LLVMSetLinkage(global, LLVMPrivateLinkage);
    LLVMSetUnnamedAddress(global, LLVMGlobalUnnamedAddr);
    return global;
}

static void make_tables(struct resizer *r, struct axis *axis, const struct sampling *s) {
    struct emit *e = r->e;
    size_t count = (size_t)axis->extent;
    LLVMTypeRef i64 = LLVMInt64TypeInContext(e->context), real = register_type(e->context, r->blend, 1);
    LLVMValueRef *low = xcalloc(count, sizeof *low), *high = xcalloc(count, sizeof *high);
    LLVMValueRef *weight = xcalloc(count, sizeof *weight);
    for (size_t i = 0; i < count; i++) {
        struct blend b = r->linear ? sampling_linear(s, (int64_t)i) : (struct blend){0};
        if (!r->linear) b.low = sampling_nearest(s, (int64_t)i);
        low[i] = int64(e, b.low * axis->from);
        high[i] = int64(e, b.high * axis->from);
        weight[i] = LLVMConstReal(real, b.weight);
    }
    axis->low = constant_table(e, i64, low, axis->extent);
    if (r->linear) {
        axis->high = constant_table(e, i64, high, axis->extent);
        axis->weight = constant_table(e, real, weight, axis->extent);
    }
    free(low);
    free(high);
    free(weight);
}

/* -- one vector -- */

/* Entries of a table for the lanes of a vector (or the one position that all lanes share). */
static LLVMValueRef look_up(struct resizer *r, LLVMTypeRef elem, LLVMValueRef table, uint32_t k,
                            unsigned lanes) {
    LLVMBuilderRef b = r->e->builder;
    return simd_load(b, simd_type(elem, k + 1 == r->rank ? lanes : 1),
                     simd_address(b, elem, table, r->index[k]), NULL);
}

static LLVMValueRef sum_of(LLVMBuilderRef b, LLVMValueRef x, LLVMValueRef y, unsigned lanes) {
    if (simd_lanes(LLVMTypeOf(x)) < simd_lanes(LLVMTypeOf(y))) x = simd_splat(b, x, lanes);
    if (simd_lanes(LLVMTypeOf(y)) < simd_lanes(LLVMTypeOf(x))) y = simd_splat(b, y, lanes);
    return LLVMBuildAdd(b, x, y, "");
}

/* The operand's elements at `offset`: a vector of them when the innermost dimension is resampled. */
static LLVMValueRef load(struct resizer *r, LLVMValueRef offset, unsigned lanes) {
    struct emit *e = r->e;
    LLVMBuilderRef b = e->builder;
    LLVMTypeRef elem = memory_type(e->context, r->elem, 1), type = memory_type(e->context, r->elem, lanes);
    if (simd_lanes(LLVMTypeOf(offset)) > 1) return simd_gather(b, type, r->from, offset, NULL);
    return simd_load(b, type, simd_address(b, elem, r->from, offset), NULL);
}

/* (1 - w) low + w high, and low alone where w is 0. */
static LLVMValueRef blend(struct resizer *r, LLVMValueRef low, LLVMValueRef high, LLVMValueRef w,
                          unsigned lanes) {
    LLVMBuilderRef b = r->e->builder;
    if (simd_lanes(LLVMTypeOf(w)) < lanes) w = simd_splat(b, w, lanes);
    LLVMTypeRef type = LLVMTypeOf(w);
    LLVMValueRef rest = LLVMBuildFSub(b, simd_f(type, 1), w, "");
    LLVMValueRef y = LLVMBuildFAdd(b, LLVMBuildFMul(b, rest, low, ""), LLVMBuildFMul(b, w, high, ""), "");
    return LLVMBuildSelect(b, LLVMBuildFCmp(b, LLVMRealOEQ, w, simd_f(type, 0), ""), low, y, "");
}

static LLVMValueRef sample(struct resizer *r, unsigned lanes) {
    struct emit *e = r->e;
    LLVMBuilderRef b = e->builder;
    LLVMTypeRef i64 = LLVMInt64TypeInContext(e->context), real = register_type(e->context, r->blend, 1);
    LLVMValueRef corner[MAX_CORNERS] = {int64(e, 0)}, weight[MAX_LINEAR];
    uint32_t corners = 1, blends = 0;
    for (uint32_t k = 0; k < r->rank; k++) {
        const struct axis *axis = &r->axis[k];
        LLVMValueRef low =
            axis->resampled ? look_up(r, i64, axis->low, k, lanes) : scale64(e, r->index[k], axis->from);
        LLVMValueRef high = NULL;
        if (axis->resampled && r->linear) {
            high = look_up(r, i64, axis->high, k, lanes);
            weight[blends++] = look_up(r, real, axis->weight, k, lanes);
        }
        for (uint32_t c = 0; high && c < corners; c++)
            corner[corners + c] = sum_of(b, corner[c], high, lanes);
        for (uint32_t c = 0; c < corners; c++) corner[c] = sum_of(b, corner[c], low, lanes);
        if (high) corners *= 2;
    }
    for (uint32_t c = 0; c < corners; c++) {
        corner[c] = load(r, corner[c], lanes);
        if (r->linear)
            corner[c] = register_cast(e, register_from_memory(e, r->elem, corner[c]), r->elem, r->blend);
    }
    /* The first resampled dimension is the lowest bit of a corner's number. */
    for (uint32_t n = 0; n < blends; n++, corners /= 2)
        for (uint32_t c = 0; c < corners / 2; c++)
            corner[c] = blend(r, corner[2 * c], corner[2 * c + 1], weight[n], lanes);
    if (!r->linear) return corner[0];
    return register_to_memory(e, r->elem,
                              register_round(e, r->elem, register_cast(e, corner[0], r->blend, r->elem)));
}

static void resize_vector(struct resizer *r, LLVMValueRef at, unsigned lanes) {
    struct emit *e = r->e;
    r->index[r->rank - 1] = at;
    LLVMValueRef offset = int64(e, 0);
    for (uint32_t k = 0; k < r->rank; k++) offset = add64(e, offset, scale64(e, r->index[k], r->axis[k].to));
    LLVMTypeRef elem = memory_type(e->context, r->elem, 1);
    simd_store(e->builder, sample(r, lanes), simd_address(e->builder, elem, r->to, offset), NULL);
}

/* -- loops -- */

static void resize_item(struct resizer *r, LLVMValueRef item, uint32_t outer) {
    struct emit *e = r->e;
    for (uint32_t k = outer; k-- > 0;) {
        LLVMValueRef extent = int64(e, r->axis[k].extent);
        r->index[k] = LLVMBuildURem(e->builder, item, extent, "");
        item = LLVMBuildUDiv(e->builder, item, extent, "");
    }
    struct loop loops[MAX_STORAGE_RANK], last;
    for (uint32_t k = outer; k + 1 < r->rank; k++) {
        loop_begin(e, &loops[k], int64(e, 0), int64(e, r->axis[k].extent), 1);
        r->index[k] = loops[k].index;
    }
    int64_t extent = r->axis[r->rank - 1].extent, lanes = target_lanes(e->target);
    while (lanes > extent) lanes /= 2;
    int64_t whole = extent / lanes * lanes;
    loop_begin(e, &last, int64(e, 0), int64(e, whole), lanes);
    resize_vector(r, last.index, (unsigned)lanes);
    loop_end(e, &last);
    if (whole < extent) {
        loop_begin(e, &last, int64(e, whole), int64(e, extent), 1);
        resize_vector(r, last.index, 1);
        loop_end(e, &last);
    }
    for (uint32_t k = r->rank - 1; k-- > outer;) loop_end(e, &loops[k]);
}

/* The dimensions of the storage; false for a layout whose blocks are resampled. */
static bool find_axes(struct resizer *r, const struct op *op, const char **why_not) {
    const struct types *types = &r->e->m->types;
    struct type x = operand_type(r->e->m, op, 0), y = result_type(r->e->m, op, 0);
    int64_t dims_x[MAX_RANK], dims_y[MAX_RANK], from[MAX_STORAGE_RANK], to[MAX_STORAGE_RANK];
    operand_extents(r->e->m, op, 0, dims_x);
    result_extents(r->e->m, op, 0, dims_y);
    struct layout layout = type_layout(types, y);
    type_storage(types, x, from);
    r->rank = type_storage(types, y, to);
    int64_t stride_from = 1, stride_to = 1;
    uint32_t resampled = 0;
    for (uint32_t k = r->rank; k-- > 0; stride_from *= from[k], stride_to *= to[k]) {
        uint32_t d = layout.at[k].dim;
        struct sampling s = sampling_of(op, d, dims_x[d], dims_y[d]);
        r->axis[k] = (struct axis){to[k], stride_from, stride_to, !sampling_unchanged(&s), NULL, NULL, NULL};
        if (r->axis[k].resampled && layout.at[k].block != 1) *why_not = "blocks that are resampled";
        resampled += r->axis[k].resampled;
    }
    if (x.layout.i != y.layout.i) *why_not = "operand and result in different layouts";
    if (r->linear && resampled > MAX_LINEAR) *why_not = "more than four dimensions that are blended";
    return *why_not == NULL;
}

static void fill_tables(struct resizer *r, const struct op *op) {
    struct layout layout = type_layout(&r->e->m->types, result_type(r->e->m, op, 0));
    int64_t dims_x[MAX_RANK], dims_y[MAX_RANK];
    operand_extents(r->e->m, op, 0, dims_x);
    result_extents(r->e->m, op, 0, dims_y);
    for (uint32_t k = 0; k < r->rank; k++) {
        uint32_t d = layout.at[k].dim;
        struct sampling s = sampling_of(op, d, dims_x[d], dims_y[d]);
        if (r->axis[k].resampled) make_tables(r, &r->axis[k], &s);
    }
}

enum emit_result emit_resize(struct emit *e, op_id id, const char *symbol, struct kernel *out,
                             const char **why_not) {
    const struct op *op = op_get(e->m, id);
    struct resizer r = {.e = e, .elem = result_type(e->m, op, 0).elem};
    r.linear = op_keyword(op, ATTR_mode) == KEYWORD_linear;
    r.blend = r.elem == ELEM_f64 || !elem_is_float(r.elem) ? ELEM_f64 : ELEM_f32;
    *why_not = NULL;
    if (value_get(e->m, op->operand[0])->kind == VALUE_LITERAL)
        *why_not = "a literal that is resampled";
    else
        find_axes(&r, op, why_not);
    if (*why_not) return EMIT_DECLINED;
    if (r.rank == 0) r.axis[r.rank++] = (struct axis){1, 1, 1, false, NULL, NULL, NULL};
    int64_t inner = 1, items = 1;
    uint32_t outer = 0;
    for (uint32_t k = 0; k < r.rank; k++) inner *= r.axis[k].extent;
    bool empty = inner == 0;
    while (!empty && outer + 1 < r.rank && inner > 2 * ITEM_ELEMENTS) {
        inner /= r.axis[outer].extent;
        items *= r.axis[outer++].extent;
    }
    if (empty) items = 0;
    struct kernel_code code = kernel_begin(e, symbol);
    if (!empty) {
        fill_tables(&r, op);
        r.from = kernel_pointer(e, code.buf, 0);
        r.to = kernel_pointer(e, code.buf, 1);
        struct loop loop;
        loop_begin(e, &loop, code.lo, code.hi, 1);
        resize_item(&r, loop.index, outer);
        loop_end(e, &loop);
    }
    kernel_end(e);
    *out = (struct kernel){.function = code.function, .items = (uint32_t)items};
    return EMIT_DONE;
}
