/* Types: element type, shape, and the three independent parts quant, sparse and layout, each interned and 0
 * when plain.
 *
 * The shape is always the logical one: inference, interpreter and channel mappings never see blocked
 * dimensions. A dimension is a constant, a symbol, or a canonical expression of them (+, x, floor division),
 * with bounds [lo, hi]. Handles are indices into a struct types and equal exactly when what they stand for is
 * equal. */
#ifndef ADZE_IR_TYPES_H
#define ADZE_IR_TYPES_H

#include "ir/base/arena.h"
#include "ir/base/map.h"
#include "ir/base/str.h"
#include "ir/base/vec.h"
#include "ir/elem.h"

enum { MAX_RANK = 8, MAX_STORAGE_RANK = 2 * MAX_RANK };

typedef struct {
    uint32_t i;
} dim_id; /* 0: none (an overflow, or not known) */
typedef struct {
    uint32_t i;
} dims_id; /* a list of dimensions; 0: rank 0 */
typedef struct {
    uint32_t i;
} quant_id;
typedef struct {
    uint32_t i;
} sparse_id;
typedef struct {
    uint32_t i;
} layout_id; /* 0: plain, row-major */

struct type {
    enum elem elem;
    dims_id shape;
    quant_id quant;
    sparse_id sparse;
    layout_id layout;
};

/* A storage dimension: logical dimension `dim` as a whole (block = 1), its blocks (x/block) or the position
 * in a block (x%block). The last partial block is stored whole; what is past the logical extent is zero. */
struct layout_dim {
    uint8_t dim;
    bool inner;
    uint32_t block;
};
struct layout {
    uint32_t count; /* storage dimensions, outermost first */
    struct layout_dim at[MAX_STORAGE_RANK];
};

/* axis < 0: one scale for the tensor. group > 0: a scale for each `group` elements along the innermost axis.
 * Activations carry scale and zero point as literals; parameters have component tensors instead (literal =
 * false). */
struct quant {
    int32_t axis;
    int64_t group;
    bool literal;
    double scale;
    int64_t zero;
};

enum sparse_kind { SPARSE_NONE, SPARSE_CSR, SPARSE_BLOCK, SPARSE_NM, SPARSE_BITMASK };
struct sparse {
    enum sparse_kind kind;
    uint32_t a, b; /* block: rows, columns; nm: n of m */
};

struct dim_node;
struct types {
    struct arena arena;
    VEC(struct dim_node *) dims;
    VEC(struct dims_list {
        uint32_t rank;
        const dim_id *at;
    })
    shapes;
    VEC(struct layout) layouts;
    VEC(struct quant) quants;
    VEC(struct sparse) sparses;
    struct map dim_map, shape_map, layout_map, quant_map, sparse_map;
};

void types_init(struct types *types);
/* `to`, uninitialised, becomes a copy of `from`: the same handles mean the same. */
void types_copy(struct types *to, const struct types *from);
void types_free(struct types *types);

/* -- dimensions. Values are >= 0 in shapes; expressions may pass through negative ones. The result is 0 when
 * an operand is 0, when a constant or a bound overflows 64 bits, when the divisor may be zero or negative, or
 * when the expression gets too large. -- */
dim_id dim_const(struct types *types, int64_t value);
/* The same name gives the same symbol; bounds given again are intersected. Default bounds are [0, DIM_MAX].
 */
enum { DIM_MAX = 1 << 30 };
dim_id dim_symbol(struct types *types, const char *name, int64_t lo, int64_t hi);
dim_id dim_add(struct types *types, dim_id a, dim_id b);
dim_id dim_sub(struct types *types, dim_id a, dim_id b);
dim_id dim_mul(struct types *types, dim_id a, dim_id b);
dim_id dim_floor_div(struct types *types, dim_id a, dim_id b);
static inline bool dim_same(dim_id a, dim_id b) {
    return a.i == b.i;
}
bool dim_is_const(const struct types *types, dim_id dim, int64_t *out); /* out may be NULL */
bool dim_is_symbol(const struct types *types, dim_id dim, const char **out_name);
int64_t dim_lo(const struct types *types, dim_id dim);
int64_t dim_hi(const struct types *types, dim_id dim);
/* `dim` with every symbol replaced by lookup(ctx, name), where that returns true. */
dim_id dim_substitute(struct types *types, dim_id dim,
                      bool (*lookup)(void *ctx, const char *name, int64_t *value), void *ctx);
/* True if `dim` is a constant times at most DIM_FACTORS symbols or divisions, which go to factor[] in a fixed
 * order, followed by 0. */
enum { DIM_FACTORS = 4 };
bool dim_factors(const struct types *types, dim_id dim, int64_t *constant, dim_id factor[DIM_FACTORS]);
/* The first symbol in `dim`, NULL if it has none. */
const char *dim_first_symbol(const struct types *types, dim_id dim);
/* Visits every occurrence of a symbol in `dim`. */
void dim_each_symbol(const struct types *types, dim_id dim,
                     void (*visit)(void *ctx, dim_id symbol, const char *name), void *ctx);
void dim_print(const struct types *types, dim_id dim,
               struct str *out); /* parses back: 4, batch, (h + 1) / 2 */

/* -- shapes -- */
dims_id dims_make(struct types *types, const dim_id *dims, uint32_t rank); /* rank <= MAX_RANK */
dims_id dims_from_ints(struct types *types, const int64_t *dims, uint32_t rank);
uint32_t dims_rank(const struct types *types, dims_id dims);
dim_id dims_at(const struct types *types, dims_id dims, uint32_t axis);
bool dims_static(const struct types *types, dims_id dims,
                 int64_t *out); /* all constant; out has MAX_RANK places or is NULL */
dim_id dims_product(struct types *types, dims_id dims, uint32_t from, uint32_t to); /* of axes [from, to) */
void dims_print(const struct types *types, dims_id dims, struct str *out);          /* [1, 3, h] */

/* For types_copy: copies the nodes of `from` into the arena of `to`, handles unchanged. */
void dims_copy_nodes(struct types *to, const struct types *from);

/* -- the parts of a type -- */
layout_id layout_make(struct types *types, const struct layout *layout);  /* the plain order gives 0 */
const struct layout *layout_get(const struct types *types, layout_id id); /* id != 0 */
/* Every logical dimension of `rank` is covered exactly once: whole, or by one x/b and one x%b of the same b.
 */
bool layout_valid(const struct layout *layout, uint32_t rank);
/* Extents of the storage dimensions of `type` (static shape). Returns their number; plain: the logical
 * dimensions. */
uint32_t type_storage(const struct types *types, struct type type, int64_t extent[MAX_STORAGE_RANK]);
/* The layout of `type` written out, plain too. */
struct layout type_layout(const struct types *types, struct type type);
/* Channel-blocked: n, c/block, spatial…, c%block; for ranks 2 (n, c/block, c%block) to 5. */
layout_id layout_channel_blocked(struct types *types, uint32_t rank, uint32_t block);
void layout_print(const struct types *types, layout_id id,
                  struct str *out); /* layout(d0, d1/16, d2, d3, d1%16) */

quant_id quant_make(struct types *types, struct quant quant);
struct quant quant_get(const struct types *types, quant_id id);
sparse_id sparse_make(struct types *types, struct sparse sparse);
struct sparse sparse_get(const struct types *types, sparse_id id);

/* -- whole types -- */
struct type type_make(enum elem elem, dims_id shape); /* plain */
bool type_same(struct type a, struct type b);
uint32_t type_rank(const struct types *types, struct type type);
bool type_static(const struct types *types, struct type type, int64_t dims[MAX_RANK]); /* dims may be NULL */
int64_t type_count(const struct types *types, struct type type); /* logical elements; static shapes only */
int64_t type_storage_count(const struct types *types,
                           struct type type); /* stored elements, padding included */
int64_t type_storage_bytes(const struct types *types, struct type type);
void type_print(const struct types *types, struct type type,
                struct str *out); /* f32[1, 16, h] layout(…) quant(…) */

#endif
