/* Each box is cut into items along its outer dimensions and walked by loops; its innermost dimension, where
 * the target is contiguous, is copied in vectors. When the source is contiguous along another dimension,
 * squares of the two are transposed in registers. */
#include "codegen/copy.h"

#include "codegen/register.h"
#include "codegen/simd_memory.h"
#include "codegen/transpose.h"

#include <string.h>

enum {
    ITEM_BYTES = 32768,
    STRIP = 64, /* elements of the source that a strip of squares walks before the target's next columns: both
                   stay near */
    NO_DIM = UINT32_MAX
};

struct walk {
    struct emit *e;
    const struct copy_box *box;
    uint32_t elem_bytes;
    LLVMTypeRef elem;
    LLVMValueRef to, from; /* pointers to where the loops have come */
    uint32_t last,
        across; /* dimension with to = 1; the one with from = 1 if squares are transposed, or NO_DIM */
    uint32_t item_dims; /* the first dimensions, whose positions are items */
};

/* -- putting a box in order -- */

static void remove_dim(struct copy_box *box, uint32_t k) {
    memmove(&box->dim[k], &box->dim[k + 1], (box->rank - k - 1) * sizeof box->dim[0]);
    box->rank--;
}

/* Sorts the dimensions by the target's strides, largest first, drops those of extent 1 and merges what is
 * walked alike. A row with zeros behind it, or that may be read beyond its end, stays by itself. */
static void tidy(struct copy_box *box) {
    for (uint32_t k = box->rank; k-- > 0;)
        if (box->dim[k].extent == 1 && !(box->zero_to && box->dim[k].to == 1)) remove_dim(box, k);
    for (uint32_t i = 1; i < box->rank; i++)
        for (uint32_t k = i; k > 0 && box->dim[k - 1].to < box->dim[k].to; k--) {
            struct copy_dim swap = box->dim[k];
            box->dim[k] = box->dim[k - 1];
            box->dim[k - 1] = swap;
        }
    for (uint32_t k = box->rank; k-- > 0;) {
        if (k + 1 >= box->rank) continue;
        struct copy_dim *outer = &box->dim[k], *inner = &box->dim[k + 1];
        bool alone =
            (box->zero_to && inner->to == 1) || (box->read_to && (inner->from == 1 || outer->from == 1));
        if (alone || outer->to != inner->to * inner->extent) continue;
        if (!box->is_fill && outer->from != inner->from * inner->extent) continue;
        inner->extent *= outer->extent;
        remove_dim(box, k);
    }
}

static int64_t box_elements(const struct copy_box *box, uint32_t from) {
    int64_t count = 1;
    for (uint32_t k = from; k < box->rank; k++) count *= box->dim[k].extent;
    return count;
}

/* -- rows -- */

static LLVMValueRef at(struct walk *w, LLVMValueRef pointer, LLVMValueRef offset) {
    return simd_address(w->e->builder, w->elem, pointer, offset);
}

static LLVMValueRef at_constant(struct walk *w, LLVMValueRef pointer, int64_t offset) {
    return offset ? at(w, pointer, int64(w->e, offset)) : pointer;
}

static LLVMTypeRef elems(const struct walk *w, unsigned lanes) {
    return simd_type(w->elem, lanes);
}

static LLVMValueRef reversed(LLVMBuilderRef b, LLVMValueRef v, unsigned lanes) {
    int index[64];
    if (lanes == 1) return v;
    for (unsigned i = 0; i < lanes; i++) index[i] = (int)(lanes - 1 - i);
    return simd_shuffle(b, v, LLVMGetPoison(LLVMTypeOf(v)), index, lanes);
}

/* `lanes` elements of a row from index i on. */
static void copy_vector(struct walk *w, LLVMValueRef to, LLVMValueRef from, LLVMValueRef i, unsigned lanes) {
    LLVMBuilderRef b = w->e->builder;
    int64_t stride = w->box->dim[w->last].from;
    LLVMValueRef v;
    if (w->box->is_fill) {
        v = simd_i(elems(w, lanes), w->box->fill);
    } else if (stride == 0) {
        v = simd_splat(b, simd_load(b, w->elem, from, NULL), lanes);
    } else if (stride == 1) {
        v = simd_load(b, elems(w, lanes), at(w, from, i), NULL);
    } else if (stride == -1) {
        LLVMValueRef first = LLVMBuildSub(b, int64(w->e, 1 - (int64_t)lanes), i, "");
        v = reversed(b, simd_load(b, elems(w, lanes), at(w, from, first), NULL), lanes);
    } else {
        LLVMTypeRef i64s = simd_type(LLVMInt64TypeInContext(w->e->context), lanes);
        LLVMValueRef base = at(w, from, scale64(w->e, i, stride));
        v = simd_gather(b, elems(w, lanes), base, simd_iota(i64s, 0, stride), NULL);
    }
    simd_store(b, v, at(w, to, i), NULL);
}

/* A row of constant length: vectors, the rest in ever smaller powers of two. */
static void copy_row(struct walk *w, LLVMValueRef to, LLVMValueRef from, int64_t length) {
    struct emit *e = w->e;
    int64_t lanes = (e->target->vector_bytes ? e->target->vector_bytes : 16) / w->elem_bytes, done = 0;
    if (length >= 8 * lanes) {
        struct loop loop;
        done = length / (4 * lanes) * (4 * lanes);
        loop_begin(e, &loop, int64(e, 0), int64(e, done), 4 * lanes);
        for (int64_t u = 0; u < 4; u++)
            copy_vector(w, to, from, add64(e, loop.index, int64(e, u * lanes)), (unsigned)lanes);
        loop_end(e, &loop);
    }
    for (; lanes > 0; lanes /= 2)
        for (; length - done >= lanes; done += lanes)
            copy_vector(w, to, from, int64(e, done), (unsigned)lanes);
    if (w->box->zero_to <= length) return;
    LLVMBuilderRef b = e->builder;
    for (lanes = (e->target->vector_bytes ? e->target->vector_bytes : 16) / w->elem_bytes; lanes > 0;
         lanes /= 2)
        for (; w->box->zero_to - done >= lanes; done += lanes)
            simd_store(b, LLVMConstNull(elems(w, (unsigned)lanes)), at_constant(w, to, done), NULL);
}

/* -- squares -- */

static LLVMValueRef first_of(struct walk *w, int64_t count, unsigned edge) {
    return count >= edge ? NULL : simd_first_lanes(w->e->builder, int64(w->e, count), edge);
}

/* The square whose first element is `row` along the target's row and `column` along the source's; what of it
 * lies in the box is `rows` by `columns`. The pointers are those of its first element. */
struct square {
    LLVMValueRef to, from;
    unsigned edge, rows, columns;
    /* Elements that may be stored in a row of the target, and read in a row of the source. */
    int64_t stores, reads;
};

static void copy_square(struct walk *w, const struct square *q) {
    LLVMBuilderRef b = w->e->builder;
    int64_t to_stride = w->box->dim[w->across].to, from_stride = w->box->dim[w->last].from;
    LLVMTypeRef type = elems(w, q->edge);
    LLVMValueRef rows[TRANSPOSE_MAX];
    LLVMValueRef load_mask = first_of(w, q->reads, q->edge), store_mask = first_of(w, q->stores, q->edge);
    for (unsigned i = 0; i < q->edge; i++)
        rows[i] = i < q->rows ? simd_load(b, type, at_constant(w, q->from, i * from_stride), load_mask)
                              : LLVMConstNull(type);
    transpose_registers(b, rows, q->edge, w->elem_bytes);
    for (unsigned i = 0; i < q->columns; i++)
        simd_store(b, rows[i], at_constant(w, q->to, i * to_stride), store_mask);
    for (int64_t done = q->edge; done < q->stores; done += q->edge)
        for (unsigned i = 0; i < q->columns; i++)
            simd_store(b, LLVMConstNull(type), at_constant(w, q->to, i * to_stride + done),
                       first_of(w, q->stores - done, q->edge));
}

/* All squares along the source's row. */
static void copy_columns(struct walk *w, struct square q) {
    struct emit *e = w->e;
    const struct copy_dim *across = &w->box->dim[w->across];
    int64_t whole = across->extent / q.edge * q.edge;
    LLVMValueRef to = q.to, from = q.from;
    if (whole > 0) {
        struct loop loop;
        loop_begin(e, &loop, int64(e, 0), int64(e, whole), q.edge);
        q.to = at(w, to, scale64(e, loop.index, across->to));
        q.from = at(w, from, loop.index);
        q.columns = q.edge;
        q.reads = q.edge;
        copy_square(w, &q);
        loop_end(e, &loop);
    }
    if (whole == across->extent) return;
    q.to = at_constant(w, to, whole * across->to);
    q.from = at_constant(w, from, whole);
    q.columns = (unsigned)(across->extent - whole);
    q.reads = max_i64(q.columns, w->box->read_to - whole);
    copy_square(w, &q);
}

static void copy_squares(struct walk *w, LLVMValueRef to, LLVMValueRef from, unsigned edge) {
    struct emit *e = w->e;
    const struct copy_dim *last = &w->box->dim[w->last];
    int64_t whole = last->extent / edge * edge, left = last->extent - whole;
    if (left == 0 && w->box->zero_to > whole)
        whole -= edge, left = edge; /* the zeros come with the last square */
    struct square q = {.edge = edge, .rows = edge, .stores = edge};
    if (whole > 0) {
        struct loop loop;
        loop_begin(e, &loop, int64(e, 0), int64(e, whole), edge);
        q.to = at(w, to, loop.index);
        q.from = at(w, from, scale64(e, loop.index, last->from));
        copy_columns(w, q);
        loop_end(e, &loop);
    }
    if (left == 0) return;
    q.to = at_constant(w, to, whole);
    q.from = at_constant(w, from, whole * last->from);
    q.rows = (unsigned)left;
    q.stores = max_i64(left, w->box->zero_to - whole);
    copy_columns(w, q);
}

/* -- boxes -- */

static void prepare(struct walk *w) {
    const struct copy_box *box = w->box;
    w->last = box->rank - 1;
    w->across = NO_DIM;
    int64_t stride = box->dim[w->last].from;
    if (box->is_fill || stride == 0 || stride == 1 || stride == -1) return;
    for (uint32_t k = 0; k < w->last; k++)
        if (box->dim[k].from == 1) w->across = k;
}

/* Makes `count` parts of `extent` elements out of dimension k of a box, and appends a box for what is left
 * over. */
static void split_dim(struct copies *copies, uint32_t b, uint32_t k, int64_t extent) {
    struct copy_box *box = &copies->boxes.at[b];
    struct copy_dim whole = box->dim[k];
    int64_t count = whole.extent / extent, left = whole.extent % extent;
    check(box->rank < COPY_MAX_RANK);
    if (left > 0) {
        struct copy_box rest = *box;
        rest.dim[k].extent = left;
        rest.to_offset += count * extent * whole.to;
        rest.from_offset += count * extent * whole.from;
        if (whole.from == 1 && rest.read_to) rest.read_to = max_i64(0, rest.read_to - count * extent);
        *vec_push(&copies->boxes) = rest;
        box = &copies->boxes.at[b];
    }
    if (whole.from == 1 && left > 0) box->read_to = 0;
    memmove(&box->dim[k + 1], &box->dim[k], (box->rank - k) * sizeof whole);
    box->rank++;
    box->dim[k] = (struct copy_dim){count, whole.to * extent, whole.from * extent};
    box->dim[k + 1].extent = extent;
}

/* Cuts long rows and long columns of squares into parts, which become outer dimensions. */
static void split_box(struct copies *copies, uint32_t b) {
    struct walk w = {.box = &copies->boxes.at[b]};
    prepare(&w);
    const struct copy_box *box = w.box;
    int64_t part = ITEM_BYTES / copies->elem_bytes;
    if (w.across != NO_DIM) {
        if (box->dim[w.across].extent > 2 * STRIP) split_dim(copies, b, w.across, STRIP);
    } else if (box->dim[w.last].extent > 2 * part && !box->zero_to) {
        split_dim(copies, b, w.last, part);
    }
}

/* Is dimension k walked by a loop (or by items), not by rows or squares? */
static bool is_outer(const struct walk *w, uint32_t k) {
    return k != w->last && k != w->across;
}

static int64_t choose_items(struct walk *w) {
    int64_t inner = box_elements(w->box, 0), items = 1;
    w->item_dims = 0;
    for (uint32_t k = 0; k < w->box->rank && inner * w->elem_bytes > 2 * ITEM_BYTES; k++) {
        w->item_dims = k + 1;
        if (!is_outer(w, k)) continue;
        items *= w->box->dim[k].extent;
        inner /= w->box->dim[k].extent;
    }
    return items;
}

static void move(struct walk *w, uint32_t k, LLVMValueRef index) {
    w->to = at(w, w->to, scale64(w->e, index, w->box->dim[k].to));
    if (!w->box->is_fill) w->from = at(w, w->from, scale64(w->e, index, w->box->dim[k].from));
}

static void copy_item(struct walk *w, LLVMValueRef item) {
    struct emit *e = w->e;
    const struct copy_box *box = w->box;
    w->to = at_constant(w, w->to, box->to_offset);
    if (!box->is_fill) w->from = at_constant(w, w->from, box->from_offset);
    for (uint32_t k = w->item_dims; k-- > 0;) {
        if (!is_outer(w, k)) continue;
        LLVMValueRef extent = int64(e, box->dim[k].extent);
        move(w, k, LLVMBuildURem(e->builder, item, extent, ""));
        item = LLVMBuildUDiv(e->builder, item, extent, "");
    }
    struct loop loops[COPY_MAX_RANK];
    for (uint32_t k = w->item_dims; k < box->rank; k++) {
        if (!is_outer(w, k)) continue;
        loop_begin(e, &loops[k], int64(e, 0), int64(e, box->dim[k].extent), 1);
        move(w, k, loops[k].index);
    }
    if (w->across != NO_DIM)
        copy_squares(w, w->to, w->from, transpose_edge(e->target, w->elem_bytes));
    else
        copy_row(w, w->to, w->from, box->dim[w->last].extent);
    for (uint32_t k = box->rank; k-- > w->item_dims;)
        if (is_outer(w, k)) loop_end(e, &loops[k]);
}

/* The part of [lo, hi) that are items of this box, which start at `first`. Returns how many it has. */
static int64_t copy_box(struct emit *e, const struct kernel_code *code, const struct copies *copies,
                        const struct copy_box *box, int64_t first) {
    struct walk w = {.e = e, .box = box, .elem_bytes = copies->elem_bytes};
    w.elem = LLVMIntTypeInContext(e->context, copies->elem_bytes * 8);
    prepare(&w);
    int64_t items = choose_items(&w);
    LLVMValueRef to = kernel_pointer(e, code->buf, box->to_buffer), from = to;
    if (box->literal)
        from = literal_pointer(e, box->literal);
    else if (!box->is_fill)
        from = kernel_pointer(e, code->buf, box->from_buffer);
    LLVMValueRef lo = max64(e, code->lo, int64(e, first)), hi = min64(e, code->hi, int64(e, first + items));
    struct loop loop;
    loop_begin(e, &loop, lo, hi, 1);
    w.to = to;
    w.from = from;
    copy_item(&w, LLVMBuildSub(e->builder, loop.index, int64(e, first), ""));
    loop_end(e, &loop);
    return items;
}

enum emit_result copies_emit(struct emit *e, struct copies *copies, const char *symbol, struct kernel *out,
                             const char **why_not) {
    uint32_t kept = 0;
    for (uint32_t i = 0; i < copies->boxes.count; i++) {
        struct copy_box *box = &copies->boxes.at[i];
        if (box_elements(box, 0) == 0) continue;
        tidy(box);
        if (box->rank == 0 || box->dim[box->rank - 1].to != 1)
            box->dim[box->rank++] = (struct copy_dim){1, 1, 0};
        copies->boxes.at[kept++] = *box;
    }
    copies->boxes.count = kept;
    for (uint32_t i = 0; i < kept; i++) split_box(copies, i);
    int64_t items = 0;
    for (uint32_t i = 0; i < copies->boxes.count; i++) {
        struct walk w = {.e = e, .box = &copies->boxes.at[i], .elem_bytes = copies->elem_bytes};
        prepare(&w);
        items += choose_items(&w);
    }
    if (items >= UINT32_MAX) {
        *why_not = "more items than a kernel may have";
        vec_free(&copies->boxes);
        return EMIT_DECLINED;
    }
    struct kernel_code code = kernel_begin(e, symbol);
    items = 0;
    for (uint32_t i = 0; i < copies->boxes.count; i++)
        items += copy_box(e, &code, copies, &copies->boxes.at[i], items);
    kernel_end(e);
    vec_free(&copies->boxes);
    *out = (struct kernel){.function = code.function, .items = (uint32_t)items};
    return EMIT_DONE;
}
