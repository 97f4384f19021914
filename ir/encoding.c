#include "ir/encoding.h"

#include <string.h>

/* -- the matrix, and small things -- */
struct matrix {
    int64_t rows, columns;
    size_t width; /* bytes of an element */
    const unsigned char *at;
};

static int64_t columns_in(uint32_t rank, const int64_t *dim) {
    int64_t columns = 1;
    for (uint32_t i = 1; i < rank; i++) columns *= dim[i];
    return columns;
}

static struct matrix matrix_of(const struct tensor *t) {
    check(t->rank >= 1);
    return (struct matrix){t->dim[0], columns_in(t->rank, t->dim), elem_bytes(t->elem), t->data};
}

static bool nonzero(const struct matrix *m, int64_t row, int64_t column) {
    static const unsigned char zero[16];
    return memcmp(m->at + (size_t)(row * m->columns + column) * m->width, zero, m->width) != 0;
}

/* The narrowest unsigned type for 0 … most. */
static enum elem index_elem(int64_t most) {
    return most <= UINT8_MAX    ? ELEM_u8
           : most <= UINT16_MAX ? ELEM_u16
           : most <= UINT32_MAX ? ELEM_u32
                                : ELEM_u64;
}

static int slot_bits(struct sparse s) {
    int bits = 0;
    while (((uint64_t)1 << bits) < s.b) bits++;
    return bits;
}

static int64_t nm_slots(struct sparse s, int64_t columns) {
    return columns / s.b * s.a + min_i64(columns % s.b, s.a);
}

static int64_t nm_row_bytes(struct sparse s, int64_t columns) {
    return ceil_div(nm_slots(s, columns) * slot_bits(s), 8);
}

uint32_t encoding_suffixes(enum sparse_kind kind, const char *out[ENCODING_COMPONENTS]) {
    static const char *const names[][ENCODING_COMPONENTS] = {[SPARSE_CSR] = {"values", "index", "start"},
                                                             [SPARSE_BLOCK] = {"values", "index", "start"},
                                                             [SPARSE_NM] = {"values", "index"},
                                                             [SPARSE_BITMASK] = {"values", "mask"}};
    uint32_t count = 0;
    check(kind > SPARSE_NONE && kind <= SPARSE_BITMASK);
    for (; count < ENCODING_COMPONENTS && names[kind][count]; count++) out[count] = names[kind][count];
    return count;
}

const char *sparse_name(enum sparse_kind kind) {
    static const char *const names[] = {"dense", "csr", "block", "nm", "bitmask"};
    return names[kind];
}

/* -- which places are kept -- */
static bool block_kept(const struct matrix *m, struct sparse s, int64_t row, int64_t column) {
    for (int64_t i = row * s.a; i < min_i64((row + 1) * s.a, m->rows); i++)
        for (int64_t j = column * s.b; j < min_i64((column + 1) * s.b, m->columns); j++)
            if (nonzero(m, i, j)) return true;
    return false;
}

/* Stored values without their padding: nonzeros, or blocks. */
static int64_t kept_count(const struct matrix *m, struct sparse s) {
    bool blocks = s.kind == SPARSE_BLOCK;
    int64_t rows = blocks ? ceil_div(m->rows, s.a) : m->rows;
    int64_t columns = blocks ? ceil_div(m->columns, s.b) : m->columns, count = 0;
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < columns; j++) count += blocks ? block_kept(m, s, i, j) : nonzero(m, i, j);
    return count;
}

static int64_t group_nonzeros(const struct matrix *m, struct sparse s, int64_t row, int64_t first) {
    int64_t count = 0;
    for (int64_t j = first; j < min_i64(first + s.b, m->columns); j++) count += nonzero(m, row, j);
    return count;
}

bool encoding_holds(struct sparse s, const struct tensor *dense) {
    if (s.kind != SPARSE_NM) return true;
    struct matrix m = matrix_of(dense);
    for (int64_t i = 0; i < m.rows; i++)
        for (int64_t j = 0; j < m.columns; j += s.b)
            if (group_nonzeros(&m, s, i, j) > s.a) return false;
    return true;
}

void encoding_fit(struct sparse s, struct tensor *dense) {
    if (s.kind != SPARSE_NM) return;
    struct matrix m = matrix_of(dense);
    for (int64_t i = 0; i < m.rows; i++) {
        int64_t kept = 0;
        for (int64_t j = 0; j < m.columns; j++) {
            if (j % s.b == 0) kept = 0;
            if (nonzero(&m, i, j) && ++kept > s.a)
                memset((unsigned char *)dense->data + (size_t)(i * m.columns + j) * m.width, 0, m.width);
        }
    }
}

/* -- sizes -- */
/* Of `rows` times `count` values; a row of 4-bit ones ends with its byte. */
static uint64_t value_bytes(enum elem elem, int64_t rows, int64_t count) {
    return (uint64_t)(rows * ceil_div(count * (elem == ELEM_bool ? 8 : (int64_t)elem_bits(elem)), 8));
}

uint64_t encoding_bytes(struct sparse s, const struct tensor *dense) {
    if (s.kind == SPARSE_NONE && dense->rank < 2) return value_bytes(dense->elem, 1, tensor_count(dense));
    struct matrix m = matrix_of(dense);
    if (s.kind == SPARSE_NONE) return value_bytes(dense->elem, m.rows, m.columns);
    if (s.kind == SPARSE_NM)
        return value_bytes(dense->elem, m.rows, nm_slots(s, m.columns)) +
               (uint64_t)(m.rows * nm_row_bytes(s, m.columns));
    int64_t kept = kept_count(&m, s);
    if (s.kind == SPARSE_BITMASK)
        return value_bytes(dense->elem, 1, kept) + (uint64_t)(m.rows * ceil_div(m.columns, 8));
    bool blocks = s.kind == SPARSE_BLOCK;
    int64_t rows = blocks ? ceil_div(m.rows, s.a) : m.rows,
            columns = blocks ? ceil_div(m.columns, s.b) : m.columns;
    uint64_t values =
        blocks ? value_bytes(dense->elem, kept, (int64_t)s.a * s.b) : value_bytes(dense->elem, 1, kept);
    return values + (uint64_t)kept * elem_bytes(index_elem(columns - 1)) +
           (uint64_t)(rows + 1) * elem_bytes(index_elem(rows * columns));
}

struct sparse encoding_smallest(const struct tensor *dense, struct sparse hint) {
    const struct sparse choice[] = {{SPARSE_BITMASK, 0, 0}, {SPARSE_CSR, 0, 0}, hint};
    struct sparse best = {SPARSE_NONE, 0, 0};
    uint64_t least = encoding_bytes(best, dense);
    if (dense->rank < 2 || !tensor_count(dense)) return best;
    for (size_t i = 0; i < COUNT_OF(choice); i++) {
        if (choice[i].kind == SPARSE_NONE || !encoding_holds(choice[i], dense)) continue;
        uint64_t bytes = encoding_bytes(choice[i], dense);
        /* On a tie the pattern that was asked for: kernels like it better. */
        if (bytes < least || (bytes == least && best.kind && i == COUNT_OF(choice) - 1))
            least = bytes, best = choice[i];
    }
    return best;
}

/* -- encoding -- */
static void put_bits(unsigned char *row, int64_t at, int bits, uint64_t value) {
    for (int i = 0; i < bits; i++, at++)
        row[at / 8] = (unsigned char)(row[at / 8] | ((value >> i & 1) << at % 8));
}

static uint64_t get_bits(const unsigned char *row, int64_t at, int bits) {
    uint64_t value = 0;
    for (int i = 0; i < bits; i++, at++) value |= (uint64_t)(row[at / 8] >> at % 8 & 1) << i;
    return value;
}

static struct tensor list_of(enum elem elem, int64_t count) {
    return tensor_new(elem, 1, &count);
}

static void encode_lists(struct sparse s, const struct tensor *dense, struct encoded *e) {
    struct matrix m = matrix_of(dense);
    bool blocks = s.kind == SPARSE_BLOCK;
    int64_t a = blocks ? s.a : 1, b = blocks ? s.b : 1, kept = kept_count(&m, s), n = 0;
    int64_t rows = ceil_div(m.rows, a), columns = ceil_div(m.columns, b);
    const int64_t shape[] = {kept, a, b};
    struct tensor values = tensor_new(dense->elem, blocks ? 3 : 1, shape);
    struct tensor index = list_of(index_elem(columns - 1), kept),
                  start = list_of(index_elem(rows * columns), rows + 1);
    for (int64_t i = 0; i < rows; i++) {
        for (int64_t j = 0; j < columns; j++) {
            if (!(blocks ? block_kept(&m, s, i, j) : nonzero(&m, i, j))) continue;
            for (int64_t y = i * a; y < min_i64((i + 1) * a, m.rows); y++)
                memcpy((unsigned char *)values.data + (size_t)((n * a + y - i * a) * b) * m.width,
                       m.at + (size_t)(y * m.columns + j * b) * m.width,
                       (size_t)min_i64(b, m.columns - j * b) * m.width);
            tensor_set_i64(&index, n++, j);
        }
        tensor_set_i64(&start, i + 1, n);
    }
    e->at[0].tensor = values;
    e->at[1].tensor = index;
    e->at[2].tensor = start;
}

/* The slots of a group are its nonzeros, and its first zeros where there are more slots. */
static void encode_nm(struct sparse s, const struct tensor *dense, struct encoded *e) {
    struct matrix m = matrix_of(dense);
    int bits = slot_bits(s);
    const int64_t slots[] = {m.rows, nm_slots(s, m.columns)}, bytes[] = {m.rows, nm_row_bytes(s, m.columns)};
    struct tensor values = tensor_new(dense->elem, 2, slots), index = tensor_new(ELEM_u8, 2, bytes);
    for (int64_t i = 0; i < m.rows; i++) {
        int64_t slot = 0;
        unsigned char *row = (unsigned char *)index.data + (size_t)(i * bytes[1]);
        for (int64_t first = 0; first < m.columns; first += s.b) {
            int64_t size = min_i64(s.b, m.columns - first);
            int64_t spare = min_i64(s.a, size) - group_nonzeros(&m, s, i, first);
            for (int64_t j = 0; j < size; j++) {
                if (!nonzero(&m, i, first + j) && spare-- <= 0) continue;
                memcpy((unsigned char *)values.data + (size_t)(i * slots[1] + slot) * m.width,
                       m.at + (size_t)(i * m.columns + first + j) * m.width, m.width);
                put_bits(row, slot++ * bits, bits, (uint64_t)j);
            }
        }
        check(slot == slots[1]);
    }
    e->at[0].tensor = values;
    e->at[1].tensor = index;
}

static void encode_mask(const struct tensor *dense, struct encoded *e) {
    struct matrix m = matrix_of(dense);
    const int64_t bytes[] = {m.rows, ceil_div(m.columns, 8)};
    struct tensor values = list_of(dense->elem, kept_count(&m, (struct sparse){SPARSE_BITMASK, 0, 0}));
    struct tensor mask = tensor_new(ELEM_u8, 2, bytes);
    int64_t n = 0;
    for (int64_t i = 0; i < m.rows; i++)
        for (int64_t j = 0; j < m.columns; j++) {
            if (!nonzero(&m, i, j)) continue;
            memcpy((unsigned char *)values.data + (size_t)n++ * m.width,
                   m.at + (size_t)(i * m.columns + j) * m.width, m.width);
            put_bits((unsigned char *)mask.data + (size_t)(i * bytes[1]), j, 1, 1);
        }
    e->at[0].tensor = values;
    e->at[1].tensor = mask;
}

struct encoded encoding_encode(struct sparse s, const struct tensor *dense) {
    struct encoded e = {0};
    const char *suffix[ENCODING_COMPONENTS];
    e.count = encoding_suffixes(s.kind, suffix);
    for (uint32_t i = 0; i < e.count; i++) e.at[i].suffix = suffix[i];
    check(encoding_holds(s, dense));
    if (s.kind == SPARSE_NM)
        encode_nm(s, dense, &e);
    else if (s.kind == SPARSE_BITMASK)
        encode_mask(dense, &e);
    else
        encode_lists(s, dense, &e);
    if (elem_in(dense->elem, ELEMS_NIBBLE)) {
        struct tensor values = e.at[0].tensor;
        e.at[0].tensor = encoding_pack(&values);
        tensor_free(&values);
    }
    return e;
}

struct encoded encoding_components(const struct types *types, struct type type, const struct tensor *t) {
    struct encoded e = {0};
    if (type.sparse.i) {
        e = encoding_encode(sparse_get(types, type.sparse), t);
    } else {
        bool pairs = elem_in(t->elem, ELEMS_NIBBLE);
        e.at[e.count++] =
            (struct component){NULL, pairs ? encoding_pack(t) : tensor_view(t, t->rank, t->dim)};
    }
    const struct tensor_quant *q = t->quant;
    if (!q) return e;
    e.at[e.count++] = (struct component){"scale", tensor_view(&q->scale, q->scale.rank, q->scale.dim)};
    if (!q->zero.data) return e;
    bool pairs = elem_in(q->zero.elem, ELEMS_NIBBLE);
    e.at[e.count++] = (struct component){"zero", pairs ? encoding_pack(&q->zero)
                                                       : tensor_view(&q->zero, q->zero.rank, q->zero.dim)};
    return e;
}

uint64_t encoding_file_bytes(const struct types *types, struct type type, const struct tensor *t) {
    uint64_t bytes = encoding_bytes(sparse_get(types, type.sparse), t);
    if (!t->quant) return bytes;
    const struct tensor *zero = &t->quant->zero;
    return bytes + tensor_bytes(&t->quant->scale) +
           (zero->data ? encoding_bytes((struct sparse){SPARSE_NONE, 0, 0}, zero) : 0);
}

/* -- 4-bit integers in pairs -- */
static uint32_t packed_shape(uint32_t rank, const int64_t *dim, int64_t out[2]) {
    int64_t columns = rank > 1 ? columns_in(rank, dim) : rank ? dim[0] : 1;
    out[rank > 1] = ceil_div(columns, 2);
    if (rank > 1) out[0] = dim[0];
    return rank > 1 ? 2 : 1;
}

struct tensor encoding_pack(const struct tensor *t) {
    int64_t shape[2], columns = t->rank > 1 ? columns_in(t->rank, t->dim) : tensor_count(t);
    uint32_t rank = packed_shape(t->rank, t->dim, shape);
    struct tensor out = tensor_new(ELEM_u8, rank, shape);
    uint8_t *to = out.data;
    for (int64_t i = 0, n = tensor_count(t); i < n; i++) {
        int64_t row = i / columns, column = i % columns;
        uint8_t *at = &to[row * shape[rank - 1] + column / 2];
        *at = (uint8_t)(*at | (tensor_get_i64(t, i) & 15) << (column % 2 * 4));
    }
    return out;
}

const char *encoding_unpack(const struct tensor *packed, enum elem elem, uint32_t rank, const int64_t *dim,
                            struct tensor *out) {
    int64_t shape[2], columns = rank > 1 ? columns_in(rank, dim) : rank ? dim[0] : 1;
    uint32_t packed_rank = packed_shape(rank, dim, shape);
    *out = (struct tensor){0};
    if (packed->elem != ELEM_u8 || packed->rank != packed_rank || packed->dim[0] != shape[0] ||
        (packed_rank > 1 && packed->dim[1] != shape[1]))
        return "4-bit integers are not u8 pairs along rows of the shape";
    *out = tensor_new(elem, rank, dim);
    for (int64_t i = 0, n = tensor_count(out); i < n; i++) {
        int64_t row = i / columns, column = i % columns;
        uint8_t pair = ((const uint8_t *)packed->data)[row * shape[packed_rank - 1] + column / 2];
        tensor_set_i64(out, i, pair >> (column % 2 * 4));
    }
    return NULL;
}

void encoded_free(struct encoded *e) {
    for (uint32_t i = 0; i < e->count; i++) tensor_free(&e->at[i].tensor);
    *e = (struct encoded){0};
}

/* -- decoding what somebody else wrote -- */
struct decode {
    struct sparse s;
    const struct tensor *const *at;
    int64_t rows, columns;
    size_t width;
    unsigned char *to;
};

static bool shaped(const struct tensor *t, enum elem elem, uint32_t rank, int64_t d0, int64_t d1) {
    return t->elem == elem && t->rank == rank && t->dim[0] == d0 && (rank < 2 || t->dim[1] == d1);
}

static const char *decode_lists(const struct decode *d) {
    bool blocks = d->s.kind == SPARSE_BLOCK;
    int64_t a = blocks ? d->s.a : 1, b = blocks ? d->s.b : 1;
    int64_t rows = ceil_div(d->rows, a), columns = ceil_div(d->columns, b), count = d->at[0]->dim[0];
    const struct tensor *values = d->at[0], *index = d->at[1], *start = d->at[2];
    if (values->rank != (blocks ? 3u : 1u) || (blocks && (values->dim[1] != a || values->dim[2] != b)))
        return "values do not have the format's shape";
    if (!shaped(index, index_elem(columns - 1), 1, count, 0))
        return "index is not one narrow unsigned number for each value";
    if (!shaped(start, index_elem(rows * columns), 1, rows + 1, 0))
        return "start is not one narrow unsigned number for each row, and one more";
    if (tensor_get_i64(start, 0) || tensor_get_i64(start, rows) != count)
        return "start does not run from 0 to the number of values";
    for (int64_t i = 0; i < rows; i++) {
        int64_t from = tensor_get_i64(start, i), to = tensor_get_i64(start, i + 1), last = -1;
        if (from < 0 || to < from || to > count) return "start falls, or is past the last value";
        for (int64_t n = from; n < to; n++) {
            int64_t j = tensor_get_i64(index, n);
            if (j <= last || j >= columns)
                return "index does not rise within a row, or is past the last column";
            last = j;
            for (int64_t y = i * a; y < min_i64((i + 1) * a, d->rows); y++)
                memcpy(d->to + (size_t)(y * d->columns + j * b) * d->width,
                       (const unsigned char *)values->data + (size_t)((n * a + y - i * a) * b) * d->width,
                       (size_t)min_i64(b, d->columns - j * b) * d->width);
        }
    }
    return NULL;
}

static const char *decode_nm(const struct decode *d) {
    int64_t slots = nm_slots(d->s, d->columns), bytes = nm_row_bytes(d->s, d->columns);
    int bits = slot_bits(d->s);
    if (d->at[0]->rank != 2 || d->at[0]->dim[0] != d->rows || d->at[0]->dim[1] != slots)
        return "values do not have the format's shape";
    if (!shaped(d->at[1], ELEM_u8, 2, d->rows, bytes))
        return "index does not have the format's type and shape";
    for (int64_t i = 0; i < d->rows; i++) {
        const unsigned char *row = (const unsigned char *)d->at[1]->data + (size_t)(i * bytes);
        int64_t slot = 0;
        for (int64_t first = 0; first < d->columns; first += d->s.b) {
            int64_t size = min_i64(d->s.b, d->columns - first), last = -1;
            for (int64_t k = 0; k < min_i64(d->s.a, size); k++, slot++) {
                int64_t j = (int64_t)get_bits(row, slot * bits, bits);
                if (j <= last || j >= size) return "index does not rise within a group, or is past its end";
                last = j;
                memcpy(d->to + (size_t)(i * d->columns + first + j) * d->width,
                       (const unsigned char *)d->at[0]->data + (size_t)(i * slots + slot) * d->width,
                       d->width);
            }
        }
    }
    return NULL;
}

static const char *decode_mask(const struct decode *d) {
    int64_t bytes = ceil_div(d->columns, 8), n = 0, count = d->at[0]->dim[0];
    if (d->at[0]->rank != 1) return "values do not have the format's shape";
    if (!shaped(d->at[1], ELEM_u8, 2, d->rows, bytes))
        return "mask does not have the format's type and shape";
    for (int64_t i = 0; i < d->rows; i++) {
        const unsigned char *row = (const unsigned char *)d->at[1]->data + (size_t)(i * bytes);
        for (int64_t j = 0; j < bytes * 8; j++) {
            if (!get_bits(row, j, 1)) continue;
            if (j >= d->columns) return "mask has bits past the last column";
            if (n == count) return "mask has more bits than there are values";
            memcpy(d->to + (size_t)(i * d->columns + j) * d->width,
                   (const unsigned char *)d->at[0]->data + (size_t)n++ * d->width, d->width);
        }
    }
    return n == count ? NULL : "mask has fewer bits than there are values";
}

/* The values of an encoding of 4-bit integers, one in a byte: how many there are, the places say. */
static const char *unpack_values(struct sparse s, enum elem elem, uint32_t rank, const int64_t *dim,
                                 const struct tensor *const *at, struct tensor *out) {
    int64_t shape[3] = {at[1]->dim[0], s.a, s.b};
    uint32_t values_rank = s.kind == SPARSE_BLOCK ? 3 : 1;
    if (at[1]->rank < 1 || at[1]->elem == ELEM_bool) return "values do not have the format's shape";
    if (s.kind == SPARSE_NM) {
        values_rank = 2;
        shape[0] = dim[0];
        shape[1] = nm_slots(s, columns_in(rank, dim));
    } else if (s.kind == SPARSE_BITMASK) {
        shape[0] = 0;
        if (at[1]->elem != ELEM_u8) return "mask does not have the format's type and shape";
        for (int64_t i = 0, n = tensor_count(at[1]); i < n; i++)
            shape[0] += __builtin_popcount(((const uint8_t *)at[1]->data)[i]);
    }
    if (!tensor_shape_ok(elem, values_rank, shape)) return "values do not have the format's shape";
    return encoding_unpack(at[0], elem, values_rank, shape, out);
}

const char *encoding_decode(struct sparse s, enum elem elem, uint32_t rank, const int64_t *dim,
                            const struct tensor *const *at, struct tensor *out) {
    *out = (struct tensor){0};
    if (rank < 2 || !tensor_shape_ok(elem, rank, dim)) return "the shape is not that of a sparse tensor";
    if (elem_in(elem, ELEMS_NIBBLE) && at[0]->elem != elem) {
        struct tensor values;
        const char *bad = unpack_values(s, elem, rank, dim, at, &values);
        if (bad) return bad;
        const struct tensor *unpacked[ENCODING_COMPONENTS] = {&values, at[1]};
        if (s.kind == SPARSE_CSR || s.kind == SPARSE_BLOCK) unpacked[2] = at[2];
        bad = encoding_decode(s, elem, rank, dim, unpacked, out);
        tensor_free(&values);
        return bad;
    }
    if (at[0]->elem != elem) return "values do not have the weight's element type";
    int64_t columns = columns_in(rank, dim), places;
    if (!mul_i64(dim[0] + 1, columns + 1, &places)) return "the shape is not that of a sparse tensor";
    if (at[0]->rank < 1) return "values do not have the format's shape";
    *out = tensor_new(elem, rank, dim);
    struct decode d = {s, at, dim[0], columns, elem_bytes(elem), out->data};
    const char *wrong = s.kind == SPARSE_NM        ? decode_nm(&d)
                        : s.kind == SPARSE_BITMASK ? decode_mask(&d)
                                                   : decode_lists(&d);
    if (wrong) tensor_free(out);
    return wrong;
}
