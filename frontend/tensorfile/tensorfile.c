#include "frontend/tensorfile/tensorfile.h"

#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "file bytes are used in place");

static const char *const elem_names[ELEM_COUNT][2] = {
#define FILE_ELEM(elem, safetensors, npy) [ELEM_##elem] = {safetensors, npy},
#include "frontend/tensorfile/elem_names.def"
};

const char *file_elem_name(enum elem elem, enum file_format format) {
    return elem_names[elem][format];
}

enum elem file_elem_by_name(const char *name, enum file_format format) {
    for (enum elem e = ELEM_NONE + 1; e < ELEM_COUNT; e++)
        if (elem_names[e][format] && !strcmp(elem_names[e][format], name)) return e;
    return ELEM_NONE;
}

bool file_bools_ok(const unsigned char *bytes, size_t count) {
    unsigned char all = 0;
    for (size_t i = 0; i < count; i++) all |= bytes[i];
    return all <= 1;
}

void file_swap_bytes(unsigned char *bytes, size_t count, size_t width) {
    for (unsigned char *p = bytes; count--; p += width)
        for (size_t low = 0, high = width - 1; low < high; low++, high--) {
            unsigned char byte = p[low];
            p[low] = p[high];
            p[high] = byte;
        }
}
