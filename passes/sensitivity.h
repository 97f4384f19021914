/* How much the model's outputs mind errors at each of some values. */
#ifndef ADZE_PASSES_SENSITIVITY_H
#define ADZE_PASSES_SENSITIVITY_H

#include "ir/op.h"
#include "ir/samples.h"

/* For each value: noise of a tenth of its power is added to it alone, and out[i] is the relative power of the
 * change of the outputs (of floats; the mean over outputs and over `samples` samples, spread over all there
 * are) over that tenth. 0: the outputs do not depend on it. Costs a run of what comes after the value for
 * each value and sample; in memory are all values of one sample. Deterministic. */
MUST_USE enum status sensitivity_measure(const struct module *m, const struct sample_source *data,
                                         const value_id *values, uint32_t count, uint32_t samples,
                                         double *out, struct diag *diag);

#endif
