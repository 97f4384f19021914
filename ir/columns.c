#include "ir/columns.h"

#include "ir/ops/window.h"

#include <string.h>

static bool is_conv(enum op_kind kind) {
    return kind == OP_conv1d || kind == OP_conv2d;
}

static bool is_scattered(enum op_kind kind) {
    return kind == OP_conv_transpose1d || kind == OP_conv_transpose2d;
}

bool columns_of(const struct module *m, const struct op *op, struct columns *out) {
    int64_t w[MAX_RANK];
    bool scattered = is_scattered(op->kind), conv = scattered || is_conv(op->kind);
    if (!conv && op->kind != OP_linear && op->kind != OP_matmul) return false;
    const struct value *weight = value_get(m, op->operand[1]);
    if (weight->kind != VALUE_PARAMETER || !type_static(&m->types, weight->type, w)) return false;
    uint32_t rank = type_rank(&m->types, weight->type);
    if (!elem_is_float(weight->type.elem) || (!conv && rank != 2)) return false;
    if (op->kind == OP_matmul && type_rank(&m->types, value_get(m, op->operand[0])->type) < 2) return false;
    *out = (struct columns){.op = op, .input = op->operand[0], .weight = op->operand[1], .groups = 1};
    if (op->operand_count > 2 && !scattered) out->bias = op->operand[2];
    out->scattered = scattered;
    out->transposed = scattered || op->kind == OP_matmul;
    if (conv) {
        out->groups = op_int(op, ATTR_groups);
        out->spatial = rank - 2;
        for (uint32_t i = 0; i < out->spatial; i++) out->taps[i] = scattered ? 1 : w[2 + i];
    }
    int64_t rest = 1;
    for (uint32_t i = 1; i < rank; i++) rest *= w[i];
    out->rows = out->transposed ? rest : w[0] / out->groups;
    out->depth = out->transposed ? w[0] / out->groups : rest;
    return out->rows > 0 && out->depth > 0;
}

/* -- the input of a convolution; 1d is 2d of height 1 -- */
struct sliding {
    int64_t channels, in[MAX_SPATIAL], out[MAX_SPATIAL]; /* channels of one group */
    struct window window[MAX_SPATIAL];
};

static struct sliding sliding_of(const struct columns *c, const struct tensor *x) {
    struct sliding s = {.channels = x->dim[1] / c->groups};
    for (uint32_t i = 0; i < MAX_SPATIAL; i++) {
        s.in[i] = s.out[i] = 1;
        s.window[i] = (struct window){1, 1, 1, 0, 0};
    }
    uint32_t missing = MAX_SPATIAL - c->spatial;
    if (!c->scattered) window_of(c->op, c->spatial, c->taps, s.window + missing);
    for (uint32_t i = missing; i < MAX_SPATIAL; i++) {
        const struct window *w = &s.window[i];
        s.in[i] = x->dim[2 + i - missing];
        s.out[i] = floor_div(s.in[i] + w->before + w->after - window_extent(w), w->stride) + 1;
        if (s.out[i] < 0) s.out[i] = 0;
    }
    return s;
}

int64_t columns_count(const struct columns *c, const struct tensor *x) {
    if (!c->spatial) return tensor_count(x) / c->depth;
    struct sliding s = sliding_of(c, x);
    return x->dim[0] * s.out[0] * s.out[1];
}

/* The elements that window (y, x) of every channel sees, 0 in the padding. */
#define GATHER(name, T)                                                                                      \
    static void name(const struct sliding *s, const T *image, int64_t y, int64_t x, T *to) {                 \
        const struct window *h = &s->window[0], *w = &s->window[1];                                          \
        int64_t top = y * h->stride - h->before, left = x * w->stride - w->before;                           \
        for (int64_t channel = 0; channel < s->channels; channel++, image += s->in[0] * s->in[1])            \
            for (int64_t ky = 0; ky < h->taps; ky++) {                                                       \
                int64_t line = top + ky * h->dilation;                                                       \
                bool inside = line >= 0 && line < s->in[0];                                                  \
                for (int64_t kx = 0; kx < w->taps; kx++) {                                                   \
                    int64_t at = left + kx * w->dilation;                                                    \
                    *to++ = inside && at >= 0 && at < s->in[1] ? image[line * s->in[1] + at] : 0;            \
                }                                                                                            \
            }                                                                                                \
    }
GATHER(gather_f32, float)
GATHER(gather_f64, double)

#define READ(name, T, gather)                                                                                \
    void name(const struct columns *c, const struct tensor *x, int64_t group, int64_t first, int64_t step,   \
              int64_t count, T *to) {                                                                        \
        const T *from = x->data;                                                                             \
        if (!c->spatial) {                                                                                   \
            for (int64_t i = 0; i < count; i++)                                                              \
                memcpy(to + i * c->depth, from + (first + i * step) * c->depth,                              \
                       (size_t)c->depth * sizeof *to);                                                       \
            return;                                                                                          \
        }                                                                                                    \
        struct sliding s = sliding_of(c, x);                                                                 \
        int64_t plane = s.in[0] * s.in[1], positions = s.out[0] * s.out[1];                                  \
        for (int64_t i = 0; i < count; i++) {                                                                \
            int64_t at = first + i * step, image = at / positions, p = at % positions;                       \
            gather(&s, from + (image * x->dim[1] + group * s.channels) * plane, p / s.out[1], p % s.out[1],  \
                   to + i * c->depth);                                                                       \
        }                                                                                                    \
    }
READ(columns_read_f32, float, gather_f32)
READ(columns_read_f64, double, gather_f64)
