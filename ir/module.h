/* The IR: a module is a graph of ops in regions over typed values.
 *
 * Entities are 32-bit handles into arrays of the module, 0 is none. Values have exactly one definition;
 * regions list their ops in an order in which definitions precede uses. The body of a `fuse` op is a region
 * of its own and closed: it sees its arguments and its own ops only. Nothing is freed before the module is.
 */
#ifndef ADZE_IR_MODULE_H
#define ADZE_IR_MODULE_H

#include "ir/base/diag.h"
#include "ir/schedule.h"
#include "ir/tensor.h"
#include "ir/types.h"

typedef struct {
    uint32_t i;
} value_id;
typedef struct {
    uint32_t i;
} op_id;
typedef struct {
    uint32_t i;
} region_id;
typedef struct {
    uint32_t i;
} weight_id;

enum op_kind {
    OP_NONE,
#define OP(id, ...) OP_##id,
#include "ir/ops.def"
    OP_COUNT
};

enum attr_name {
    ATTR_NONE,
#define ATTR(name, kind, doc) ATTR_##name,
#include "ir/attrs.def"
    ATTR_COUNT
};

enum keyword {
    KEYWORD_NONE_GIVEN,
#define KEYWORD(name) KEYWORD_##name,
#include "ir/keywords.def"
    KEYWORD_COUNT
};

enum attr_kind {
    ATTR_KIND_NONE,
    ATTR_KIND_INT,
    ATTR_KIND_FLOAT,
    ATTR_KIND_BOOL,
    ATTR_KIND_INTS,
    ATTR_KIND_FLOATS,
    ATTR_KIND_KEYWORD,
    ATTR_KIND_ELEM,
    ATTR_KIND_DIMS,
    ATTR_KIND_LAYOUT,
    ATTR_KIND_TENSOR
};

/* The kind is that of the name (attrs.def). Lists live in the module's arena and are never changed in place.
 */
struct attr {
    enum attr_name name;
    union {
        int64_t i;
        double f;
        bool b;
        enum keyword keyword;
        enum elem elem;
        dims_id dims;
        layout_id layout;
        const struct tensor *tensor;
        struct {
            const int64_t *at;
            uint32_t count;
        } ints;
        struct {
            const double *at;
            uint32_t count;
        } floats;
    };
};

enum value_kind {
    VALUE_INPUT,     /* of the model */
    VALUE_PARAMETER, /* a named weight: `weight` */
    VALUE_LITERAL,   /* a small constant written in the text: `literal` */
    VALUE_RESULT,    /* result `index` of `op` */
    VALUE_ARGUMENT,  /* argument `index` of `region` */
};

enum place_space { PLACE_NONE, PLACE_INPUT, PLACE_OUTPUT, PLACE_SCRATCH, PLACE_WEIGHTS };
struct place { /* where the memory plan put a value: bytes from the start of the port, the scratch memory or
                  the weights */
    enum place_space space;
    uint32_t port;
    uint64_t offset;
};

struct value {
    enum value_kind kind;
    struct type type;
    const char
        *name; /* unique among the values of the module's root; in a fuse body among those of the body */
    struct loc loc;
    op_id op;
    region_id region; /* the region it belongs to; 0 for inputs, parameters and literals */
    uint32_t index;
    weight_id weight;
    struct tensor literal;
    struct place place;
};

struct op {
    enum op_kind kind;
    struct loc loc;
    region_id region;  /* that it stands in */
    region_id body;    /* of a fuse */
    value_id *operand; /* 0: an optional operand left out */
    uint32_t operand_count;
    value_id *result;
    uint32_t result_count;
    const struct attr
        *attr; /* one for each row of the op's attribute specification, in that order, defaults filled in */
    const struct schedule *schedule; /* NULL until assign */
    bool erased;
};

struct region {
    op_id owner; /* 0 for the root */
    VEC(value_id) args;
    VEC(op_id) ops;
    VEC(value_id) results; /* of a fuse body; the root's are module.outputs */
};

/* A tensor of the weights name space. Its data may be a mapping of the file it came from (module.keep
 * releases that). */
struct weight {
    const char *name;
    struct tensor tensor; /* owned, or a view of something that outlives the module */
    struct loc loc;
    const char *made_by; /* how the text makes the data, as printed after `=`: "random(1)"; NULL: it comes
                            from a weights file, or a pass computed it */
};

/* A `weights` line: `path` as written; its tensor t is the weight `prefix`.t (NULL: t). */
struct weights_file {
    const char *path, *prefix;
};

struct output {
    const char *name;
    value_id value;
};
struct metadata {
    const char *key, *value;
};

struct module {
    struct arena arena;
    struct types types;
    const char *name;
    struct loc loc;
    VEC(struct value) values; /* [0] is none, as in all of these */
    VEC(struct op) ops;
    VEC(struct region) regions;
    VEC(struct weight) weights;
    VEC(value_id) inputs;
    VEC(struct output) outputs;
    VEC(struct metadata) metadata;
    VEC(struct keeper {
        void (*release)(void *);
        void *what;
    })
    keep; /* released by module_free, last first */
    region_id root;
    struct map value_names, weight_names;
    VEC(struct weights_file) weights_files;
    const char *plan;       /* text of the plan block, NULL if none */
    const char *target;     /* name of the target that assign worked for, NULL before */
    uint64_t scratch_bytes; /* set by plan-memory */
};

struct module *module_new(const char *name);
void module_free(struct module *module);
/* An independent copy; weight data is shared (views), so `from` must outlive the copy. */
struct module *module_clone(const struct module *from);

static inline struct value *value_get(const struct module *m, value_id v) {
    return &m->values.at[v.i];
}
static inline struct op *op_get(const struct module *m, op_id o) {
    return &m->ops.at[o.i];
}
static inline struct region *region_get(const struct module *m, region_id r) {
    return &m->regions.at[r.i];
}
static inline struct weight *weight_get(const struct module *m, weight_id w) {
    return &m->weights.at[w.i];
}
static inline bool value_none(value_id v) {
    return v.i == 0;
}
static inline bool value_same(value_id a, value_id b) {
    return a.i == b.i;
}
/* The constant data of a parameter or literal; NULL for other values. */
const struct tensor *value_constant(const struct module *m, value_id v);

/* -- making things. Names: NULL or a taken name gets a fresh one (`name.1` …), so these never fail on names.
 * -- */
value_id module_add_input(struct module *m, const char *name, struct type type, struct loc loc);
weight_id module_add_weight(struct module *m, const char *name, struct tensor tensor,
                            struct loc loc);                            /* takes the data over */
weight_id module_find_weight(const struct module *m, const char *name); /* 0: none */
value_id module_parameter(struct module *m,
                          weight_id weight); /* the one value of this weight, made at first use; plain type */
value_id module_add_literal(struct module *m, struct tensor tensor); /* takes the data over */
value_id module_literal_f32(struct module *m, float value);          /* rank 0 */
void module_add_output(struct module *m, const char *name, value_id value);
void module_add_metadata(struct module *m, const char *key, const char *value);
value_id module_find_value(const struct module *m, const char *name); /* of the root; 0: none */
/* `to` takes over the name of `from`, which it replaces and which gets another one. Both are values of the
 * root. */
void module_take_name(struct module *m, value_id from, value_id to);
bool module_rename_value(struct module *m, value_id v, const char *name); /* false if the name is taken */
void module_keep(struct module *m, void (*release)(void *), void *what);
region_id module_add_region(struct module *m, op_id owner);
value_id region_add_argument(struct module *m, region_id region, const char *name, struct type type);
/* The result `index` of an op being built; the caller enters it in op.result. */
value_id module_add_result(struct module *m, op_id op, uint32_t index, region_id region, const char *name,
                           struct type type, struct loc loc);
const char *module_fresh_name(struct module *m, region_id region,
                              const char *wanted); /* not yet taken by anybody */

/* Where new ops go: before position `at` of region's list (UINT32_MAX: the end); advances past each new op.
 */
struct builder {
    struct module *m;
    region_id region;
    uint32_t at;
    struct loc loc;
    struct diag *diag;
};
struct builder builder_at_end(struct module *m, region_id region, struct diag *diag);
struct builder builder_before(struct module *m, op_id op,
                              struct diag *diag); /* linear search for the position */
/* The same for an op of the root that stands at `position`. */
struct builder builder_at(struct module *m, uint32_t position, struct diag *diag);

/* Adds an op: attributes not given get their defaults; result types come from shape inference. Returns 0
 * after an error diagnostic (operand count, element types, shapes, attribute values). `names` (one per
 * result) may be NULL, and so may its items. */
op_id build_op(struct builder *b, enum op_kind kind, const value_id *operands, uint32_t operand_count,
               const struct attr *attrs, uint32_t attr_count, const char *const *names);
/* The same for ops with one result; 0 after an error. */
value_id build(struct builder *b, enum op_kind kind, const value_id *operands, uint32_t operand_count,
               const struct attr *attrs, uint32_t attr_count, const char *name);
/* A fuse op over `operands` with an empty body that has one argument for each operand; fill the body, set its
 * results, then finish. */
op_id build_fuse_begin(struct builder *b, const value_id *operands, uint32_t operand_count);
enum status build_fuse_end(struct builder *b, op_id fuse,
                           const char *const *names); /* makes the results from the body's */

struct attr attr_int(enum attr_name name, int64_t value);
struct attr attr_float(enum attr_name name, double value);
struct attr attr_bool(enum attr_name name, bool value);
struct attr attr_ints(struct module *m, enum attr_name name, const int64_t *at, uint32_t count); /* copies */
struct attr attr_floats(struct module *m, enum attr_name name, const double *at, uint32_t count);
struct attr attr_keyword(enum attr_name name, enum keyword keyword);
struct attr attr_elem(enum attr_name name, enum elem elem);
struct attr attr_dims(enum attr_name name, dims_id dims);
struct attr attr_layout(enum attr_name name, layout_id layout);

/* -- changing things -- */
void module_replace_uses(struct module *m, value_id from,
                         value_id to); /* in all ops, body results and outputs; one walk */
/* Many at once: to[v] for every value v, 0 = unchanged; chains are followed. One walk. */
void module_replace_all(struct module *m, const value_id *to);
void module_erase_op(struct module *m,
                     op_id op); /* its results must have no uses left; marks it, module_compact drops it */
void module_compact(struct module *m); /* drops erased ops from the regions' lists */
/* Erases ops of the root whose results nobody uses, repeatedly, and compacts. Returns how many. */
uint32_t module_remove_dead(struct module *m);
/* uses[v] = number of uses of value v (operands, body results, outputs); caller frees. */
uint32_t *module_count_uses(const struct module *m);

/* Gives symbols constant values everywhere (types, attributes) and infers again. lookup as in dim_substitute.
 */
enum status module_bind_symbols(struct module *m, bool (*lookup)(void *ctx, const char *name, int64_t *value),
                                void *ctx, struct diag *diag);
/* Infers the types of all results again, in order, after operand types changed; layout, quant and sparse
 * parts of the results stay. */
enum status module_infer(struct module *m, struct diag *diag);

/* -- reading attributes: abort if the op has no such attribute -- */
const struct attr *op_attr(const struct op *op, enum attr_name name);
int64_t op_int(const struct op *op, enum attr_name name);
double op_float(const struct op *op, enum attr_name name);
bool op_bool(const struct op *op, enum attr_name name);
const int64_t *op_ints(const struct op *op, enum attr_name name, uint32_t *count /* may be NULL */);
const double *op_floats(const struct op *op, enum attr_name name, uint32_t *count);
enum keyword op_keyword(const struct op *op, enum attr_name name);

/* -- names of the tables -- */
const char *attr_name_text(enum attr_name name);
enum attr_kind attr_kind_of(enum attr_name name);
const char *attr_doc(enum attr_name name);
enum attr_name attr_by_name(const char *text); /* ATTR_NONE */
const char *keyword_text(enum keyword keyword);
enum keyword keyword_by_name(const char *text); /* KEYWORD_NONE_GIVEN */

#endif
