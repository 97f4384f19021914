/* Windows, mel filters and Fourier transforms. A transform is a product with a constant matrix of sines and
 * cosines, over real and imaginary parts side by side; a short-time transform is a convolution with it. */
#include "frontend/onnx/importer.h"

#include <inttypes.h>
#include <math.h>

enum { LARGEST = 1 << 25 };
static const double two_pi = 6.28318530717958647692;

/* The constant input `i`, an integer; `fill` when it is left out. */
static enum status one_integer(struct node *n, const char *name, uint32_t i, int64_t fill, int64_t *out) {
    struct ints given;
    TRY(node_ints_or_input(n, name, i, &given));
    if (given.given && given.count != 1)
        return node_error(n, "%s, input %u, has %u numbers, expected one", name, i, given.count);
    *out = given.given ? given.at[0] : fill;
    return STATUS_OK;
}

static enum status check_size(struct node *n, const char *what, int64_t least, int64_t size) {
    if (size < least) return node_error(n, "%s is %" PRId64, what, size);
    if (size > LARGEST) return unsupported(n, "%s of more than %d numbers", n->proto->op_type, LARGEST);
    return STATUS_OK;
}

/* -- windows -- */
static enum status output_elem(struct node *n, enum elem *out) {
    int64_t type = node_int(n, "output_datatype", ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT);
    char text[ONNX_ELEM_TEXT];
    *out = onnx_elem(type);
    if (!elem_in(*out, ELEMS_NUMERIC))
        return unsupported(n, "%s of %s", n->proto->op_type, onnx_elem_text(type, text));
    return STATUS_OK;
}

static void set_number(struct tensor *t, int64_t i, double value) {
    if (elem_is_float(t->elem))
        tensor_set_f64(t, i, value);
    else
        tensor_set_i64(t, i, (int64_t)value);
}

/* a - b cos(2 pi i / length) + c cos(4 pi i / length); the length of a symmetric window is one less. */
static enum status window(struct node *n, double a, double b, double c) {
    enum elem elem;
    int64_t size;
    bool periodic = node_int(n, "periodic", 1) != 0;
    TRY(output_elem(n, &elem));
    TRY(one_integer(n, "size", 0, 0, &size));
    TRY(check_size(n, "the size", 0, size));
    struct tensor t = tensor_new(elem, 1, &size);
    double length = (double)(periodic ? size : size - 1);
    for (int64_t i = 0; i < size; i++) {
        double turn = two_pi * (double)i / length;
        set_number(&t, i, length == 0 ? 1 : a - b * cos(turn) + c * cos(2 * turn));
    }
    return node_result(n, ref_of_tensor(n->im, t));
}

enum status import_hann_window(struct node *n) {
    return window(n, 0.5, 0.5, 0);
}
enum status import_hamming_window(struct node *n) {
    return window(n, 25.0 / 46, 21.0 / 46, 0);
}
enum status import_blackman_window(struct node *n) {
    return window(n, 0.42, 0.5, 0.08);
}

/* -- mel filters -- */
static double mel_of(double hertz) {
    return 2595 * log10(1 + hertz / 700);
}

/* The triangle over the bins left … right with its top at `top`; bins that do not exist are left out. */
static void set_triangle(struct tensor *t, int64_t column, int64_t left, int64_t top, int64_t right) {
    for (int64_t row = max_i64(left, 0); row < t->dim[0] && row <= max_i64(right, top); row++) {
        int64_t foot = row < top ? left : right;
        double value = row == top ? 1 : (double)(row - foot) / (double)(top - foot);
        set_number(t, row * t->dim[1] + column, value);
    }
}

enum status import_mel_weight_matrix(struct node *n) {
    enum elem elem;
    int64_t bands, length, rate;
    double low, high;
    TRY(output_elem(n, &elem));
    TRY(one_integer(n, "num_mel_bins", 0, 0, &bands));
    TRY(one_integer(n, "dft_length", 1, 0, &length));
    TRY(one_integer(n, "sample_rate", 2, 0, &rate));
    TRY(node_float_or_input(n, "lower_edge_hertz", 3, 0, &low));
    TRY(node_float_or_input(n, "upper_edge_hertz", 4, 0, &high));
    if (bands < 0 || length < 0 || rate < 1 || !(low >= 0) || !(high >= low) || isinf(high))
        return node_error(
            n, "%" PRId64 " bands from %g to %g hertz, of %" PRId64 " samples at a rate of %" PRId64, bands,
            low, high, length, rate);
    TRY(check_size(n, "the size", 0, max_i64(bands, length)));
    const int64_t dims[2] = {length / 2 + 1, bands};
    TRY(check_size(n, "the size", 0, dims[0] * dims[1]));
    struct tensor t = tensor_new(elem, 2, dims);
    double step = (mel_of(high) - mel_of(low)) / (double)(bands + 2);
    int64_t edge[3] = {0};
    for (int64_t i = 0; i < bands + 2; i++) {
        double hertz = 700 * (pow(10, ((double)i * step + mel_of(low)) / 2595) - 1);
        double bin = fmin(floor((double)(length + 1) * hertz / (double)rate), LARGEST);
        edge[0] = edge[1], edge[1] = edge[2], edge[2] = (int64_t)bin;
        if (i >= 2) set_triangle(&t, i - 2, edge[0], edge[1], edge[2]);
    }
    return node_result(n, ref_of_tensor(n->im, t));
}

/* -- Fourier transforms -- */
struct transform {
    int64_t length;          /* N */
    int64_t inputs, outputs; /* numbers, of one or two parts each */
    uint32_t from, to;       /* parts: 1 real, 2 real and imaginary */
    bool inverse, from_half; /* from_half: the inputs are the first half of a symmetric spectrum */
};

/* How part `from` of input i counts in part `to` of output k. */
static double coefficient(const struct transform *t, int64_t i, uint32_t from, int64_t k, uint32_t to) {
    double turn = two_pi * (double)(i * k % t->length) / (double)t->length;
    double sine = t->inverse ? sin(turn) : -sin(turn);
    double value = from == to ? cos(turn) : to ? sine : -sine;
    if (t->inverse) value /= (double)t->length;
    return t->from_half && i > 0 && 2 * i != t->length ? 2 * value : value;
}

static enum status check_transform(struct node *n, const struct transform *t) {
    TRY(check_size(n, "the length of the transform", 1, t->length));
    TRY(check_size(n, "the number of inputs", 0, t->inputs));
    return check_size(n, "the size", 0, t->inputs * t->from * t->outputs * t->to);
}

static enum status check_signal(struct node *n, ref x, uint32_t *parts) {
    int64_t last;
    uint32_t rank = ref_rank(n->im, x);
    if (rank < 2 || !dim_is_const(&n->im->m->types, ref_dim(n->im, x, rank - 1), &last) || last < 1 ||
        last > 2)
        return node_error(n, "input 0 has no last dimension of one or two parts");
    if (!elem_is_float(ref_elem(n->im, x)))
        return node_error(n, "input 0 is %s, expected floats", elem_name(ref_elem(n->im, x)));
    *parts = (uint32_t)last;
    return STATUS_OK;
}

/* [inputs * from, outputs * to] */
static ref transform_matrix(struct node *n, enum elem elem, const struct transform *t) {
    struct tensor m = tensor_new(elem, 2, (const int64_t[]){t->inputs * t->from, t->outputs * t->to});
    for (int64_t row = 0; row < m.dim[0]; row++)
        for (int64_t column = 0; column < m.dim[1]; column++)
            tensor_set_f64(&m, row * m.dim[1] + column,
                           coefficient(t, row / t->from, (uint32_t)(row % t->from), column / t->to,
                                       (uint32_t)(column % t->to)));
    return ref_of_tensor(n->im, m);
}

/* The transform along `axis`, of which the first `inputs` numbers count. */
static ref transformed(struct node *n, ref x, uint32_t axis, const struct transform *t) {
    struct types *types = &n->im->m->types;
    uint32_t rank = ref_rank(n->im, x), others = 0;
    int64_t last[MAX_RANK], back[MAX_RANK], start = 0, at = axis, end = t->inputs;
    dim_id dims[MAX_RANK];
    for (uint32_t i = 0; i + 1 < rank; i++)
        if (i != axis) last[others++] = i;
    last[rank - 2] = axis;
    last[rank - 1] = rank - 1;
    for (uint32_t i = 0; i < rank; i++) back[last[i]] = i;
    for (uint32_t i = 0; i < others; i++) dims[i] = ref_dim(n->im, x, (uint32_t)last[i]);
    ref y = emit1_with(n, OP_slice, x, node_attr_ints(n, ATTR_starts, &start, 1),
                       node_attr_ints(n, ATTR_ends, &end, 1), node_attr_ints(n, ATTR_axes, &at, 1));
    y = emit1_with(n, OP_transpose, y, node_attr_ints(n, ATTR_perm, last, rank));
    dims[others] = dim_const(types, t->inputs * t->from);
    y = emit1_with(n, OP_reshape, y, node_attr_dims(n, ATTR_shape, dims, others + 1));
    y = emit2(n, OP_matmul, y, transform_matrix(n, ref_elem(n->im, x), t));
    dims[others] = dim_const(types, t->outputs);
    dims[others + 1] = dim_const(types, t->to);
    y = emit1_with(n, OP_reshape, y, node_attr_dims(n, ATTR_shape, dims, others + 2));
    return emit1_with(n, OP_transpose, y, node_attr_ints(n, ATTR_perm, back, rank));
}

enum status import_dft(struct node *n) {
    ref x = node_in_wide(n, 0);
    struct transform t = {.inverse = node_int(n, "inverse", 0) != 0};
    bool half = node_int(n, "onesided", 0) != 0;
    uint32_t axis, rank = ref_rank(n->im, x);
    int64_t given, extent;
    TRY(check_signal(n, x, &t.from));
    given = n->opset < 20 ? node_int(n, "axis", 1) : -2;
    if (n->opset >= 20) TRY(one_integer(n, "axis", 2, given, &given));
    TRY(node_axis(n, given, rank, &axis));
    if (axis == rank - 1) return node_error(n, "axis %" PRId64 " holds the parts of the numbers", given);
    if (!dim_is_const(&n->im->m->types, ref_dim(n->im, x, axis), &extent))
        return unsupported(n, "DFT along a dimension without a size (fix it by --shape or --dim)");
    t.from_half = half && t.inverse;
    TRY(one_integer(n, "dft_length", 1, t.from_half ? 2 * (extent - 1) : extent, &t.length));
    if (half && !t.inverse && t.from == 2)
        return node_error(n, "a transform of complex numbers that is one-sided");
    t.to = t.from_half ? 1 : 2;
    t.outputs = half && !t.inverse ? t.length / 2 + 1 : t.length;
    t.inputs = min_i64(extent, t.from_half ? t.length / 2 + 1 : t.length);
    TRY(check_transform(n, &t));
    return node_result_narrow(n, transformed(n, x, axis, &t));
}

/* The matrix as a convolution's weights, [outputs * to, from, inputs]. */
static ref transform_weights(struct node *n, enum elem elem, const struct transform *t) {
    struct tensor w = tensor_new(elem, 3, (const int64_t[]){t->outputs * t->to, t->from, t->inputs});
    for (int64_t i = 0; i < tensor_count(&w); i++) {
        int64_t output = i / t->inputs / t->from;
        tensor_set_f64(&w, i,
                       coefficient(t, i % t->inputs, (uint32_t)(i / t->inputs % t->from), output / t->to,
                                   (uint32_t)(output % t->to)));
    }
    return ref_of_tensor(n->im, w);
}

/* The length of a frame: told, or that of the window, or that of the signal. */
static enum status frame_length(struct node *n, ref x, ref window, int64_t *out) {
    int64_t told;
    dim_id dim = ref_dim(n->im, ref_none(window) ? x : window, ref_none(window) ? 1 : 0);
    TRY(one_integer(n, "frame_length", 3, -1, &told));
    bool known = dim_is_const(&n->im->m->types, dim, out);
    if (told < 0 && !known)
        return unsupported(n, "STFT of frames without a size (fix it by --shape or --dim)");
    if (told >= 0 && !ref_none(window) && (!known || *out != told))
        return node_error(n, "its frames have %" PRId64 " numbers, but its window has not", told);
    if (told >= 0) *out = told;
    return STATUS_OK;
}

enum status import_stft(struct node *n) {
    struct types *types = &n->im->m->types;
    ref x = node_in_wide(n, 0), window = node_in_wide(n, 2);
    struct transform t = {.to = 2};
    bool half = node_int(n, "onesided", 1) != 0;
    int64_t step;
    TRY(check_signal(n, x, &t.from));
    if (ref_rank(n->im, x) != 3 || (!ref_none(window) && ref_rank(n->im, window) != 1))
        return node_error(n, "a signal of rank %u, expected 3, and a window of rank 1", ref_rank(n->im, x));
    TRY(one_integer(n, "frame_step", 1, 0, &step));
    if (step < 1) return node_error(n, "frame_step is %" PRId64, step);
    TRY(frame_length(n, x, window, &t.length));
    if (half && t.from == 2) return node_error(n, "a transform of complex numbers that is one-sided");
    t.inputs = t.length;
    t.outputs = half ? t.length / 2 + 1 : t.length;
    TRY(check_transform(n, &t));
    ref weights = transform_weights(n, ref_elem(n->im, x), &t);
    if (!ref_none(window)) weights = emit2(n, OP_mul, weights, window);
    ref lines = emit1_with(n, OP_transpose, x, node_attr_ints(n, ATTR_perm, (const int64_t[]){0, 2, 1}, 3));
    ref y = emit2_with(n, OP_conv1d, lines, weights, node_attr_ints(n, ATTR_stride, &step, 1));
    if (ref_none(y)) return STATUS_FAILED;
    const dim_id dims[4] = {ref_dim(n->im, y, 0), dim_const(types, t.outputs), dim_const(types, 2),
                            ref_dim(n->im, y, 2)};
    y = emit1_with(n, OP_reshape, y, node_attr_dims(n, ATTR_shape, dims, 4));
    return node_result_narrow(
        n, emit1_with(n, OP_transpose, y, node_attr_ints(n, ATTR_perm, (const int64_t[]){0, 3, 1, 2}, 4)));
}
