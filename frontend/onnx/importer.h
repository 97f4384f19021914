/* What the handlers of ONNX ops (handlers_*.c) work with.
 *
 * A handler sees one node. It reads inputs as refs and attributes by name, calls emit() for IR ops, and names
 * what comes out by node_out(). emit() computes at once what follows from constants, so a handler never asks
 * whether its inputs are constant unless it needs their values as attributes. */
#ifndef ADZE_FRONTEND_ONNX_IMPORTER_H
#define ADZE_FRONTEND_ONNX_IMPORTER_H

#include "frontend/onnx/import.h"
#include "frontend/onnx/onnx_model.h"
#include "ir/op.h"

/* What an ONNX value is to the importer. */
enum item_kind {
    ITEM_NONE,
    ITEM_CONSTANT, /* tensor: the values; value: its parameter or literal, once it is an operand of an op */
    ITEM_SHAPE,    /* integers that depend on symbolic dimensions. tensor: i64, each element the index of a
                      dim_id */
    ITEM_VALUE,    /* value */
    ITEM_BROKEN    /* its node failed or is not supported, which has been noted */
};
struct item {
    enum item_kind kind;
    const char *name; /* in the file; NULL: none */
    struct tensor tensor;
    enum elem shape_elem; /* ITEM_SHAPE: i32 or i64 */
    value_id value;
    value_id integers; /* ITEM_VALUE: the quantized value that `value` decodes (dequantize), or whose integers
                          it has (cast); 0: none */
    bool is_decoded;
    bool is_nibble; /* ITEM_CONSTANT: bytes that the file has as 4 bits */
};

/* Index into importer.items; 0: an optional input that is left out, or, from emit, a failure that has been
 * noted. */
typedef struct {
    uint32_t i;
} ref;

struct unsupported { /* a line of the one diagnostic */
    const char *what;
    uint32_t count;
    struct str nodes; /* the first few, quoted */
};

struct importer {
    struct module *m;
    struct builder b;
    struct diag *diag;
    struct onnx_model *model;
    const Onnx__GraphProto *graph;
    const struct import_options *options;
    const struct map *needed; /* names of values that the outputs need */
    int64_t opset;            /* of the default domain */
    VEC(struct item) items;
    struct map names; /* of all values of the graph: index into items, 0 while not defined or left out */
    const struct function_call *call; /* scope.h: of the function that the graph belongs to; NULL: none */
    uint32_t depth;                   /* of graphs within graphs */
    uint64_t body_nodes;              /* imported from such graphs so far */
    VEC(struct unsupported) unsupported;
    struct map unsupported_map;
};

struct node {
    struct importer *im;
    const Onnx__NodeProto *proto;
    int64_t opset;
    const char *label;    /* "node 'x' (Conv)" */
    uint32_t first_value; /* values from this one on were made for this node */
    uint64_t attrs_read;  /* bit i: attribute i */
    bool failed;          /* an attribute had the wrong type, which has been said */
};

/* -- refs. Only for refs that are not 0 and not broken; a handler is not called with broken inputs. -- */
struct item *item_get(const struct importer *im, ref r);
enum elem ref_elem(const struct importer *im, ref r);
uint32_t ref_rank(const struct importer *im, ref r);
dim_id ref_dim(const struct importer *im, ref r, uint32_t axis);
const struct tensor *ref_constant(const struct importer *im, ref r); /* NULL unless constant */
static inline bool ref_none(ref r) {
    return r.i == 0;
}
ref ref_of_tensor(struct importer *im, struct tensor tensor); /* takes the data over */
ref ref_of_value(struct importer *im, value_id value);
/* Integers of rank 0 or 1 from dimensions: a constant if they all are. */
ref ref_of_dims(struct importer *im, const dim_id *dims, uint32_t count, bool scalar);
ref ref_f64(struct importer *im, enum elem elem, double value); /* rank 0 */

/* -- the node -- */
ref node_in(const struct node *n, uint32_t i); /* 0: left out */
void node_out(struct node *n, uint32_t i, ref r);
bool node_wants(const struct node *n, uint32_t i); /* output i has a name, and somebody needs it */
PRINTF_LIKE(2, 3) enum status node_error(struct node *n, const char *fmt, ...);
/* Notes a form of the op that is not supported: for the one diagnostic at the end. Returns STATUS_FAILED. */
PRINTF_LIKE(2, 3) enum status unsupported(struct node *n, const char *fmt, ...);

/* -- attributes: the default when absent. An attribute that no handler asks for makes the node unsupported.
 * -- */
struct ints {
    const int64_t *at;
    uint32_t count;
    bool given;
};
const Onnx__AttributeProto *node_attr(struct node *n, const char *name); /* NULL: absent */
int64_t node_int(struct node *n, const char *name, int64_t fill);
double node_float(struct node *n, const char *name, double fill);
struct ints node_ints(struct node *n, const char *name);
/* The index of the attribute's text in words (ends with NULL), `fill` when absent; an unknown word:
 * unsupported. */
MUST_USE enum status node_word(struct node *n, const char *name, const char *const *words, uint32_t fill,
                               uint32_t *out);
/* The attribute, or else constant input i: opsets differ in where they have such parameters. */
MUST_USE enum status node_ints_or_input(struct node *n, const char *name, uint32_t i, struct ints *out);
MUST_USE enum status node_float_or_input(struct node *n, const char *name, uint32_t i, double fill,
                                         double *out);
MUST_USE enum status node_floats_or_input(struct node *n, const char *name, uint32_t i, const double **out,
                                          uint32_t *count); /* *out NULL: neither */
/* Input i as a list of dimensions: constants and symbols. */
MUST_USE enum status node_dims(struct node *n, uint32_t i, dim_id out[], uint32_t most, uint32_t *count);
/* An error if indices, of input i, are constant and one of them is no place in the extent, from the front or,
 * when negative, from the end. */
MUST_USE enum status node_indices_inside(struct node *n, ref indices, uint32_t i, dim_id extent);
/* Axis counted from the front. */
MUST_USE enum status node_axis(struct node *n, int64_t axis, uint32_t rank, uint32_t *out);

/* -- emitting. 0 and STATUS_FAILED after a failure that has been noted. -- */
ref emit_op(struct node *n, enum op_kind kind, const ref *operands, uint32_t count, const struct attr *attrs,
            uint32_t attr_count);
MUST_USE enum status emit_results(struct node *n, enum op_kind kind, const ref *operands, uint32_t count,
                                  const struct attr *attrs, uint32_t attr_count, ref *out,
                                  uint32_t out_count);
#define EMIT_ATTRS(...)                                                                                      \
    (const struct attr[]){__VA_ARGS__}, sizeof((const struct attr[]){__VA_ARGS__}) / sizeof(struct attr)
/* emit1(n, OP_softmax, x, attr_int(ATTR_axis, 1)); emit2(n, OP_add, x, y); at least one attribute for the
 * *_with forms. */
ref emit1(struct node *n, enum op_kind kind, ref x);
ref emit2(struct node *n, enum op_kind kind, ref a, ref b);
ref emit3(struct node *n, enum op_kind kind, ref a, ref b, ref c);
/* The pieces, or from the last one to the first, side by side along a new axis; at least one. */
ref emit_stack(struct node *n, const ref *pieces, uint32_t count, int64_t axis, bool backwards);
/* By a permutation of all axes; to extents; the elements from start to end of an axis. */
ref emit_transpose(struct node *n, ref x, uint32_t rank, const int64_t *perm);
ref emit_reshape(struct node *n, ref x, uint32_t rank, const int64_t *extents);
ref emit_part(struct node *n, ref x, int64_t axis, int64_t start, int64_t end);
ref emit_element(struct node *n, ref x, int64_t axis, int64_t at); /* one of an axis, without it */
#define emit1_with(n, kind, x, ...) emit_op(n, kind, (const ref[]){x}, 1, EMIT_ATTRS(__VA_ARGS__))
#define emit2_with(n, kind, a, b, ...) emit_op(n, kind, (const ref[]){a, b}, 2, EMIT_ATTRS(__VA_ARGS__))
/* The decoded values, or the plain integers, of a quantized value; ops that work on its integers read those
 * instead. */
ref emit_decoded(struct node *n, value_id integers);
ref emit_integers(struct node *n, value_id integers);
/* Copies of attributes into the module. */
struct attr node_attr_ints(struct node *n, enum attr_name name, const int64_t *at, uint32_t count);
struct attr node_attr_dims(struct node *n, enum attr_name name, const dim_id *dims, uint32_t count);

/* node_out(n, 0, r), with failure passed on: the last line of most handlers. */
MUST_USE enum status node_result(struct node *n, ref r);

/* x in another element type. */
ref emit_cast(struct node *n, ref x, enum elem elem);
MUST_USE enum status node_result_as(struct node *n, ref r, enum elem elem);
/* For ops that are composed of several: an input with narrow floats in f32, others as they are; and the
 * result in the type of input 0, so that it is rounded once. */
ref node_in_wide(struct node *n, uint32_t i);
MUST_USE enum status node_result_narrow(struct node *n, ref r);

/* -- folding (fold.c) -- */
enum fold { FOLD_NO, FOLD_DONE, FOLD_FAILED };
/* Computes the op if all operands are constants, and the cheap cases of symbolic integers. out[] then has the
 * results. */
enum fold fold_op(struct node *n, enum op_kind kind, const ref *operands, uint32_t count,
                  const struct attr *attrs, uint32_t attr_count, ref *out, uint32_t out_count);

/* -- graphs (inputs.c, import.c) -- */
struct graph_order;
MUST_USE enum status import_initializers(struct importer *im, const struct graph_order *order);
void import_nodes(struct importer *im, const struct graph_order *order); /* failures leave broken items */

/* -- the table (import.c) -- */
typedef enum status onnx_handler(struct node *n);
#define ONNX_OP(name, since, until, inputs, handler) onnx_handler handler;
#include "frontend/onnx/onnx_ops.def"

#endif
