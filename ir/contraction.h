/* Dense contractions as plain data: what is computed, in which layouts, and the schedules worth trying.
 * Passes choose among the proposals; the generator (codegen/gemm) follows the choice and never makes one. */
#ifndef ADZE_IR_CONTRACTION_H
#define ADZE_IR_CONTRACTION_H

#include "ir/module.h"
#include "ir/target.h"

enum contraction_kind {
    CONTRACTION_CONV,
    CONTRACTION_DEPTHWISE,
    CONTRACTION_CONV_TRANSPOSE,
    CONTRACTION_MATMUL
};

/* conv1d (as height 1) and conv2d. Output channels stand in lanes, so the output is channel-blocked; the
 * input may be plain, which suits few channels. Depthwise: groups = c = o, input and output channel-blocked.
 */
struct conv_problem {
    uint32_t n, c, h, w, o, kh, kw, groups;
    uint32_t stride[2], dilation[2];
    uint32_t pad[4];        /* top, left, bottom, right */
    uint32_t output_pad[2]; /* transposed only */
    bool transposed;
    bool blocked; /* the input is channel-blocked */
    /* The op's plane is one column wide and its kernel too: h and w stand for each other here, so that points
     * lie side by side. */
    bool turned;
};
uint32_t conv_out_height(const struct conv_problem *p);
uint32_t conv_out_width(const struct conv_problem *p);
/* A 1x1 convolution without stride or padding does not see rows: all its points are one row. */
bool conv_is_flat(const struct conv_problem *p);

/* Batch, groups, heads: how far the tensors move with each turn, in elements, and the number of the first
 * output channel. */
struct outer_axis {
    uint32_t trips;
    int64_t a, b, out, channel;
};

/* out[.., m, n] = sum over k of a[.., m, k] b[.., k, n], all plain but for b when it is constant: that is
 * packed. linear is this with b = the transpose of w. */
enum { MATMUL_MAX_OUTER = MAX_RANK };
struct matmul_problem {
    uint32_t m, n, k;
    struct outer_axis outer[MATMUL_MAX_OUTER];
    uint32_t n_outer;
    bool packed;     /* b: (n/nr, k, n%nr); else plain rows of n */
    bool packable;   /* b is one matrix: a caller that knows it to be constant may set packed */
    bool transposed; /* logical b is [n, k] (linear); always packed */
};

struct contraction {
    enum contraction_kind kind;
    bool coded;        /* b is a constant that is not stored as plain f32 (ir/panels.h) */
    uint32_t together; /* coded: so many columns of it are coded as one */
    union {
        struct conv_problem conv;
        struct matmul_problem matmul;
    };
};
/* Reads a contraction op from the shapes and layouts of its operands. NULL, or the reason why the dense
 * generator has no form of it. */
const char *contraction_of(const struct module *m, const struct op *op, struct contraction *out);

/* Layouts that a schedule asks of operand 1 (the weights, when constant; 0: plain) and of the result. */
layout_id contraction_weights_layout(struct module *m, const struct op *op, const struct contraction *c,
                                     const struct schedule *s, const struct target *target);
layout_id contraction_result_layout(struct module *m, const struct op *op, const struct contraction *c,
                                    const struct target *target);

/* Proposes at most `room` schedules, the one that should be fastest first, with the cycles it is estimated to
 * take on one core; returns their number, 0 when groups of channels do not fill vectors. In a schedule: mr
 * points x nr channels are the register tile; an item is mc rows (tiles of points where a row is a whole
 * matrix; 0: all) x nc panels of nr channels; kc channels of the sum run before the next stretch starts (0:
 * all); order is SCHEDULE_…_OUTSIDE, with SCHEDULE_PACK_B added when each item packs the plain rows of b
 * first; unroll counts steps of the sum in straight code; prefetch is a set of SCHEDULE_PREFETCH_…. */
enum { SCHEDULE_POINTS_OUTSIDE, SCHEDULE_WEIGHTS_OUTSIDE, SCHEDULE_PACK_B = 2 };
enum { SCHEDULE_PREFETCH_POINTS = 1, SCHEDULE_PREFETCH_WEIGHTS = 2 };
struct proposal {
    struct schedule schedule;
    double cycles;
};
uint32_t contraction_propose(const struct contraction *c, const struct target *target, struct proposal *out,
                             uint32_t room);

#endif
