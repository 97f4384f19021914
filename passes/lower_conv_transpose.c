/* A transposed convolution with stride s as a convolution and a shuffle. Output position h * s + i gets x[h -
 * m] * w[m * s + i] summed over m, so a convolution with ceil(k / s) flipped taps computes the s phases i of
 * every position as channels of their own (taps past the kernel are zero); moving the phases between the
 * positions and cropping the padding gives the result. (Shi et al., Real-Time Single Image and Video
 * Super-Resolution, 2016, section 2.2, read backwards.) Weights must be constant and dilation 1. */
#include "passes/pass.h"

#include "ir/contraction.h"

#include <string.h>

struct shape {
    uint32_t spatial; /* 1 or 2 */
    int64_t n, in, out, groups;
    int64_t x[2], kernel[2], stride[2], before[2], taps[2], y[2];
};

static const char *read_shape(const struct module *m, const struct op *op, struct shape *s) {
    int64_t x[MAX_RANK], y[MAX_RANK];
    const struct tensor *w = value_constant(m, op->operand[1]);
    if (!w) return "its weights are not constant";
    bool has_bias = op->operand_count > 2 && op->operand[2].i;
    if (has_bias && !value_constant(m, op->operand[2])) return "its bias is not constant";
    if (!type_static(&m->types, value_get(m, op->operand[0])->type, x)) return "a dimension is not known";
    if (!type_static(&m->types, value_get(m, op->result[0])->type, y)) return "a dimension is not known";
    *s = (struct shape){.spatial = op->kind == OP_conv_transpose2d ? 2 : 1,
                        .n = x[0],
                        .in = x[1],
                        .out = y[1],
                        .groups = op_int(op, ATTR_groups)};
    const int64_t *pad = op_ints(op, ATTR_pad, NULL), *dilation = op_ints(op, ATTR_dilation, NULL);
    for (uint32_t d = 0; d < s->spatial; d++) {
        if (dilation[d] != 1) return "it is dilated";
        s->x[d] = x[2 + d], s->y[d] = y[2 + d];
        s->kernel[d] = w->dim[2 + d];
        s->stride[d] = op_ints(op, ATTR_stride, NULL)[d];
        s->before[d] = pad[d];
        if (pad[d] < 0 || !s->x[d] || !s->y[d] || !s->kernel[d]) return "it is empty or cropped";
        /* Enough phases for every position that is kept. */
        int64_t reach = s->before[d] + s->y[d] - (s->x[d] - 1) * s->stride[d];
        s->taps[d] = ceil_div(max_i64(max_i64(s->kernel[d], reach), 1), s->stride[d]);
    }
    return NULL;
}

/* w[in, out / groups, kernel] as [out * phases, in / groups, taps], phases innermost of the channels. */
static struct tensor phase_weights(const struct shape *s, const struct tensor *w) {
    int64_t phases = 1, per_group_in = s->in / s->groups, per_group_out = s->out / s->groups;
    int64_t stride[2] = {1, 1}, taps[2] = {1, 1}, kernel[2] = {1, 1};
    for (uint32_t d = 0; d < s->spatial; d++) {
        uint32_t at = d + 2 - s->spatial;
        stride[at] = s->stride[d], taps[at] = s->taps[d], kernel[at] = s->kernel[d];
        phases *= s->stride[d];
    }
    int64_t dim[4] = {s->out * phases, per_group_in, taps[0], taps[1]};
    if (s->spatial == 1) dim[2] = taps[1];
    struct tensor t = tensor_new(w->elem, 2 + s->spatial, dim);
    for (int64_t o = 0; o < s->out; o++)
        for (int64_t c = 0; c < per_group_in; c++)
            for (int64_t ky = 0; ky < kernel[0]; ky++)
                for (int64_t kx = 0; kx < kernel[1]; kx++) {
                    int64_t group = o / per_group_out, phase = ky % stride[0] * stride[1] + kx % stride[1];
                    int64_t ty = taps[0] - 1 - ky / stride[0], tx = taps[1] - 1 - kx / stride[1];
                    int64_t from =
                        (((group * per_group_in + c) * per_group_out + o % per_group_out) * kernel[0] + ky) *
                            kernel[1] +
                        kx;
                    int64_t to = (((o * phases + phase) * per_group_in + c) * taps[0] + ty) * taps[1] + tx;
                    tensor_set_f64(&t, to, tensor_get_f64(w, from));
                }
    return t;
}

static struct tensor phase_bias(const struct shape *s, const struct tensor *b) {
    int64_t phases = s->spatial == 2 ? s->stride[0] * s->stride[1] : s->stride[0], dim = s->out * phases;
    struct tensor t = tensor_new(b->elem, 1, &dim);
    for (int64_t i = 0; i < dim; i++) tensor_set_f64(&t, i, tensor_get_f64(b, i / phases));
    return t;
}

static value_id constant(struct builder *b, value_id like, struct tensor t) {
    const struct value *v = value_get(b->m, like);
    value_id fresh = module_parameter(
        b->m, module_add_weight(b->m, v->kind == VALUE_PARAMETER ? v->name : "phases", t, b->loc));
    decision_copy(b->m, like, fresh);
    return fresh;
}

static value_id convolution(struct builder *b, const struct op *op, const struct shape *s) {
    struct module *m = b->m;
    bool has_bias = op->operand_count > 2 && op->operand[2].i;
    value_id operands[3] = {op->operand[0],
                            constant(b, op->operand[1], phase_weights(s, value_constant(m, op->operand[1])))};
    if (has_bias) operands[2] = constant(b, op->operand[2], phase_bias(s, value_constant(m, op->operand[2])));
    int64_t pad[4];
    for (uint32_t d = 0; d < s->spatial; d++) pad[d] = pad[s->spatial + d] = s->taps[d] - 1;
    struct attr attrs[] = {attr_ints(m, ATTR_pad, pad, 2 * s->spatial), attr_int(ATTR_groups, s->groups)};
    return build(b, s->spatial == 2 ? OP_conv2d : OP_conv1d, operands, has_bias ? 3 : 2, attrs, 2, "phases");
}

static value_id reshape(struct builder *b, value_id v, const int64_t *dims, uint32_t rank) {
    struct attr attr = attr_dims(ATTR_shape, dims_from_ints(&b->m->types, dims, rank));
    return v.i ? build(b, OP_reshape, &v, 1, &attr, 1, "shuffled") : v;
}

/* [n, out * phases, positions…] to [n, out, positions * stride…]. */
static value_id shuffle(struct builder *b, value_id v, const struct shape *s) {
    uint32_t r = s->spatial;
    int64_t apart[6] = {s->n, s->out}, together[4] = {s->n, s->out}, perm[6] = {0, 1};
    for (uint32_t d = 0; d < r; d++) {
        int64_t positions = s->x[d] + s->taps[d] - 1;
        apart[2 + d] = s->stride[d];
        apart[2 + r + d] = positions;
        together[2 + d] = positions * s->stride[d];
        perm[2 + 2 * d] = 2 + r + d;
        perm[3 + 2 * d] = 2 + d;
    }
    v = reshape(b, v, apart, 2 + 2 * r);
    struct attr attr = attr_ints(b->m, ATTR_perm, perm, 2 + 2 * r);
    v = v.i ? build(b, OP_transpose, &v, 1, &attr, 1, "shuffled") : v;
    return reshape(b, v, together, 2 + r);
}

static value_id crop(struct builder *b, value_id v, const struct shape *s) {
    int64_t starts[2], ends[2], axes[2] = {2, 3};
    for (uint32_t d = 0; d < s->spatial; d++) starts[d] = s->before[d], ends[d] = s->before[d] + s->y[d];
    struct attr attrs[] = {attr_ints(b->m, ATTR_starts, starts, s->spatial),
                           attr_ints(b->m, ATTR_ends, ends, s->spatial),
                           attr_ints(b->m, ATTR_axes, axes, s->spatial),
                           attr_ints(b->m, ATTR_steps, (int64_t[]){1, 1}, s->spatial)};
    return v.i ? build(b, OP_slice, &v, 1, attrs, 4, "cropped") : v;
}

/* Phases are not in the form that the kernel as a whole was in. */
static void remark_on_form(const struct module *m, value_id weight, struct diag *diag) {
    const struct value *v = value_get(m, weight);
    if (v->type.sparse.i)
        diag_remark(diag, REMARK_MISSED, "lower-conv-transpose", v->name,
                    "its phases are no longer sparse: the library holds plain %s", elem_name(v->type.elem));
}

static enum status lower(struct module *m, op_id id, const struct shape *s, struct diag *diag) {
    remark_on_form(m, op_get(m, id)->operand[1], diag);
    struct builder b = builder_before(m, id, diag);
    value_id v = crop(&b, shuffle(&b, convolution(&b, op_get(m, id), s), s), s);
    if (!v.i) return STATUS_FAILED;
    value_id old = op_get(m, id)->result[0];
    module_replace_uses(m, old, v);
    module_take_name(m, old, v);
    module_erase_op(m, id);
    return STATUS_OK;
}

/* The dense generator has a kernel for the op as it is, which needs no shuffle, but channels stand in its
 * lanes: fewer of them than fill half a vector are better off as channels times phases. */
static bool has_kernel(const struct module *m, const struct op *op) {
    struct contraction c;
    return !contraction_of(m, op, &c) && c.kind == CONTRACTION_CONV_TRANSPOSE && c.conv.o >= 8;
}

enum status pass_lower_conv_transpose(struct module *m, const struct pass_options *options,
                                      struct diag *diag) {
    (void)options;
    for (uint32_t i = 0; i < region_get(m, m->root)->ops.count; i++) {
        op_id id = region_get(m, m->root)->ops.at[i];
        const struct op *op = op_get(m, id);
        if (op->erased || (op->kind != OP_conv_transpose1d && op->kind != OP_conv_transpose2d)) continue;
        if (has_kernel(m, op)) continue;
        struct shape s;
        const char *why_not = read_shape(m, op, &s);
        if (why_not) {
            diag_remark(diag, REMARK_MISSED, "lower-conv-transpose", value_get(m, op->result[0])->name, "%s",
                        why_not);
            continue;
        }
        uint32_t before = region_get(m, m->root)->ops.count;
        TRY(lower(m, id, &s, diag));
        i += region_get(m, m->root)->ops.count - before;
    }
    module_compact(m);
    return STATUS_OK;
}
