/* A small instance of every op, for tests that go over the whole op table. Each family of ops has its own
 * table in op_samples_FAMILY.c; an op without a sample fails the suite (unit/ir/op_samples.c). */
#ifndef ADZE_TEST_OP_SAMPLES_H
#define ADZE_TEST_OP_SAMPLES_H

#include "ir/op.h"

enum { SAMPLE_OPERANDS = 6, SAMPLE_ATTRS = 6 };

enum sample_fill {
    FILL_ANY,      /* of either sign, no two alike; small integers; bool: either */
    FILL_POSITIVE, /* the same, at least 0.5 or 1 */
    FILL_INDEX,    /* integers from -below to below - 1 */
};

/* elem NONE in front of others: an optional operand left out. */
struct sample_operand {
    enum elem elem;
    enum sample_fill fill;
    int64_t below;
    uint32_t rank;
    int64_t dim[MAX_RANK];
};

/* Attributes of kind DIMS are written as ints (static extents), LAYOUT as one int: the block of a
 * channel-blocked layout for the rank of operand 0. */
struct op_sample {
    enum op_kind kind; /* OP_NONE ends a table */
    const char *what;  /* what is special about it, for messages */
    struct sample_operand operand[SAMPLE_OPERANDS];
    struct attr attr[SAMPLE_ATTRS];
    op_id (*build)(struct builder *b,
                   const value_id *operands); /* for what attributes cannot say; else NULL */
};

/* Spelling of the tables: {OP_add, "broadcast", {OPERAND(f32, 2, 3), OPERAND(f32, 3)}, {INTS(axes, 1)}} */
#define SAMPLE_COUNT_(...) (sizeof((const int64_t[]){__VA_ARGS__}) / sizeof(int64_t))
#define OPERAND(e, ...) OPERAND_OF(ELEM_##e, __VA_ARGS__)
#define OPERAND_OF(elem, ...)                                                                                \
    {                                                                                                        \
        elem, FILL_ANY, 0, SAMPLE_COUNT_(__VA_ARGS__), {                                                     \
            __VA_ARGS__                                                                                      \
        }                                                                                                    \
    }
#define POSITIVE(e, ...)                                                                                     \
    {                                                                                                        \
        ELEM_##e, FILL_POSITIVE, 0, SAMPLE_COUNT_(__VA_ARGS__), {                                            \
            __VA_ARGS__                                                                                      \
        }                                                                                                    \
    }
#define INDEX(e, limit, ...)                                                                                 \
    {                                                                                                        \
        ELEM_##e, FILL_INDEX, limit, SAMPLE_COUNT_(__VA_ARGS__), {                                           \
            __VA_ARGS__                                                                                      \
        }                                                                                                    \
    }
#define SCALAR(e)                                                                                            \
    {                                                                                                        \
        ELEM_##e, FILL_ANY, 0, 0, {                                                                          \
            0                                                                                                \
        }                                                                                                    \
    }
#define LEFT_OUT                                                                                             \
    {                                                                                                        \
        ELEM_NONE, FILL_ANY, 0, 0, {                                                                         \
            0                                                                                                \
        }                                                                                                    \
    }
#define INTS(id, ...)                                                                                        \
    {                                                                                                        \
        .name = ATTR_##id, .ints = {(const int64_t[]){__VA_ARGS__}, SAMPLE_COUNT_(__VA_ARGS__) }             \
    }
#define FLOATS(id, ...)                                                                                      \
    {                                                                                                        \
        .name = ATTR_##id, .floats = {(const double[]){__VA_ARGS__}, SAMPLE_COUNT_(__VA_ARGS__) }            \
    }
#define INT(id, value)                                                                                       \
    { .name = ATTR_##id, .i = (value) }
#define FLOAT(id, value)                                                                                     \
    { .name = ATTR_##id, .f = (value) }
#define BOOL(id, value)                                                                                      \
    { .name = ATTR_##id, .b = (value) }
#define WORD(id, word)                                                                                       \
    { .name = ATTR_##id, .keyword = KEYWORD_##word }
#define TO(e)                                                                                                \
    { .name = ATTR_to, .elem = ELEM_##e }

/* All samples of all families, in order; NULL past the last one. */
const struct op_sample *op_sample_at(size_t i);

/* A module with one input for each operand that is there, the op, and its results as outputs. */
struct op_instance {
    const struct op_sample *sample;
    struct module *m;
    op_id op;
    uint32_t operands; /* left-out ones included */
    struct tensor
        in[SAMPLE_OPERANDS]; /* owned, filled (the same for the same seed); ELEM_NONE where left out */
};
/* Ends the process with diagnostics on stderr if the sample is not valid. */
struct op_instance op_instance_new(const struct op_sample *sample, uint64_t seed);
void op_instance_free(struct op_instance *instance);
/* An attribute of the sample as an attribute of an op of m. */
struct attr op_sample_attr(struct module *m, const struct op_sample *sample, struct attr attr);
/* "conv2d (grouped)" */
const char *op_sample_name(const struct op_sample *sample, char out[96]);
/* Evaluates the op on in[0 … operands), instance->in or replacements; results are the caller's. */
void op_instance_run(const struct op_instance *instance, const struct tensor *in, bool f64,
                     struct tensor *out);
/* The type of a port (op.h) and its extents. */
uint32_t op_instance_extents(const struct op_instance *instance, uint32_t port, int64_t dim[MAX_RANK]);

/* Overwrites element i with something else of the same kind, well apart from what was there. */
void sample_perturb(const struct sample_operand *operand, struct tensor *tensor, int64_t i, uint64_t seed);
uint64_t sample_random(uint64_t *state);

#endif
