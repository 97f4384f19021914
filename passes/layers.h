/* Layers: contractions with a weight of their own, as passes that change weights see them. */
#ifndef ADZE_PASSES_LAYERS_H
#define ADZE_PASSES_LAYERS_H

#include "ir/columns.h"

/* By value: how many layers have it as their weight, all of them in the same orientation. Freed by the
 * caller. */
uint32_t *layers_count_readers(const struct module *m);

/* Reads x · W as linear(x, Wᵀ), in every product by W: then a row of the weight is what one output is made
 * of. Updates *c. */
void layer_transpose(struct module *m, op_id op, struct columns *c);

/* Products by one matrix that is written as a stack of one, [1, in, out], are products by [in, out]. */
void layers_unstack(struct module *m);

/* An error that names the weight and the index of its first NaN or infinite number. */
MUST_USE enum status layer_check_finite(const struct module *m, weight_id id, struct diag *diag);

/* The same for every weight that is read, by whatever op: NaN in a bias spoils all that is measured after it.
 * Infinite numbers may be where nothing multiplies them, as in masks of attention. */
MUST_USE enum status layer_check_all_finite(const struct module *m, struct diag *diag);

/* A group of a layer's weights as doubles, [rows][depth], and back into a tensor. */
void layer_get(const struct columns *c, int64_t group, const struct tensor *from, double *to);
void layer_put(const struct columns *c, int64_t group, const double *from, struct tensor *to);

#endif
