/* npz archives: a zip with one npy file (npy.h) for each array, stored or deflated.
 *
 * Nothing is trusted: the archive's consistency is checked by libzip at opening, names must be UTF-8 and
 * distinct, an entry's announced size must be one that its packed bytes can unpack to, and its checksum must
 * hold. Entries are read one at a time; no more than one array is in memory. */
#ifndef ADZE_FRONTEND_TENSORFILE_NPZ_H
#define ADZE_FRONTEND_TENSORFILE_NPZ_H

#include "frontend/tensorfile/npy.h"
#include "frontend/tensorfile/tensorfile.h"
#include "ir/base/file.h"

struct npz; /* an archive open for reading */

MUST_USE enum status npz_open(const char *path, struct diag *diag, struct npz **out);
uint32_t npz_count(const struct npz *npz);
const char *npz_name(const struct npz *npz, uint32_t index);                      /* without ".npy" */
bool npz_find(const struct npz *npz, const char *name, uint32_t *out);            /* false: no such array */
MUST_USE enum status npz_read(struct npz *npz, uint32_t index, struct diag *diag, /* the caller owns it */
                              struct tensor *out);
/* An entry's bytes as they unpack, for npy_stream_open; several may be open at a time. */
MUST_USE enum status npz_source_open(struct npz *npz, uint32_t index, struct diag *diag,
                                     struct npy_source *out);
void npz_source_close(struct npy_source *source); /* accepts a zeroed one */
struct loc npz_loc(const struct npz *npz);
void npz_close(struct npz *npz); /* accepts NULL */

/* Writes the arrays in the given order, stored, all of the same date: equal arguments give equal bytes. Names
 * must be distinct. */
MUST_USE enum status npz_write(const char *path, const struct named_tensor *arrays, uint32_t count,
                               struct diag *diag);

#endif
