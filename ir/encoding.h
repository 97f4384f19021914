/* Sparse encodings: between a parameter's dense tensor, which is what the module holds, and the component
 * tensors that a weights file holds for its type (formats.def names them).
 *
 * Integers of 4 bits are stored in pairs, the first in the low bits, as u8: [d0, ceil(rest / 2)] for a tensor
 * [d0, rest…], [ceil(n / 2)] for one of rank 1. A quantized parameter has `scale` beside its values, and
 * `zero` if it has zero points (ir/quant.h). A dense one has its values under the parameter's own name.
 *
 * A tensor of rank 2 or more is seen as a matrix: a row for each index of the first dimension. Zero is what
 * has no bit set; -0.0 is kept as a nonzero. Index tensors are unsigned and as narrow as their largest
 * possible entry allows. With columns c and rows r: csr          values [nonzeros], index [nonzeros]
 * (columns, rising within a row), start [r + 1] block(R, C)  values [blocks, R, C] (what is past the matrix
 * is 0), index [blocks] (columns of blocks, rising), start [rows of blocks + 1] nm(N, M)     values [r,
 * slots], index [r, bytes]: each M columns of a row have N slots, a shorter last group at most as many as it
 * has columns; index holds for each slot its place in the group, rising, in just as many bits as M - 1 has,
 * from the lowest bit of the row's first byte on bitmask      values [nonzeros], mask [r, bytes]: a bit for
 * each column, from the lowest bit on */
#ifndef ADZE_IR_ENCODING_H
#define ADZE_IR_ENCODING_H

#include "ir/quant.h"

enum { ENCODING_COMPONENTS = 5 };
struct component {
    const char *suffix; /* "values": the tensor's name is that of the weight, a dot, and this; NULL: the
                           weight's own */
    struct tensor tensor;
};
struct encoded {
    uint32_t count;
    struct component at[ENCODING_COMPONENTS]; /* values first */
};

/* The suffixes of a format's component tensors; returns their number. */
uint32_t encoding_suffixes(enum sparse_kind kind, const char *out[ENCODING_COMPONENTS]);

const char *sparse_name(enum sparse_kind kind); /* "csr"; NONE: "dense" */

/* Whether the tensor's zeros are where the format needs them; only nm may say no. The format is valid. */
bool encoding_holds(struct sparse s, const struct tensor *dense);
/* Sets nonzeros to zero until it does. */
void encoding_fit(struct sparse s, struct tensor *dense);

/* The component tensors of a tensor that the sparse format holds; encoded_free releases them. */
struct encoded encoding_encode(struct sparse s, const struct tensor *dense);
void encoded_free(struct encoded *e);
/* Values in any format with the scales and zero points of a quantized parameter: all that a weights file
 * holds for a parameter of this type. What need not be made is a view of the tensor. */
struct encoded encoding_components(const struct types *types, struct type type, const struct tensor *t);
/* The bytes that values and places take (no scales), without making them. SPARSE_NONE: dense. */
uint64_t encoding_bytes(struct sparse s, const struct tensor *dense);
/* All bytes that a parameter of this type takes in a weights file. */
uint64_t encoding_file_bytes(const struct types *types, struct type type, const struct tensor *t);

/* 4-bit integers, one in a byte, to pairs and back; NULL, or what is wrong with the shape of `packed`. */
struct tensor encoding_pack(const struct tensor *t);
const char *encoding_unpack(const struct tensor *packed, enum elem elem, uint32_t rank, const int64_t *dim,
                            struct tensor *out);

/* The dense tensor of this type from component tensors (at[] in the order of the suffixes), of which nothing
 * is trusted. NULL and *out owned by the caller, or what is wrong, as a phrase: "w.index: …". */
const char *encoding_decode(struct sparse s, enum elem elem, uint32_t rank, const int64_t *dim,
                            const struct tensor *const *at, struct tensor *out);

/* The format in which a tensor is smallest, among csr, bitmask, and blocks and nm of the given numbers if
 * `hint` is one of them; SPARSE_NONE if it is smallest dense. */
struct sparse encoding_smallest(const struct tensor *dense, struct sparse hint);

#endif
