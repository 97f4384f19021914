/* npy files: one array each. A magic, a version (1 to 3), a header length, a Python dict literal (descr,
 * fortran_order, shape), the elements.
 *
 * Nothing is trusted: the literal is parsed by hand and strictly, the announced size is compared with the
 * bytes there are before memory is taken for it, and a bool must be 0 or 1. Elements come out row-major and
 * little endian, whatever the file's order was. */
#ifndef ADZE_FRONTEND_TENSORFILE_NPY_H
#define ADZE_FRONTEND_TENSORFILE_NPY_H

#include "frontend/tensorfile/tensorfile.h"
#include "ir/base/file.h"

/* Where the bytes come from. `read` fills as much of `to` as there is and returns how much that was. */
struct npy_source {
    size_t (*read)(void *ctx, unsigned char *to, size_t size);
    void *ctx;
    uint64_t size; /* upper bound of the bytes that will come; memory is taken up to it */
};

/* The array in a file or in a source; owned by the caller. `loc` says in which file for diagnostics, `what`
 * is put before them ("" or "entry 'x': "). A source must end with the array. */
MUST_USE enum status npy_read(const char *path, struct diag *diag, struct tensor *out);
MUST_USE enum status npy_read_source(struct npy_source source, struct loc loc, const char *what,
                                     struct diag *diag, struct tensor *out);

/* An array read piece by piece, so that it may be larger than memory. It must be row-major (an error
 * otherwise). */
struct npy_stream;
MUST_USE enum status npy_stream_open(struct npy_source source, struct loc loc, const char *what,
                                     struct diag *diag, struct npy_stream **out);
const struct tensor *npy_stream_shape(const struct npy_stream *s); /* element type and extents, no data */
/* The next `count` elements, in host byte order. */
MUST_USE enum status npy_stream_read(struct npy_stream *s, int64_t count, void *to);
void npy_stream_close(struct npy_stream *s); /* accepts NULL; the source stays open */

/* Version 1.0, C order, little endian; bf16 is written as V2. */
MUST_USE enum status npy_write(const char *path, const struct tensor *tensor, struct diag *diag);
/* The bytes before the elements in such a file: a multiple of 64. */
void npy_add_header(struct str *out, const struct tensor *tensor);

#endif
