/* --data: the samples that calibration sees. */
#ifndef ADZE_FRONTEND_CLI_DATA_H
#define ADZE_FRONTEND_CLI_DATA_H

#include "ir/module.h"
#include "ir/samples.h"

/* Opens FILE.npz with an array for each input of the model, named NAME or in:NAME (others are ignored), or,
 * where there is one input, FILE.npy. Sample i is the rows [i·b, (i + 1)·b) of each, b being the constant
 * leading extent of the input, or 1; what is left over is left out. Nothing but one row is in memory at a
 * time. The module must outlive it. */
struct data_file;
MUST_USE enum status data_open(const char *path, const struct module *m, struct diag *diag,
                               struct data_file **out);
const struct sample_source *data_samples(const struct data_file *data);
void data_close(struct data_file *data); /* accepts NULL */

/* A bar on a terminal, a line for every tenth when piped. Short work prints nothing. */
struct progress_bar {
    double start, drawn; /* times in s */
    unsigned tenth;
    bool shown;
};
void progress_report(void *bar, const char *what, uint64_t done, uint64_t total);

#endif
