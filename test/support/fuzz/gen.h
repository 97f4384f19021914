/* Random graphs: a module grows op by op, each made by the rule of its kind (rules.c), which finds or makes
 * operands that the op accepts. Every op is evaluated at once, on the numbers that the graph will first run
 * on: results that are not finite or too large are dropped, so that what is left can be compared. */
#ifndef ADZE_TEST_FUZZ_GEN_H
#define ADZE_TEST_FUZZ_GEN_H

#include "ir/op.h"
#include "test/support/fuzz/data.h"

enum { GEN_MAX_ELEMENTS = 4500 };

/* A value that ops may use, and what it holds in the first run (floats in f64). */
struct gen_value {
    value_id id;
    struct tensor data;
    double lo, hi;
    bool leaf;
};

struct gen {
    struct module *m;
    struct builder b;
    struct diag diag;
    uint64_t seed, state;
    enum elem main_elem; /* of most floats */
    elem_set only;       /* of operands that have a choice; 0: any */
    bool network;        /* what is made is one: nothing in between is an output */
    bool whole;          /* ... and all ops are exact on whole numbers */
    bool integer;        /* ... and has one right result when its layers are quantized */
    bool odd_names;
    uint64_t *made; /* by pattern */
    VEC(struct gen_value) pool;
    uint32_t ops, dropped;
};

/* Several ops that belong together, as models have them. */
enum gen_pattern {
#define PATTERN(name, weight) GEN_PATTERN_##name,
#include "test/support/fuzz/patterns.def"
    GEN_PATTERNS
};
const char *gen_pattern_name(enum gen_pattern pattern);

/* A module for the seed, with its outputs chosen; the caller's. made[] (may be NULL) counts its patterns. */
struct module *gen_module(uint64_t seed, uint64_t made[GEN_PATTERNS]);

/* Networks: chains of layers with weights of their own, and the couplings between their channels that real
 * models have, so that there is something to prune. */
enum gen_block {
#define BLOCK(name, from, to) GEN_BLOCK_##name,
#include "test/support/fuzz/blocks.def"
    GEN_BLOCKS
};
const char *gen_block_name(enum gen_block block);
/* The caller's module; made[] (may be NULL) counts its blocks; *whole: all ops are exact on whole numbers,
 * and those should be what it runs on. `integer`: a network that has one right result (ir/quant.h) once all
 * its layers sum integers. */
struct module *gen_network(uint64_t seed, bool integer, uint64_t made[GEN_BLOCKS], bool *whole);

/* -- between the parts -- */
/* A module with an empty pool, and the end of it: outputs chosen, the generator freed. */
void gen_begin(struct gen *g, uint64_t seed, const char *name);
struct module *gen_end(struct gen *g);

/* A rule adds an op of this kind, with whatever it needs before it; false if it found no way to. */
typedef bool gen_rule(struct gen *g, enum op_kind kind);
/* NULL: the table lacks the op. */
gen_rule *gen_rule_of(enum op_kind kind);
/* Ops that no rule makes, since the passes do: their name in the rules' place. */
gen_rule gen_made_by_passes;
/* One of patterns.def. */
bool gen_pattern(struct gen *g);
#define PATTERN(name, weight) bool gen_pattern_##name(struct gen *g);
#include "test/support/fuzz/patterns.def"
/* Hundreds of pointwise ops in a row, with values of long ago read again. */
void gen_long_chain(struct gen *g);

/* -- chance -- */
uint64_t gen_below(struct gen *g, uint64_t n);
bool gen_chance(struct gen *g, unsigned percent);
int64_t gen_between(struct gen *g, int64_t lo, int64_t hi); /* both included */
/* An extent, edges preferred: 0 seldom, 1, around vector and tile sizes; at most `most` (>= 1). */
int64_t gen_extent(struct gen *g, int64_t most);
/* Extents of a shape with at most `most` elements. */
void gen_shape(struct gen *g, uint32_t rank, int64_t most, int64_t *dim);
enum elem gen_elem(struct gen *g, elem_set set);

/* -- operands -- */
struct gen_want {
    elem_set elems;
    uint32_t min_rank, max_rank;
    bool nonempty;
    bool quantized; /* integers that stand for real numbers (ir/quant.h); else none of these */
    bool bounded;   /* all numbers in [lo, hi] */
    double lo, hi;
};
/* A value of the pool, recent ones preferred, or now and then (or when there is none) a new leaf. */
value_id gen_pick(struct gen *g, struct gen_want want);
/* The same without new leaves; 0 if there is none. */
value_id gen_find(struct gen *g, struct gen_want want);
/* An input, a weight or, if small, a literal. Name: NULL or a prefix of data.h. */
value_id gen_leaf(struct gen *g, const char *name, enum elem elem, uint32_t rank, const int64_t *dim);
/* A leaf that is a weight mostly, in the range [-1, 1) / sqrt(fan_in). */
value_id gen_parameter(struct gen *g, enum elem elem, uint32_t rank, const int64_t *dim, int64_t fan_in);
value_id gen_input(struct gen *g, const char *name, enum elem elem, uint32_t rank, const int64_t *dim);
/* An input of i32 or i64 within [-limit, limit). */
value_id gen_indices(struct gen *g, uint32_t rank, const int64_t *dim, int64_t limit);
/* Something with `like`'s element type that broadcasts with it. */
value_id gen_partner(struct gen *g, value_id like);
value_id gen_partner_of(struct gen *g, value_id like, enum elem elem);
value_id gen_number(struct gen *g, enum elem elem, double value); /* a literal of rank 0 */

uint32_t gen_dims(const struct gen *g, value_id v, int64_t dim[MAX_RANK]);
enum elem gen_elem_of(const struct gen *g, value_id v);
const struct gen_value *gen_value_of(const struct gen *g, value_id v);

/* -- ops -- */
/* Adds an op; its first result, 0 if it was dropped. The operands have to be right: an error ends the
 * program. Missing operands (0) in front of given ones are handed on: the result is 0. */
value_id gen_op(struct gen *g, enum op_kind kind, const value_id *operands, uint32_t count,
                const struct attr *attrs, uint32_t attr_count);
value_id gen_unary(struct gen *g, enum op_kind kind, value_id x);
value_id gen_binary(struct gen *g, enum op_kind kind, value_id a, value_id b);
/* Gives the attributes of a pointwise op numbers that go together. */
uint32_t gen_pointwise_attrs(struct gen *g, enum op_kind kind, struct attr attrs[4]);

/* Layers as models have them, all with parameters of their own; 0 for 0. Squares of `taps`; gen_conv with out
 * = 0 is depthwise. */
value_id gen_activation(struct gen *g, value_id x);
value_id gen_vector_of(struct gen *g, enum elem elem, int64_t n);
value_id gen_batchnorm(struct gen *g, value_id x);
value_id gen_conv(struct gen *g, value_id x, int64_t out, int64_t taps, int64_t stride);
value_id gen_grouped_conv(struct gen *g, value_id x, int64_t channels, int64_t groups, int64_t taps,
                          int64_t stride);
value_id gen_dense(struct gen *g, value_id x, int64_t out);
value_id gen_sum(struct gen *g, value_id a, value_id b);
/* The elements [start, end) along an axis; the operands one after the other. */
value_id gen_cut(struct gen *g, value_id x, uint32_t axis, int64_t start, int64_t end);
value_id gen_joined(struct gen *g, const value_id *pieces, uint32_t count, int64_t axis);
value_id gen_cast(struct gen *g, value_id x, enum elem to);
value_id gen_transposed(struct gen *g, value_id x, const int64_t *perm, uint32_t rank);
/* [n, t, heads * d] to [n, heads, t, d], or (swapped) [n, heads, d, t]. */
value_id gen_heads_apart(struct gen *g, value_id x, int64_t n, int64_t t, int64_t heads, int64_t d,
                         bool swapped);

/* The rules. */
gen_rule gen_rule_unary, gen_rule_cast, gen_rule_binary, gen_rule_where;
gen_rule gen_rule_linear, gen_rule_matmul, gen_rule_conv, gen_rule_conv_transpose, gen_rule_attention;
gen_rule gen_rule_pool, gen_rule_reduce, gen_rule_arg, gen_rule_softmax, gen_rule_layernorm,
    gen_rule_batchnorm;
gen_rule gen_rule_reshape, gen_rule_flatten, gen_rule_squeeze, gen_rule_unsqueeze, gen_rule_transpose;
gen_rule gen_rule_expand, gen_rule_slice, gen_rule_concat, gen_rule_split, gen_rule_pad, gen_rule_tile;
gen_rule gen_rule_resize, gen_rule_gather, gen_rule_embedding, gen_rule_scatter, gen_rule_topk;
gen_rule gen_rule_quantize, gen_rule_dequantize;

#endif
