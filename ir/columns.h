/* Contractions with a constant operand as Y = W X: the operand's rows, and the input's columns (im2col for
 * convolutions). What passes that measure and solve for weights work on.
 *
 * A transposed convolution adds up what each position of its input gives to several outputs: a column is such
 * a position, and a row a tap of an output channel, before the sums. */
#ifndef ADZE_IR_COLUMNS_H
#define ADZE_IR_COLUMNS_H

#include "ir/op.h"

/* For each of `groups`: Y [rows, columns] = W [rows, depth] X [depth, columns]. W is the weight's data read
 * row by row, or, when `transposed`, column by column; groups one after the other. Depth runs over input
 * channels, then taps. */
struct columns {
    const struct op *op;
    value_id input, weight, bias; /* bias: 0 if there is none */
    int64_t groups, rows, depth;
    bool transposed, scattered; /* scattered: a transposed convolution, and its bias is no row's */
    uint32_t spatial;           /* dimensions that windows slide along; 0: no convolution */
    int64_t taps[2];
};

/* False if the op is not of that form: linear, convolutions, transposed ones, and matmul by one matrix are,
 * where the weight is a parameter of floats of constant shape. */
bool columns_of(const struct module *m, const struct op *op, struct columns *out);

/* The columns that an input of this shape has (in each group). */
int64_t columns_count(const struct columns *c, const struct tensor *x);

/* Columns first, first + step, … (`count` of them) of a group of the float tensor x, each as `depth` numbers
 * in a row: to[i * depth + d]. */
void columns_read_f32(const struct columns *c, const struct tensor *x, int64_t group, int64_t first,
                      int64_t step, int64_t count, float *to);
void columns_read_f64(const struct columns *c, const struct tensor *x, int64_t group, int64_t first,
                      int64_t step, int64_t count, double *to);

/* The place of W[row][at] of a group in the weight's data. */
static inline int64_t columns_weight_at(const struct columns *c, int64_t group, int64_t row, int64_t at) {
    return c->transposed ? (group * c->depth + at) * c->rows + row : (group * c->rows + row) * c->depth + at;
}

#endif
