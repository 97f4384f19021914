/* The most f32 multiply-adds that one core of this machine does, measured: what shares of peak refer to. */
#ifndef ADZE_FRONTEND_CLI_PEAK_H
#define ADZE_FRONTEND_CLI_PEAK_H

/* In 10^9 multiply-adds a second, with the widest vectors among `features` (a comma-separated list of names,
 * see adze_variant) that have a fused form; takes some tens of milliseconds. *isa (may be NULL) names what
 * was measured. */
double fma_peak(const char *features, const char **isa);

#endif
