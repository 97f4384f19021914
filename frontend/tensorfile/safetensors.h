/* safetensors files: 8 bytes little-endian header length, a JSON header, the tensors' bytes.
 *
 * Nothing of the file is trusted: at opening, the header's length is checked against the file, its JSON is
 * bounded before cJSON sees it, and every entry's element type, shape and byte range must agree; ranges may
 * neither overlap nor leave holes. After that, names, shapes and ranges are facts; the elements are numbers
 * of any value. */
#ifndef ADZE_FRONTEND_TENSORFILE_SAFETENSORS_H
#define ADZE_FRONTEND_TENSORFILE_SAFETENSORS_H

#include "frontend/tensorfile/tensorfile.h"
#include "ir/base/file.h"

/* Tensors point into the mapping where it is aligned for their type, otherwise they own a copy; either way
 * they live until safetensors_close. Order is that of the header. */
struct safetensors {
    struct file_view file;
    struct arena arena;
    VEC(struct named_tensor) tensors;
    VEC(struct text_pair) metadata;
    struct map by_name, by_key; /* indices into tensors and metadata */
};

/* On failure *out is empty and needs no closing. A file that says it is of a later version of adze's
 * conventions (see safetensors_write) than this one is an error. */
MUST_USE enum status safetensors_open(const char *path, struct diag *diag, struct safetensors *out);
const struct tensor *safetensors_find(const struct safetensors *file, const char *name); /* NULL: none */
const char *safetensors_metadata(const struct safetensors *file, const char *key);       /* NULL: none */
void safetensors_close(struct safetensors *file);

/* The metadata key that holds the version of what adze puts into such files (component tensors of sparse and
 * quantized parameters), and that version. */
#define SAFETENSORS_VERSION_KEY "adze_format"
enum { SAFETENSORS_VERSION = 1 };

/* Writes a file whose bytes depend on the arguments' values alone, not on the order of the tensors: wide
 * elements first, so that all are aligned, then by name; data starts at a multiple of 64. Names must be
 * distinct and, like metadata, UTF-8: whoever made them has checked that. The format version is added to the
 * metadata. */
MUST_USE enum status safetensors_write(const char *path, const struct named_tensor *tensors, uint32_t count,
                                       const struct text_pair *metadata, uint32_t metadata_count,
                                       struct diag *diag);

#endif
