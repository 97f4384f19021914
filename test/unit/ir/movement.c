/* Movement against index arithmetic spelled out: where each element of the result comes from, one position at
 * a time. */
#include "ir/interp.h"
#include "test/support/op_apply.h"
#include "test/support/op_samples.h"
#include "test/support/unit.h"

#include <math.h>
#include <stdlib.h>

enum { FILLED = -1 };

/* The operand's index along dimension d for index i of the result; FILLED: the fill value. */
typedef int64_t source(const void *ctx, uint32_t d, int64_t i);

static struct tensor counted(enum elem elem, uint32_t rank, const int64_t *dim) {
    struct tensor t = tensor_new(elem, rank, dim);
    for (int64_t i = 0; i < tensor_count(&t); i++) tensor_set_i64(&t, i, i + 1);
    return t;
}

/* Compares y with what `from` says; frees both. */
static bool check_from(struct tensor x, struct tensor y, source *from, const void *ctx, int64_t fill) {
    bool good = x.elem == y.elem && x.rank == y.rank;
    for (int64_t i = 0; good && i < tensor_count(&y); i++) {
        int64_t rest = i, at = 0, stride = 1;
        bool filled = false;
        for (uint32_t d = y.rank; d-- > 0; rest /= y.dim[d], stride *= x.dim[d]) {
            int64_t index = from(ctx, d, rest % y.dim[d]);
            filled = filled || index == FILLED;
            at += index * stride;
        }
        good = tensor_get_i64(&y, i) == (filled ? fill : tensor_get_i64(&x, at));
    }
    tensor_free(&x);
    tensor_free(&y);
    return good;
}

/* -- slice: the elements are listed by walking, as the standard words it -- */
struct walked {
    int64_t count, at[32];
};

static struct walked walk_slice(int64_t extent, int64_t start, int64_t end, int64_t step) {
    struct walked w = {0, {0}};
    int64_t low_end = step > 0 ? 0 : -1, high = step > 0 ? extent : extent - 1;
    if (start < 0) start += extent;
    if (end < 0) end += extent;
    start = start < 0 ? 0 : start > high ? high : start;
    end = end < low_end ? low_end : end > high ? high : end;
    while (extent && (step > 0 ? start < end : start > end)) {
        w.at[w.count++] = start;
        if (step > extent || step < -extent) break;
        start += step;
    }
    return w;
}

static int64_t from_slice(const void *ctx, uint32_t d, int64_t i) {
    return d == 1 ? ((const struct walked *)ctx)->at[i] : i;
}

static void slice_one(int64_t extent, int64_t start, int64_t end, int64_t step) {
    struct tensor x = counted(ELEM_i16, 3, (const int64_t[]){2, extent, 2});
    struct walked w = walk_slice(extent, start, end, step);
    struct attr attrs[] = {INTS(starts, start), INTS(ends, end), INTS(axes, -2), INTS(steps, step)};
    struct tensor y = op_apply(OP_slice, &x, 1, attrs, 4, false);
    bool extents = y.dim[0] == 2 && y.dim[1] == w.count && y.dim[2] == 2;
    if (!check_from(x, y, from_slice, &w, 0) || !extents) {
        fprintf(stderr, "slice %lld:%lld:%lld of %lld\n", (long long)start, (long long)end, (long long)step,
                (long long)extent);
        unit_failures++;
    }
}

static void slice(void) {
    static const int64_t positions[] = {INT64_MIN, -7, -5, -4, -3, -2, -1,        0,
                                        1,         2,  3,  4,  5,  7,  INT32_MAX, INT64_MAX};
    static const int64_t steps[] = {1, 2, 3, -1, -2, -3, INT64_MAX, -INT64_MAX};
    for (int64_t extent = 0; extent < 6; extent++)
        for (size_t s = 0; s < COUNT_OF(positions); s++)
            for (size_t e = 0; e < COUNT_OF(positions); e++)
                for (size_t k = 0; k < COUNT_OF(steps); k++)
                    slice_one(extent, positions[s], positions[e], steps[k]);
}

/* -- pad: the padding grows by one element at a time, each looked up in what is there already -- */
struct padded {
    int64_t count, at[64]; /* operand index of each element of the dimension */
};

static void grow(struct padded *p, const struct padded *core, enum keyword mode, int64_t added, bool before) {
    for (int64_t k = 1; k <= added; k++) {
        int64_t n = core->count, index = FILLED;
        if (mode == KEYWORD_edge) index = core->at[before ? 0 : n - 1];
        if (mode == KEYWORD_wrap) index = core->at[before ? n - 1 - (k - 1) % n : (k - 1) % n];
        if (mode == KEYWORD_reflect) { /* walk to and fro */
            int64_t at = before ? 0 : n - 1, step = before ? 1 : -1;
            for (int64_t i = 0; i < k && n > 1; i++) {
                if (at + step < 0 || at + step >= n) step = -step;
                at += step;
            }
            index = core->at[at];
        }
        if (before) memmove(p->at + 1, p->at, (size_t)p->count * sizeof *p->at);
        p->at[before ? 0 : p->count] = index;
        p->count++;
    }
}

static struct padded walk_pad(int64_t extent, int64_t before, int64_t after, enum keyword mode) {
    struct padded core = {0, {0}};
    for (int64_t i = before < 0 ? -before : 0; i < extent + (after < 0 ? after : 0); i++)
        core.at[core.count++] = i;
    struct padded p = core;
    grow(&p, &core, mode, before, true);
    grow(&p, &core, mode, after, false);
    return p;
}

static int64_t from_pad(const void *ctx, uint32_t d, int64_t i) {
    return ((const struct padded *)ctx)[d].at[i];
}

static void pad_one(enum elem elem, enum keyword mode, int64_t extent, int64_t before, int64_t after) {
    int64_t left = extent + (before < 0 ? before : 0) + (after < 0 ? after : 0);
    if (left < 0 || (left == 0 && mode != KEYWORD_constant)) return;
    struct padded p[2] = {walk_pad(extent, before, after, mode), walk_pad(2, 1, 0, mode)};
    struct tensor x = counted(elem, 2, (const int64_t[]){extent, 2});
    struct attr attrs[] = {
        INTS(pads, before, 1, after, 0), {.name = ATTR_mode, .keyword = mode}, FLOAT(value, 99)};
    struct tensor y = op_apply(OP_pad, &x, 1, attrs, 3, false);
    bool extents = y.dim[0] == p[0].count && y.dim[1] == 3;
    if (!check_from(x, y, from_pad, p, 99) || !extents) {
        fprintf(stderr, "pad %s of %lld by %lld, %lld\n", keyword_text(mode), (long long)extent,
                (long long)before, (long long)after);
        unit_failures++;
    }
}

static void pad(void) {
    static const enum keyword modes[] = {KEYWORD_constant, KEYWORD_reflect, KEYWORD_edge, KEYWORD_wrap};
    static const enum elem elems[] = {ELEM_u8, ELEM_bf16, ELEM_f32, ELEM_i64};
    for (size_t m = 0; m < COUNT_OF(modes); m++)
        for (int64_t extent = 0; extent < 5; extent++)
            for (int64_t before = -3; before < 8; before++)
                for (int64_t after = -3; after < 8; after++)
                    pad_one(elems[m], modes[m], extent, before, after);
}

/* -- tile, expand, transpose -- */
static int64_t from_modulo(const void *ctx, uint32_t d, int64_t i) {
    return i % ((const int64_t *)ctx)[d];
}

static void tile(void) {
    static const int64_t dims[][3] = {{2, 1, 3}, {1, 1, 1}, {3, 2, 0}};
    for (size_t k = 0; k < COUNT_OF(dims); k++)
        for (int64_t r = 0; r < 27; r++) {
            struct tensor x = counted(ELEM_u16, 3, dims[k]);
            struct attr repeats = INTS(repeats, r % 3, r / 3 % 3 + 1, r / 9 + 1);
            struct tensor y = op_apply(OP_tile, &x, 1, &repeats, 1, false);
            CHECK(y.dim[0] == dims[k][0] * (r % 3) && y.dim[1] == dims[k][1] * (r / 3 % 3 + 1) &&
                  y.dim[2] == dims[k][2] * (r / 9 + 1));
            CHECK(check_from(x, y, from_modulo, dims[k], 0));
        }
}

static void transpose(enum elem elem) {
    const int64_t dim[4] = {2, 3, 1, 4};
    for (int64_t code = 0; code < 256; code++) {
        int64_t perm[4] = {code & 3, code >> 2 & 3, code >> 4 & 3, code >> 6};
        bool seen[4] = {false}, valid = true;
        for (int d = 0; d < 4; d++) valid = valid && !seen[perm[d]], seen[perm[d]] = true;
        if (!valid) continue;
        struct tensor x = counted(elem, 4, dim);
        struct attr attr = INTS(perm, perm[0], perm[1], perm[2], perm[3]);
        struct tensor y = op_apply(OP_transpose, &x, 1, &attr, 1, false);
        int64_t stride[4] = {12, 4, 4, 1};
        for (int64_t i = 0; i < 24; i++) {
            int64_t rest = i, at = 0;
            for (int d = 3; d >= 0; d--) at += rest % y.dim[d] * stride[perm[d]], rest /= y.dim[d];
            CHECK(tensor_get_i64(&y, i) == at + 1);
        }
        tensor_free(&x);
        tensor_free(&y);
    }
}

/* -- concat undoes split -- */
static void split_and_concat(void) {
    for (uint32_t axis = 0; axis < 3; axis++)
        for (int64_t a = 0; a <= 4; a++)
            for (int64_t b = 0; a + b <= 4; b++) {
                int64_t dim[3] = {4, 4, 4}, sizes[3] = {a, b, 4 - a - b};
                struct tensor x = counted(ELEM_f64, 3, dim), piece[3];
                int64_t from = 0;
                for (int k = 0; k < 3; from += sizes[k++]) {
                    struct attr cut[] = {INTS(starts, from), INTS(ends, from + sizes[k]), INTS(axes, axis)};
                    piece[k] = op_apply(OP_slice, &x, 1, cut, 3, false);
                }
                struct attr attrs[] = {INT(axis, axis), INTS(sizes, a, b, 4 - a - b)};
                struct tensor first = op_apply(OP_split, &x, 1, attrs, 2, false);
                struct tensor whole = op_apply(OP_concat, piece, 3, attrs, 1, false);
                CHECK(tensor_equal(&first, &piece[0]));
                CHECK(tensor_equal(&whole, &x));
                tensor_free(&first);
                tensor_free(&whole);
                tensor_free(&x);
                for (int k = 0; k < 3; k++) tensor_free(&piece[k]);
            }
}

/* -- resize: positions as fractions of integers, so that halves are halves -- */
struct fraction {
    int64_t over, under; /* under > 0 */
};

static struct fraction position(enum keyword how, int64_t from, int64_t to, int64_t i) {
    switch (how) {
    case KEYWORD_asymmetric:
        return (struct fraction){i * from, to};
    case KEYWORD_align_corners:
        return to == 1 ? (struct fraction){0, 1} : (struct fraction){i * (from - 1), to - 1};
    case KEYWORD_tf_half_pixel:
        return (struct fraction){(2 * i + 1) * from, 2 * to};
    case KEYWORD_pytorch_half_pixel:
        if (to == 1) return (struct fraction){0, 1};
        return (struct fraction){(2 * i + 1) * from - to, 2 * to};
    default:
        return (struct fraction){(2 * i + 1) * from - to, 2 * to};
    }
}

static int64_t clamp(int64_t i, int64_t extent) {
    return i < 0 ? 0 : i >= extent ? extent - 1 : i;
}

static int64_t nearest(enum keyword rounding, struct fraction p) {
    int64_t below = floor_div(p.over, p.under), rest = p.over - below * p.under; /* of p.under */
    switch (rounding) {
    case KEYWORD_floor:
        return below;
    case KEYWORD_ceil:
        return below + (rest > 0);
    case KEYWORD_round_prefer_floor:
        return below + (2 * rest > p.under);
    default:
        return below + (2 * rest >= p.under);
    }
}

struct resizing {
    enum keyword how, rounding; /* rounding NONE_GIVEN: linear */
    int64_t from, to;
};

static double resized(const struct resizing *r, const struct tensor *x, int64_t row, int64_t i) {
    const struct fraction p = position(r->how, r->from, r->to, i);
    const int64_t below = floor_div(p.over, p.under);
    if (r->from == r->to) return tensor_get_f64(x, row + i);
    if (r->rounding) return tensor_get_f64(x, row + clamp(nearest(r->rounding, p), r->from));
    double t = (double)(p.over - below * p.under) / (double)p.under;
    return (1 - t) * tensor_get_f64(x, row + clamp(below, r->from)) +
           t * tensor_get_f64(x, row + clamp(below + 1, r->from));
}

static void resize_one(const struct resizing *r) {
    struct module *m = module_new("resize");
    struct diag diag = {0};
    struct tensor x = tensor_random(ELEM_f32, (const int64_t[]){2, r->from}, 2, 5), y;
    value_id in =
        module_add_input(m, "x", type_make(ELEM_f32, dims_from_ints(&m->types, x.dim, 2)), (struct loc){0});
    struct builder b = builder_at_end(m, m->root, &diag);
    struct attr attrs[] = {attr_dims(ATTR_shape, dims_from_ints(&m->types, (const int64_t[]){2, r->to}, 2)),
                           attr_keyword(ATTR_mode, r->rounding ? KEYWORD_nearest : KEYWORD_linear),
                           attr_keyword(ATTR_coordinates, r->how),
                           attr_keyword(ATTR_rounding, r->rounding ? r->rounding : KEYWORD_floor)};
    module_add_output(m, "y", build(&b, OP_resize, &in, 1, attrs, 4, NULL));
    CHECK(interp_run(m, &x, NULL, &y, &diag) == STATUS_OK);
    bool good = y.rank == 2 && y.dim[0] == 2 && y.dim[1] == r->to;
    for (int64_t i = 0; i < 2 * r->to && good; i++)
        good = fabs(tensor_get_f64(&y, i) - resized(r, &x, i / r->to * r->from, i % r->to)) <=
               (r->rounding ? 0 : 1e-6);
    if (!good) {
        fprintf(stderr, "resize %s %s from %lld to %lld\n", keyword_text(r->how), keyword_text(r->rounding),
                (long long)r->from, (long long)r->to);
        unit_failures++;
    }
    tensor_free(&x);
    tensor_free(&y);
    diag_free(&diag);
    module_free(m);
}

static void resize(void) {
    static const enum keyword coordinates[] = {KEYWORD_half_pixel, KEYWORD_pytorch_half_pixel,
                                               KEYWORD_align_corners, KEYWORD_asymmetric,
                                               KEYWORD_tf_half_pixel};
    static const enum keyword roundings[] = {KEYWORD_NONE_GIVEN, KEYWORD_floor, KEYWORD_ceil,
                                             KEYWORD_round_prefer_floor, KEYWORD_round_prefer_ceil};
    for (size_t k = 0; k < COUNT_OF(coordinates); k++)
        for (size_t r = 0; r < COUNT_OF(roundings); r++)
            for (int64_t from = 1; from < 8; from++)
                for (int64_t to = 1; to < 15; to++)
                    resize_one(&(const struct resizing){coordinates[k], roundings[r], from, to});
}

int main(void) {
    slice();
    pad();
    tile();
    transpose(ELEM_u8);
    transpose(ELEM_f16);
    transpose(ELEM_i32);
    transpose(ELEM_u64);
    split_and_concat();
    resize();
    return unit_status();
}
