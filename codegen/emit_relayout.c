/* A change of layout as boxes to copy. Every logical dimension is one loop, or two where one side has it in
 * blocks; when the last block is not full, what is in it is a box of its own, and so is the zero padding
 * behind it. */
#include "codegen/body.h"
#include "codegen/copy.h"
#include "codegen/emit_movement.h"
#include "ir/ops/shape.h"

/* A side's strides along a logical dimension: for one element, or for a block and for one element in it. */
struct side {
    int64_t block, outer, inner;
    int64_t stored; /* elements, padding included */
};

static struct side side_of(const struct types *types, struct type type, uint32_t d) {
    struct layout layout = type_layout(types, type);
    int64_t extent[MAX_STORAGE_RANK], stride = 1;
    struct side side = {.block = 1};
    uint32_t rank = type_storage(types, type, extent);
    int64_t count = 1;
    for (uint32_t k = rank; k-- > 0; stride *= extent[k]) {
        if (layout.at[k].dim != d) continue;
        count *= extent[k];
        if (layout.at[k].inner)
            side.inner = stride;
        else
            side.outer = stride, side.block = layout.at[k].block;
    }
    if (side.block == 1) side.inner = side.outer;
    side.stored = count;
    return side;
}

/* One way to walk a dimension: `blocks` of `extent` elements from element `first` on. */
struct part {
    int64_t first, blocks, extent;
    bool is_padding;
};

struct relayout {
    const struct op *op;
    uint32_t rank;
    struct side from[MAX_RANK], to[MAX_RANK];
    struct part parts[MAX_RANK][3];
    uint32_t count[MAX_RANK];
};

static void add_part(struct relayout *r, uint32_t d, int64_t first, int64_t blocks, int64_t extent,
                     bool is_padding) {
    if (blocks > 0 && extent > 0)
        r->parts[d][r->count[d]++] = (struct part){first, blocks, extent, is_padding};
}

/* False when both sides have blocks, of different sizes. */
static bool find_parts(struct relayout *r, uint32_t d, int64_t extent) {
    int64_t a = r->from[d].block, b = r->to[d].block;
    if (a != b && a != 1 && b != 1) return false;
    int64_t block = max_i64(a, b), whole = block == 1 ? 0 : extent / block, left = extent - whole * block;
    add_part(r, d, 0, whole, block, false);
    add_part(r, d, whole * block, 1, left, false);
    if (r->to[d].stored > extent) add_part(r, d, extent, 1, r->to[d].stored - extent, true);
    return true;
}

static int64_t offset_of(const struct side *side, int64_t element) {
    return element / side->block * side->outer + element % side->block * side->inner;
}

/* The stride from one run of `extent` elements to the next. */
static int64_t stride_of(const struct side *side, int64_t extent) {
    return side->block == 1 ? side->outer * extent : side->outer;
}

/* The last block's padding may come with its elements, when they are a row of the target. */
static bool joins_padding(const struct relayout *r, uint32_t d) {
    return r->to[d].block > 1 && r->to[d].inner == 1;
}

static void add_box(const struct relayout *r, const uint32_t *at, struct copies *out) {
    struct copy_box box = {.to_buffer = 1};
    for (uint32_t d = 0; d < r->rank; d++) {
        const struct part *part = &r->parts[d][at[d]];
        if (part->is_padding && joins_padding(r, d) && r->count[d] > 1 && part->first % r->to[d].block != 0)
            return;
        box.is_fill = box.is_fill || part->is_padding;
        box.to_offset += offset_of(&r->to[d], part->first);
        if (!part->is_padding) box.from_offset += offset_of(&r->from[d], part->first);
        bool last = part->extent % max_i64(r->to[d].block, r->from[d].block) != 0;
        if (last && !part->is_padding && joins_padding(r, d)) box.zero_to = r->to[d].block;
        if (last && r->from[d].block > 1 && r->from[d].inner == 1) box.read_to = r->from[d].block;
        box.dim[box.rank++] = (struct copy_dim){part->blocks, stride_of(&r->to[d], part->extent),
                                                stride_of(&r->from[d], part->extent)};
        box.dim[box.rank++] = (struct copy_dim){part->extent, r->to[d].inner, r->from[d].inner};
    }
    *vec_push(&out->boxes) = box;
}

static void add_boxes(const struct relayout *r, struct copies *out) {
    uint32_t at[MAX_RANK] = {0}, d;
    for (d = 0; d < r->rank; d++)
        if (r->count[d] == 0) return;
    do {
        add_box(r, at, out);
        for (d = r->rank; d-- > 0;) {
            if (++at[d] < r->count[d]) break;
            at[d] = 0;
        }
    } while (d != UINT32_MAX);
}

enum emit_result emit_relayout(struct emit *e, op_id id, const char *symbol, struct kernel *out,
                               const char **why_not) {
    const struct op *op = op_get(e->m, id);
    const struct value *x = value_get(e->m, op->operand[0]);
    struct type from = x->type, to = result_type(e->m, op, 0);
    int64_t extent[MAX_RANK];
    struct relayout r = {.op = op, .rank = result_extents(e->m, op, 0, extent)};
    bool simple = x->kind != VALUE_LITERAL;
    for (uint32_t d = 0; d < r.rank; d++) {
        r.from[d] = side_of(&e->m->types, from, d);
        r.to[d] = side_of(&e->m->types, to, d);
        simple = simple && find_parts(&r, d, extent[d]);
    }
    if (!simple) return emit_pointwise_body(e, id, symbol, out, why_not);
    struct copies copies = {.elem_bytes = (uint32_t)elem_bytes(to.elem)};
    if (r.rank == 0)
        *vec_push(&copies.boxes) = (struct copy_box){.to_buffer = 1};
    else
        add_boxes(&r, &copies);
    return copies_emit(e, &copies, symbol, out, why_not);
}
