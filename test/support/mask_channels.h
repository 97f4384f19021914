/* What taking channels out has to be equal to: the same module with these channels masked. */
#ifndef ADZE_TEST_SUPPORT_MASK_CHANNELS_H
#define ADZE_TEST_SUPPORT_MASK_CHANNELS_H

#include "passes/channel_groups.h"

/* A copy that shares no data, all shapes as they were. The slices of the sets s with removed[s] are zero in
 * all parameters and literals; where an op takes sums, extremes or statistics over a dimension with such
 * channels, it reads the others alone, as if they were all there is. */
struct module *mask_channels(const struct module *m, const struct channel_groups *groups, const bool *removed,
                             struct diag *diag);

#endif
