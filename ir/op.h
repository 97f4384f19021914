/* The op table: what every op is and can do. Everything that handles ops generically (parser, printer,
 * verifier, interpreter, importer, passes, docs) reads this table and asks for traits, never for names. */
#ifndef ADZE_IR_OP_H
#define ADZE_IR_OP_H

#include "ir/module.h"

enum op_class {
    CLASS_POINTWISE,
    CLASS_CONTRACTION,
    CLASS_REDUCTION,
    CLASS_NORMALIZATION,
    CLASS_MOVEMENT,
    CLASS_INDEXING,
    CLASS_STRUCTURE
};

enum {
    TRAIT_COMMUTES = 1 << 0,       /* the first two operands may change places */
    TRAIT_FOLLOWS_LAYOUT = 1 << 1, /* computes in whatever layout its operands share */
    TRAIT_VIEW = 1 << 2,      /* on plain layouts the result has the operand's bytes in the operand's order */
    TRAIT_COMPOSITE = 1 << 3, /* has expand */
    TRAIT_VARIADIC = 1 << 4,  /* the last operand of the signature repeats, once or more */
    TRAIT_RESULTS = 1 << 5,   /* the number of results follows from the attributes */
    TRAIT_BROADCASTS = 1 << 6, /* operands broadcast to the result's shape, right-aligned */
    /* What quantized operands mean to an op (ir/quant.h); an op without any of these takes none. */
    TRAIT_QUANT_MOVES = 1 << 7,   /* moves integers as they are; the result has operand 0's quant */
    TRAIT_QUANT_SUMS = 1 << 8,    /* sums integers exactly, then scales: the result is f32 */
    TRAIT_QUANT_READS = 1 << 10,  /* reads the integers as plain numbers; the result has no quant */
    TRAIT_QUANT_DECODES = 1 << 9, /* decodes the component tensors of a parameter: the result is f32 */
};

/* One attribute of an op. `fill` is the default: the value of INT, FLOAT, BOOL, KEYWORD, ELEM, or of each of
 * `count` list items (count 0: a list of any length, empty by default). required: must be given. */
struct attr_spec {
    enum attr_name name;
    bool required;
    uint32_t count;
    double fill;
};

/* Shape inference: sets types[0 … count) of the results (elem and shape). The op is complete but for its
 * results. Reports through infer_error, which names the op. */
struct infer {
    struct module *m;
    const struct op *op;
    struct diag *diag;
    uint32_t result_count; /* set it for TRAIT_RESULTS; 1 on entry */
    struct type results[64];
};
enum { MAX_RESULTS = 64 };
/* Runs the op's inference, and checks that every result of static shape is a possible tensor: no op can check
 * the product of extents that it never multiplies. */
MUST_USE enum status infer_types(struct infer *infer);
enum status infer_error(const struct infer *infer, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* The type that the op computes with: quantized and narrowly stored operands as what they are decoded to
 * (op_operand_type). Aborts if left out. */
struct type infer_operand(const struct infer *infer, uint32_t i);
bool infer_has(const struct infer *infer, uint32_t i);
uint32_t infer_rank(const struct infer *infer, uint32_t i);
dim_id infer_dim(const struct infer *infer, uint32_t i, uint32_t axis);
/* Negative axes count from the end; an error (naming the attribute) when out of range. */
MUST_USE enum status infer_axis(const struct infer *infer, enum attr_name name, int64_t axis, uint32_t rank,
                                uint32_t *out);

/* Reference evaluation of one op on concrete tensors. out[] is allocated (types from inference), in[] follows
 * the operands (NULL: left out). With `f64` all float tensors hold f64 whatever their declared type, and
 * nothing is rounded to it. `ordered`: sums of contractions are plain loops in a fixed order, not BLAS, so
 * that results are the same on every machine. */
struct eval {
    const struct module *m;
    const struct op *op;
    const struct tensor *const *in;
    struct tensor *out;
    bool f64, ordered;
    struct diag *diag;
};

/* Channel mapping, for pruning: which slices along a dimension stand or fall together. For i < count:
 * channels a.start + i·a.stride + [0, a.chunk) of dimension a.dim of a.port are tied to the same of b
 * (strides may be negative). A dimension that no link names may lose channels on its own side only where the
 * op contracts it on both operands (that is a link between the operands); a channel that the links of its
 * dimension leave out stays. A link says what goes together, not that the rest is computed as before: where
 * an op takes sums, extremes or statistics over a dimension, channels that are gone take no part in them. A
 * port is an operand (0 …) or a result (PORT_RESULT + 0 …).
 */
enum { PORT_RESULT = 1 << 16 };
struct channel_side {
    uint32_t port, dim;
    int64_t start, stride, chunk;
};
struct channel_link {
    struct channel_side a, b;
    int64_t count;
};
struct channel_freeze {
    uint32_t port, dim;
    const char *why;
};
struct channel_map { /* filled by the op's function through the helpers below */
    const struct module *m;
    const struct op *op;
    VEC(struct channel_link) links;
    VEC(struct channel_freeze) frozen;
    /* An op may have more than one mapping, any one of which holds: a dimension that a reshape splits in two
     * can lose slices of the outer or of the inner part. The caller sets `choice`, the op the number of them.
     */
    uint32_t choice, choices; /* 0: only one */
};
void channels_link(struct channel_map *map, struct channel_side a, struct channel_side b, int64_t count);
/* The extent of a dimension; -1, and the dimension frozen, if it is symbolic. */
int64_t channels_extent(struct channel_map *map, uint32_t port, uint32_t dim);
/* All channels of two whole dimensions, one to one; an operand of extent 1 that broadcasts is no link, and
 * symbolic extents freeze. */
void channels_same(struct channel_map *map, uint32_t port_a, uint32_t dim_a, uint32_t port_b, uint32_t dim_b);
void channels_freeze(struct channel_map *map, uint32_t port, uint32_t dim, const char *why);
/* Each channel of the dimension can go by itself: the op does with those that are left. */
void channels_free(struct channel_map *map, uint32_t port, uint32_t dim);

/* A box of a tensor: lo <= index < hi in each logical dimension. */
struct box {
    uint32_t rank;
    int64_t lo[MAX_RANK], hi[MAX_RANK];
};

struct op_info {
    const char *name;
    enum op_class class;
    uint32_t traits;
    const char *operands; /* "x, w, b?": names in order; ? may be left out */
    const char *results;  /* the same for results, informative */
    elem_set elems; /* allowed element types of operand 0 (and of the others unless infer says otherwise) */
    const struct attr_spec *attrs; /* ends with ATTR_NONE */
    enum status (*infer)(struct infer *infer);
    enum status (*eval)(const struct eval *eval);
    void (*channels)(struct channel_map *map);
    /* The box of operand i that `result` (of result 0) needs, clipped to the operand; static shapes. */
    void (*footprint)(const struct module *m, const struct op *op, uint32_t operand, const struct box *result,
                      struct box *out);
    /* Composites: builds the primitives that compute the op and returns its results' replacements in out[];
     * else NULL. */
    enum status (*expand)(struct builder *b, const struct op *op, value_id *out);
    const char *summary; /* a sentence with the formula, for the reference */
    const char *example; /* one line of the language */
};

const struct op_info *op_info(enum op_kind kind);
enum op_kind op_by_name(const char *name);                                     /* OP_NONE */
uint32_t op_info_operands(const struct op_info *info, uint32_t *out_required); /* names in the signature */
/* Name of operand i ("x"); variadic ones repeat the last. Copied to out. */
void op_info_operand_name(const struct op_info *info, uint32_t i, char out[32]);
/* The reference of all ops as Markdown, for docs/language.md. */
void op_table_markdown(struct str *out);
uint32_t op_info_attrs(const struct op_info *info);
const struct attr_spec *op_info_attr(const struct op_info *info, enum attr_name name); /* NULL */

#endif
