/* The second output of MaxPool: where in the operand each largest cell is.
 *
 * Which cells a window sees is known: a table of positions, by which the operand is gathered into windows. A
 * position in the padding is replaced by the window's first cell inside, which changes neither the largest
 * element nor its place. */
#include "frontend/onnx/window.h"

enum { LARGEST_TABLE = 1 << 24 };

struct places {
    const struct window *w;
    int64_t in[MOST_SPATIAL], out[MOST_SPATIAL];
    int64_t cells, windows, taps; /* products of in, out and the kernel */
};

static void digits(int64_t number, const int64_t *base, uint32_t count, int64_t *out) {
    for (uint32_t i = count; i-- > 0; number /= base[i]) out[i] = number % base[i];
}

/* The cell that a tap of a window sees, counted row by row; -1 in the padding. */
static int64_t cell_of(const struct places *p, int64_t window, int64_t tap) {
    int64_t at[MOST_SPATIAL], k[MOST_SPATIAL], cell = 0;
    digits(window, p->out, p->w->spatial, at);
    digits(tap, p->w->kernel, p->w->spatial, k);
    for (uint32_t i = 0; i < p->w->spatial; i++) {
        int64_t x = at[i] * p->w->stride[i] + k[i] * p->w->dilation[i] - p->w->pad[i];
        if (x < 0 || x >= p->in[i]) return -1;
        cell = cell * p->in[i] + x;
    }
    return cell;
}

/* The same cell counted column by column, the first dimension fastest. */
static int64_t by_columns(const struct places *p, int64_t cell) {
    int64_t at[MOST_SPATIAL], turned = 0;
    digits(cell, p->in, p->w->spatial, at);
    for (uint32_t i = p->w->spatial; i-- > 0;) turned = turned * p->in[i] + at[i];
    return turned;
}

static struct tensor cell_table(const struct places *p) {
    struct tensor table = tensor_new(ELEM_i64, 2, (const int64_t[]){p->windows, p->taps});
    int64_t *at = table.data;
    for (int64_t o = 0; o < p->windows; o++) {
        int64_t inside = 0;
        for (int64_t k = p->taps; k-- > 0;)
            if (cell_of(p, o, k) >= 0) inside = cell_of(p, o, k);
        for (int64_t k = 0; k < p->taps; k++) {
            int64_t cell = cell_of(p, o, k);
            *at++ = cell < 0 ? inside : cell;
        }
    }
    return table;
}

static bool read_places(struct node *n, ref x, ref y, const struct window *w, struct places *p) {
    struct types *types = &n->im->m->types;
    *p = (struct places){.w = w, .cells = 1, .windows = 1, .taps = 1};
    for (uint32_t i = 0; i < w->spatial; i++) {
        if (!dim_is_const(types, ref_dim(n->im, x, 2 + i), &p->in[i]) ||
            !dim_is_const(types, ref_dim(n->im, y, 2 + i), &p->out[i]))
            return false;
        p->cells *= p->in[i], p->windows *= p->out[i], p->taps *= w->kernel[i];
        if (p->cells > LARGEST_TABLE || p->windows > LARGEST_TABLE || p->taps > LARGEST_TABLE) return false;
    }
    return p->taps <= LARGEST_TABLE / max_i64(p->windows, 1);
}

ref emit_pool_indices(struct node *n, ref x, ref y, const struct window *w, bool columns) {
    struct importer *im = n->im;
    struct types *types = &im->m->types;
    struct places p;
    int64_t batch, channels;
    dim_id dims[MAX_RANK], flat[3] = {ref_dim(im, x, 0), ref_dim(im, x, 1)};
    if (!dim_is_const(types, flat[0], &batch) || !dim_is_const(types, flat[1], &channels) ||
        !read_places(n, x, y, w, &p) || batch * channels > LARGEST_TABLE) {
        (void)unsupported(n, "MaxPool with indices over dimensions without a size, or of more than %d",
                          LARGEST_TABLE);
        return (ref){0};
    }
    for (uint32_t i = 0; i < w->spatial + 2; i++) dims[i] = ref_dim(im, y, i);
    struct attr shape = node_attr_dims(n, ATTR_shape, dims, w->spatial + 2);
    if (!batch || !channels || !p.windows || !p.cells)
        return emit1_with(n, OP_expand, ref_of_tensor(im, tensor_scalar_i64(ELEM_i64, 0)), shape);
    flat[2] = dim_const(types, p.cells);
    struct tensor table = cell_table(&p), names = tensor_copy(&table);
    struct tensor first_tap = tensor_new(ELEM_i64, 1, &p.windows);
    struct tensor first_cell = tensor_new(ELEM_i64, 3, (const int64_t[]){batch, channels, 1});
    names.rank = 1, names.dim[0] = p.windows * p.taps;
    for (int64_t i = 0; columns && i < names.dim[0]; i++)
        tensor_set_i64(&names, i, by_columns(&p, tensor_get_i64(&table, i)));
    for (int64_t i = 0; i < p.windows; i++) tensor_set_i64(&first_tap, i, i * p.taps);
    for (int64_t i = 0; i < batch * channels; i++) tensor_set_i64(&first_cell, i, i * p.cells);

    ref lines = emit1_with(n, OP_reshape, x, node_attr_dims(n, ATTR_shape, flat, 3));
    ref windows = emit2_with(n, OP_gather, lines, ref_of_tensor(im, table), attr_int(ATTR_axis, 2));
    ref best = emit1_with(n, OP_argmax, windows, attr_int(ATTR_axis, 3));
    ref tap = emit2(n, OP_add, best, ref_of_tensor(im, first_tap));
    ref cell = emit2_with(n, OP_gather, ref_of_tensor(im, names), tap, attr_int(ATTR_axis, 0));
    ref place = emit2(n, OP_add, cell, ref_of_tensor(im, first_cell));
    return emit1_with(n, OP_reshape, place, shape);
}
