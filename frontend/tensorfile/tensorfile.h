/* What the tensor file formats share: named tensors, element type names, and checks of element bytes. */
#ifndef ADZE_FRONTEND_TENSORFILE_TENSORFILE_H
#define ADZE_FRONTEND_TENSORFILE_TENSORFILE_H

#include "ir/tensor.h"

struct named_tensor {
    const char *name; /* UTF-8 without NUL; may be empty */
    struct tensor tensor;
};

struct text_pair {
    const char *key, *value;
};

enum file_format { FILE_FORMAT_SAFETENSORS, FILE_FORMAT_NPY };

/* The name of an element type in a format, and back: ELEM_NONE if the format has no such name. */
const char *file_elem_name(enum elem elem, enum file_format format);
enum elem file_elem_by_name(const char *name, enum file_format format);

/* False if a byte is neither 0 nor 1. */
bool file_bools_ok(const unsigned char *bytes, size_t count);

/* Turns `count` elements of `width` bytes (1, 2, 4 or 8) from big to little endian or back. */
void file_swap_bytes(unsigned char *bytes, size_t count, size_t width);

#endif
