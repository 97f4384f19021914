#include "runtime/npy.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_HEADER = 1 << 16, PRELUDE = 10 };

static const struct {
    const char *descr;
    uint32_t elem;
} kinds[] = {
    {"|b1", ADZE_BOOL}, {"|i1", ADZE_I8},  {"<i2", ADZE_I16}, {"<i4", ADZE_I32},  {"<i8", ADZE_I64},
    {"|u1", ADZE_U8},   {"<u2", ADZE_U16}, {"<u4", ADZE_U32}, {"<u8", ADZE_U64},  {"<f2", ADZE_F16},
    {"<V2", ADZE_BF16}, {"<f4", ADZE_F32}, {"<f8", ADZE_F64}, {"|V2", ADZE_BF16},
};
enum { KINDS = sizeof kinds / sizeof kinds[0] };

static void skip_spaces(const char **at) {
    while (**at == ' ' || **at == '\n') ++*at;
}

static int take(const char **at, char c) {
    skip_spaces(at);
    if (**at != c) return 0;
    ++*at;
    return 1;
}

/* A quoted string without escapes, at most `size` - 1 characters. */
static int take_string(const char **at, char *text, size_t size) {
    size_t n = 0;
    skip_spaces(at);
    char quote = **at;
    if (quote != '\'' && quote != '"') return 0;
    for (++*at; **at && **at != quote; ++*at) {
        if (n + 1 >= size) return 0;
        text[n++] = **at;
    }
    text[n] = 0;
    return take(at, quote);
}

static int take_dim(const char **at, int64_t *dim) {
    int64_t value = 0;
    skip_spaces(at);
    if (**at < '0' || **at > '9') return 0;
    for (; **at >= '0' && **at <= '9'; ++*at)
        if (__builtin_mul_overflow(value, 10, &value) || __builtin_add_overflow(value, **at - '0', &value))
            return 0;
    *dim = value;
    return 1;
}

static int take_shape(const char **at, struct npy *out) {
    if (!take(at, '(')) return 0;
    for (out->rank = 0; !take(at, ')'); out->rank++) {
        if (out->rank == NPY_MAX_RANK || !take_dim(at, &out->dim[out->rank])) return 0;
        if (!take(at, ',')) {
            out->rank++;
            return take(at, ')');
        }
    }
    return 1;
}

static int take_order(const char **at, int *fortran) {
    skip_spaces(at);
    *fortran = strncmp(*at, "True", 4) == 0;
    if (!*fortran && strncmp(*at, "False", 5) != 0) return 0;
    *at += *fortran ? 4 : 5;
    return 1;
}

static uint32_t elem_of(char *descr) {
    if (descr[0] == '=') descr[0] = '<';
    if (strlen(descr) == 3 && descr[2] == '1') descr[0] = '|'; /* bytes have no order */
    for (unsigned i = 0; i < KINDS; i++)
        if (strcmp(kinds[i].descr, descr) == 0) return kinds[i].elem;
    return 0;
}

/* The dictionary of a header. */
static const char *parse_header(const char *text, struct npy *out, int *fortran) {
    const char *at = text;
    char key[16], descr[16] = "";
    unsigned seen = 0;
    if (!take(&at, '{')) return "its header is not a dictionary";
    while (!take(&at, '}')) {
        if (!take_string(&at, key, sizeof key) || !take(&at, ':')) return "its header is damaged";
        int ok = 0;
        if (strcmp(key, "descr") == 0) ok = take_string(&at, descr, sizeof descr), seen |= 1;
        if (strcmp(key, "fortran_order") == 0) ok = take_order(&at, fortran), seen |= 2;
        if (strcmp(key, "shape") == 0) ok = take_shape(&at, out), seen |= 4;
        if (!ok) return "its header is damaged, or holds records";
        take(&at, ',');
    }
    if (seen != 7) return "its header is incomplete";
    out->elem = elem_of(descr);
    if (!out->elem) return "its element type is not supported";
    int64_t bytes = (int64_t)adze_elem_bytes(out->elem), full = bytes;
    for (uint32_t d = 0; d < out->rank; d++) {
        if (__builtin_mul_overflow(bytes, out->dim[d], &bytes)) return "its shape is too large";
        if (out->dim[d] && __builtin_mul_overflow(full, out->dim[d], &full)) return "its shape is too large";
    }
    out->bytes = (size_t)bytes;
    return NULL;
}

static const char *read_header(FILE *file, struct npy *out, int *fortran) {
    unsigned char start[PRELUDE + 2];
    if (fread(start, 1, PRELUDE, file) != PRELUDE || memcmp(start, "\x93NUMPY", 6) != 0)
        return "it is not a .npy file";
    size_t length = start[8] | (size_t)start[9] << 8;
    if (start[6] == 2 || start[6] == 3) {
        if (fread(start + PRELUDE, 1, 2, file) != 2) return "it ends too early";
        length |= (size_t)start[10] << 16 | (size_t)start[11] << 24;
    } else if (start[6] != 1) {
        return "its version of the format is unknown";
    }
    if (length > MAX_HEADER) return "its header is too long";
    char *text = calloc(1, length + 1);
    if (!text) return "there is not enough memory";
    const char *wrong =
        fread(text, 1, length, file) == length ? parse_header(text, out, fortran) : "it ends too early";
    free(text);
    return wrong;
}

static void *allocate(size_t bytes) {
    return aligned_alloc(ADZE_ALIGN, (bytes + ADZE_ALIGN - 1) / ADZE_ALIGN * ADZE_ALIGN);
}

/* From the first dimension varying fastest to the last one doing so. */
static const char *reorder(struct npy *array) {
    size_t size = adze_elem_bytes(array->elem), stride[NPY_MAX_RANK], offset = 0;
    int64_t index[NPY_MAX_RANK] = {0};
    char *to = allocate(array->bytes);
    if (!to) return "there is not enough memory";
    for (uint32_t d = 0; d < array->rank; d++)
        stride[d] = d ? stride[d - 1] * (size_t)array->dim[d - 1] : size;
    for (size_t done = 0; done < array->bytes; done += size) {
        memcpy(to + done, (char *)array->data + offset, size);
        for (uint32_t d = array->rank; d-- > 0;) {
            offset += stride[d];
            if (++index[d] < array->dim[d]) break;
            offset -= stride[d] * (size_t)array->dim[d];
            index[d] = 0;
        }
    }
    free(array->data);
    array->data = to;
    return NULL;
}

/* The data, and nothing after it. The size is checked against the file before memory is asked for. */
static const char *read_data(FILE *file, struct npy *out) {
    long at = ftell(file);
    if (at >= 0 && fseek(file, 0, SEEK_END) == 0) {
        long end = ftell(file);
        if (end < at || (size_t)(end - at) != out->bytes) return "its size does not fit its shape";
        if (fseek(file, at, SEEK_SET)) return strerror(errno);
    }
    if (out->bytes == 0) return NULL;
    out->data = allocate(out->bytes);
    if (!out->data) return "there is not enough memory";
    return fread(out->data, 1, out->bytes, file) == out->bytes ? NULL : "it ends too early";
}

const char *adze_npy_read(const char *path, struct npy *out) {
    int fortran = 0;
    *out = (struct npy){0};
    FILE *file = fopen(path, "rb");
    if (!file) return strerror(errno);
    const char *wrong = read_header(file, out, &fortran);
    if (!wrong) wrong = read_data(file, out);
    if (!wrong && fortran && out->rank > 1 && out->bytes) wrong = reorder(out);
    fclose(file);
    if (wrong) adze_npy_free(out);
    return wrong;
}

void adze_npy_free(struct npy *array) {
    free(array->data);
    *array = (struct npy){0};
}

static void write_array(FILE *file, const struct npy *array) {
    char header[64 + NPY_MAX_RANK * 24];
    unsigned kind = 0;
    while (kinds[kind].elem != array->elem) kind++;
    int n = snprintf(header, sizeof header, "{'descr': '%s', 'fortran_order': False, 'shape': (",
                     kinds[kind].descr);
    for (uint32_t d = 0; d < array->rank; d++)
        n += snprintf(header + n, sizeof header - (size_t)n, "%s%lld", d ? ", " : "",
                      (long long)array->dim[d]);
    n += snprintf(header + n, sizeof header - (size_t)n, array->rank == 1 ? ",), }" : "), }");
    unsigned length = (unsigned)n + 1, padding = (64 - (PRELUDE + length) % 64) % 64;
    length += padding;
    const unsigned char start[PRELUDE] = {
        0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0, (unsigned char)length, (unsigned char)(length >> 8)};
    fwrite(start, 1, sizeof start, file);
    fprintf(file, "%s%*s\n", header, (int)padding, "");
    if (array->bytes) fwrite(array->data, 1, array->bytes, file);
}

const char *adze_npy_write(const char *path, const struct npy *array) {
    size_t bytes = strlen(path) + 32;
    char *temporary = malloc(bytes);
    if (!temporary) return "there is not enough memory";
    snprintf(temporary, bytes, "%s.%ld.tmp", path, (long)getpid());
    FILE *file = fopen(temporary, "wbx");
    const char *wrong = file ? NULL : strerror(errno);
    if (file) {
        errno = 0;
        write_array(file, array);
        int bad = ferror(file);
        if (fclose(file) || bad || rename(temporary, path)) {
            wrong = strerror(errno ? errno : EIO);
            unlink(temporary);
        }
    }
    free(temporary);
    return wrong;
}
