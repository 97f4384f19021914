#include "frontend/tensorfile/npy.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { PREFIX = 8, MAGIC = 6, LONGEST_HEADER = 1 << 16, HEADER_ALIGN = 64 };
static const unsigned char magic[MAGIC] = {0x93, 'N', 'U', 'M', 'P', 'Y'};

struct reader {
    struct npy_source source;
    struct loc loc;
    const char *what;
    struct diag *diag;
    uint64_t taken; /* bytes read so far */
};

struct header {
    const char *at, *end; /* what is left to parse */
    bool big_endian, fortran;
    struct tensor shape; /* type and shape; no data */
};

PRINTF_LIKE(2, 3) static enum status fail(struct reader *r, const char *fmt, ...) {
    struct str text = {0};
    va_list args;
    va_start(args, fmt);
    str_vprintf(&text, fmt, args);
    va_end(args);
    enum status status = diag_error(r->diag, r->loc, "%s%s", r->what, str_text(&text));
    str_free(&text);
    return status;
}

static enum status take(struct reader *r, void *to, size_t size) {
    size_t got = size ? r->source.read(r->source.ctx, to, size) : 0;
    r->taken += got;
    if (got == size) return STATUS_OK;
    return fail(r, "cut short: it ends after %" PRIu64 " bytes", r->taken);
}

/* -- the dict literal -- */

static void skip_blanks(struct header *h) {
    while (h->at < h->end && (*h->at == ' ' || *h->at == '\t' || *h->at == '\n')) h->at++;
}

static bool accept(struct header *h, char c) {
    skip_blanks(h);
    if (h->at == h->end || *h->at != c) return false;
    h->at++;
    return true;
}

static bool accept_word(struct header *h, const char *word) {
    size_t length = strlen(word);
    skip_blanks(h);
    if ((size_t)(h->end - h->at) < length || memcmp(h->at, word, length)) return false;
    h->at += length;
    return true;
}

/* A quoted string without escapes, at most 15 bytes long: all that is legal here is shorter. */
static bool accept_string(struct header *h, char out[16]) {
    skip_blanks(h);
    if (h->at == h->end || (*h->at != '\'' && *h->at != '"')) return false;
    char quote = *h->at++;
    const char *close = memchr(h->at, quote, (size_t)(h->end - h->at));
    if (!close || close - h->at > 15) return false;
    memcpy(out, h->at, (size_t)(close - h->at));
    out[close - h->at] = 0;
    h->at = close + 1;
    return !strchr(out, '\\');
}

static bool accept_number(struct header *h, int64_t *out) {
    skip_blanks(h);
    const char *begin = h->at;
    *out = 0;
    for (; h->at < h->end && *h->at >= '0' && *h->at <= '9'; h->at++)
        if (!mul_i64(*out, 10, out) || !add_i64(*out, *h->at - '0', out)) return false;
    if (h->at < h->end && *h->at == 'L') h->at++; /* as Python 2 wrote it */
    return h->at > begin;
}

/* `(3, 4)`, `(3,)`, `()`; `(3)` is a number to Python, hence no shape. */
static enum status parse_shape(struct reader *r, struct header *h) {
    bool comma = true;
    if (!accept(h, '(')) return fail(r, "npy header: shape is not a tuple");
    while (!accept(h, ')')) {
        int64_t dim;
        if (!comma || !accept_number(h, &dim))
            return fail(r, "npy header: shape is not a tuple of whole numbers");
        if (h->shape.rank == MAX_RANK) return fail(r, "more than %d dimensions", MAX_RANK);
        h->shape.dim[h->shape.rank++] = dim;
        comma = accept(h, ',');
    }
    if (h->shape.rank == 1 && !comma) return fail(r, "npy header: shape is a number, not a tuple");
    return STATUS_OK;
}

static enum status parse_type(struct reader *r, struct header *h) {
    char text[16];
    if (accept(h, '[')) return fail(r, "arrays of records are not supported");
    if (!accept_string(h, text)) return fail(r, "npy header: descr is not a type string");
    if (text[0] && strchr("<>|=", text[0])) h->shape.elem = file_elem_by_name(text + 1, FILE_FORMAT_NPY);
    if (!h->shape.elem) return fail(r, "unsupported element type '%s'", text);
    h->big_endian = text[0] == '>';
    return STATUS_OK;
}

static enum status parse_header(struct reader *r, struct header *h) {
    unsigned seen = 0;
    bool comma = true;
    if (!accept(h, '{')) return fail(r, "npy header: not a dict");
    while (!accept(h, '}')) {
        char key[16];
        if (!comma || !accept_string(h, key) || !accept(h, ':'))
            return fail(r, "npy header: not a dict of strings");
        unsigned bit = !strcmp(key, "descr")           ? 1
                       : !strcmp(key, "fortran_order") ? 2
                       : !strcmp(key, "shape")         ? 4
                                                       : 0;
        if (!bit || (seen & bit))
            return fail(r, "npy header: %s key '%s'", bit ? "repeated" : "unknown", key);
        seen |= bit;
        if (bit == 1) TRY(parse_type(r, h));
        if (bit == 4) TRY(parse_shape(r, h));
        if (bit == 2) {
            h->fortran = accept_word(h, "True");
            if (!h->fortran && !accept_word(h, "False"))
                return fail(r, "npy header: fortran_order is not a bool");
        }
        comma = accept(h, ',');
    }
    skip_blanks(h);
    if (h->at != h->end) return fail(r, "npy header: text after the dict");
    if (seen != 7) return fail(r, "npy header: descr, fortran_order or shape is missing");
    return STATUS_OK;
}

static enum status read_header(struct reader *r, struct header *h) {
    unsigned char prefix[PREFIX], raw[4] = {0};
    TRY(take(r, prefix, sizeof prefix));
    if (memcmp(prefix, magic, MAGIC)) return fail(r, "not an npy file");
    if (prefix[6] < 1 || prefix[6] > 3 || prefix[7])
        return fail(r, "npy version %d.%d is not supported", prefix[6], prefix[7]);
    TRY(take(r, raw, prefix[6] == 1 ? 2 : 4));
    uint32_t length = raw[0] | (uint32_t)raw[1] << 8 | (uint32_t)raw[2] << 16 | (uint32_t)raw[3] << 24;
    if (length > LONGEST_HEADER) return fail(r, "npy header: %" PRIu32 " bytes are too many", length);
    char *text = xmalloc(length);
    enum status status = take(r, text, length);
    *h = (struct header){.at = text, .end = text + length};
    if (status == STATUS_OK) status = parse_header(r, h);
    free(text);
    return status;
}

/* -- the elements -- */

/* Copies column-major elements into row-major order: walks the result, keeping the source's position. */
static void to_row_major(const struct tensor *shape, const unsigned char *from, unsigned char *to) {
    size_t width = elem_bytes(shape->elem);
    int64_t index[MAX_RANK] = {0}, stride[MAX_RANK], position = 0, count = tensor_count(shape);
    for (uint32_t i = 0; i < shape->rank; i++) stride[i] = i ? stride[i - 1] * shape->dim[i - 1] : 1;
    for (int64_t n = 0; n < count; n++) {
        memcpy(to + (size_t)n * width, from + (size_t)position * width, width);
        for (uint32_t i = shape->rank; i-- > 0;) {
            position += stride[i];
            if (++index[i] < shape->dim[i]) break;
            position -= stride[i] * shape->dim[i];
            index[i] = 0;
        }
    }
}

static enum status read_elements(struct reader *r, const struct header *h, struct tensor *out) {
    const struct tensor *shape = &h->shape;
    size_t width = elem_bytes(shape->elem), bytes = tensor_bytes(out);
    TRY(take(r, out->data, bytes));
    unsigned char extra;
    if (r->source.read(r->source.ctx, &extra, 1)) return fail(r, "bytes after the last element");
    if (shape->elem == ELEM_bool && !file_bools_ok(out->data, bytes))
        return fail(r, "a bool that is neither 0 nor 1");
    if (h->big_endian) file_swap_bytes(out->data, bytes / width, width);
    if (h->fortran && shape->rank > 1 && bytes) {
        struct tensor ordered = tensor_new(shape->elem, shape->rank, shape->dim);
        to_row_major(shape, out->data, ordered.data);
        tensor_free(out);
        *out = ordered;
    }
    return STATUS_OK;
}

enum status npy_read_source(struct npy_source source, struct loc loc, const char *what, struct diag *diag,
                            struct tensor *out) {
    struct reader r = {source, loc, what, diag, 0};
    struct header h;
    *out = (struct tensor){0};
    TRY(read_header(&r, &h));
    const struct tensor *shape = &h.shape;
    if (!tensor_shape_ok(shape->elem, shape->rank, shape->dim))
        return fail(&r, "the shape's byte count overflows");
    if (tensor_bytes(shape) > source.size - r.taken)
        return fail(&r, "the shape needs %zu bytes of elements, the file has %" PRIu64, tensor_bytes(shape),
                    source.size - r.taken);
    *out = tensor_new(shape->elem, shape->rank, shape->dim);
    enum status status = read_elements(&r, &h, out);
    if (status != STATUS_OK) tensor_free(out);
    return status;
}

/* -- piece by piece -- */
struct npy_stream {
    struct reader r;
    struct header h;
    char *what;
    int64_t left; /* elements not read yet */
};

enum status npy_stream_open(struct npy_source source, struct loc loc, const char *what, struct diag *diag,
                            struct npy_stream **out) {
    struct npy_stream *s = xcalloc(1, sizeof *s);
    size_t length = strlen(what) + 1;
    s->what = memcpy(xmalloc(length), what, length);
    s->r = (struct reader){source, loc, s->what, diag, 0};
    const struct tensor *shape = &s->h.shape;
    enum status status = read_header(&s->r, &s->h);
    if (status == STATUS_OK && !tensor_shape_ok(shape->elem, shape->rank, shape->dim))
        status = fail(&s->r, "the shape's byte count overflows");
    if (status == STATUS_OK && tensor_bytes(shape) > source.size - s->r.taken)
        status = fail(&s->r, "the shape needs %zu bytes of elements, the file has %" PRIu64,
                      tensor_bytes(shape), source.size - s->r.taken);
    if (status == STATUS_OK && s->h.fortran && shape->rank > 1)
        status = fail(&s->r, "a column-major array cannot be read piece by piece; save it in C order");
    if (status == STATUS_OK) s->left = tensor_count(shape);
    if (status != STATUS_OK) {
        npy_stream_close(s);
        s = NULL;
    }
    *out = s;
    return status;
}

const struct tensor *npy_stream_shape(const struct npy_stream *s) {
    return &s->h.shape;
}

enum status npy_stream_read(struct npy_stream *s, int64_t count, void *to) {
    size_t width = elem_bytes(s->h.shape.elem), bytes = (size_t)count * width;
    check(count <= s->left);
    TRY(take(&s->r, to, bytes));
    s->left -= count;
    if (s->h.shape.elem == ELEM_bool && !file_bools_ok(to, bytes))
        return fail(&s->r, "a bool that is neither 0 nor 1");
    if (s->h.big_endian) file_swap_bytes(to, bytes / width, width);
    return STATUS_OK;
}

void npy_stream_close(struct npy_stream *s) {
    if (!s) return;
    free(s->what);
    free(s);
}

static size_t read_view(void *ctx, unsigned char *to, size_t size) {
    struct file_view *left = ctx;
    if (size > left->size) size = left->size;
    memcpy(to, left->bytes, size);
    left->bytes += size;
    left->size -= size;
    return size;
}

enum status npy_read(const char *path, struct diag *diag, struct tensor *out) {
    struct file_view view;
    *out = (struct tensor){0};
    TRY(file_open_view(path, diag, &view));
    struct file_view left = view;
    struct npy_source source = {read_view, &left, view.size};
    struct loc loc = {.file = diag_add_source(diag, path, NULL, 0)};
    enum status status = npy_read_source(source, loc, "", diag, out);
    file_close_view(&view);
    return status;
}

void npy_add_header(struct str *out, const struct tensor *tensor) {
    bool bytes = elem_bytes(tensor->elem) == 1;
    size_t begin = out->length;
    str_add_bytes(out, (const char *)magic, MAGIC);
    str_add_bytes(out, "\1\0\0\0", 4); /* version 1.0; the length is set below */
    str_printf(out, "{'descr': '%c%s', 'fortran_order': False, 'shape': (", bytes ? '|' : '<',
               file_elem_name(tensor->elem, FILE_FORMAT_NPY));
    for (uint32_t i = 0; i < tensor->rank; i++) str_printf(out, "%s%" PRId64, i ? ", " : "", tensor->dim[i]);
    str_add(out, tensor->rank == 1 ? ",), }" : "), }");
    while ((out->length - begin + 1) % HEADER_ALIGN) str_add_char(out, ' ');
    str_add_char(out, '\n');
    size_t length = out->length - begin - PREFIX - 2;
    out->text[begin + PREFIX] = (char)(length & 0xff);
    out->text[begin + PREFIX + 1] = (char)(length >> 8);
}

enum status npy_write(const char *path, const struct tensor *tensor, struct diag *diag) {
    struct file_writer writer;
    TRY(file_create(path, FILE_MODE_DATA, diag, &writer));
    struct str header = {0};
    npy_add_header(&header, tensor);
    file_put(&writer, header.text, header.length);
    file_put(&writer, tensor->data, tensor_bytes(tensor));
    str_free(&header);
    return file_commit(&writer, diag);
}
