#include "ir/types.h"

#include <string.h>

void types_init(struct types *types) {
    *types = (struct types){0};
    (void)vec_push(&types->dims); /* handle 0 of every table: none, or plain */
    (void)vec_push(&types->shapes);
    (void)vec_push(&types->layouts);
    (void)vec_push(&types->quants);
    (void)vec_push(&types->sparses);
}

#define copy_table(to, from)                                                                                 \
    do {                                                                                                     \
        for (uint32_t i_ = 0; i_ < (from)->count; i_++) *vec_push(to) = (from)->at[i_];                      \
    } while (0)

void types_copy(struct types *to, const struct types *from) {
    *to = (struct types){0};
    dims_copy_nodes(to, from);
    for (uint32_t i = 0; i < from->shapes.count; i++) {
        const struct dims_list *list = &from->shapes.at[i];
        *vec_push(&to->shapes) =
            (struct dims_list){list->rank, arena_copy(&to->arena, list->at, list->rank * sizeof *list->at)};
    }
    copy_table(&to->layouts, &from->layouts);
    copy_table(&to->quants, &from->quants);
    copy_table(&to->sparses, &from->sparses);
    map_copy(&to->dim_map, &from->dim_map);
    map_copy(&to->shape_map, &from->shape_map);
    map_copy(&to->layout_map, &from->layout_map);
    map_copy(&to->quant_map, &from->quant_map);
    map_copy(&to->sparse_map, &from->sparse_map);
}

void types_free(struct types *types) {
    arena_free(&types->arena);
    vec_free(&types->dims);
    vec_free(&types->shapes);
    vec_free(&types->layouts);
    vec_free(&types->quants);
    vec_free(&types->sparses);
    map_free(&types->dim_map);
    map_free(&types->shape_map);
    map_free(&types->layout_map);
    map_free(&types->quant_map);
    map_free(&types->sparse_map);
}

/* -- shapes -- */
dims_id dims_make(struct types *types, const dim_id *dims, uint32_t rank) {
    check(rank <= MAX_RANK);
    if (!rank) return (dims_id){0};
    bool is_new;
    uint32_t *slot = map_put(&types->shape_map, dims, rank * sizeof *dims, &is_new);
    if (is_new) {
        *slot = types->shapes.count;
        *vec_push(&types->shapes) =
            (struct dims_list){rank, arena_copy(&types->arena, dims, rank * sizeof *dims)};
    }
    return (dims_id){*slot};
}

dims_id dims_from_ints(struct types *types, const int64_t *dims, uint32_t rank) {
    check(rank <= MAX_RANK);
    dim_id list[MAX_RANK];
    for (uint32_t i = 0; i < rank; i++) list[i] = dim_const(types, dims[i]);
    return dims_make(types, list, rank);
}

uint32_t dims_rank(const struct types *types, dims_id dims) {
    return types->shapes.at[dims.i].rank;
}

dim_id dims_at(const struct types *types, dims_id dims, uint32_t axis) {
    const struct dims_list *list = &types->shapes.at[dims.i];
    check(axis < list->rank);
    return list->at[axis];
}

bool dims_static(const struct types *types, dims_id dims, int64_t *out) {
    const struct dims_list *list = &types->shapes.at[dims.i];
    for (uint32_t i = 0; i < list->rank; i++)
        if (!dim_is_const(types, list->at[i], out ? &out[i] : NULL)) return false;
    return true;
}

dim_id dims_product(struct types *types, dims_id dims, uint32_t from, uint32_t to) {
    dim_id product = dim_const(types, 1);
    for (uint32_t i = from; i < to; i++) product = dim_mul(types, product, dims_at(types, dims, i));
    return product;
}

void dims_print(const struct types *types, dims_id dims, struct str *out) {
    str_add(out, "[");
    for (uint32_t i = 0; i < dims_rank(types, dims); i++) {
        if (i) str_add(out, ", ");
        dim_print(types, dims_at(types, dims, i), out);
    }
    str_add(out, "]");
}

/* -- layouts -- */
static bool layout_is_plain(const struct layout *layout) {
    for (uint32_t i = 0; i < layout->count; i++)
        if (layout->at[i].dim != i || layout->at[i].inner || layout->at[i].block != 1) return false;
    return true;
}

bool layout_valid(const struct layout *layout, uint32_t rank) {
    uint32_t outer[MAX_RANK] = {0}, inner[MAX_RANK] = {0};
    if (layout->count > MAX_STORAGE_RANK) return false;
    for (uint32_t i = 0; i < layout->count; i++) {
        const struct layout_dim *d = &layout->at[i];
        uint32_t *seen = d->inner ? inner : outer;
        if (d->dim >= rank || !d->block || (d->inner && d->block < 2) || seen[d->dim]) return false;
        seen[d->dim] = d->block;
    }
    for (uint32_t d = 0; d < rank; d++)
        if (!outer[d] || (outer[d] > 1 ? inner[d] != outer[d] : inner[d] != 0)) return false;
    return true;
}

layout_id layout_make(struct types *types, const struct layout *layout) {
    if (layout_is_plain(layout)) return (layout_id){0};
    struct layout clean;
    memset(&clean, 0, sizeof clean); /* padding bytes are part of the key */
    clean.count = layout->count;
    for (uint32_t i = 0; i < layout->count; i++) {
        clean.at[i].dim = layout->at[i].dim;
        clean.at[i].inner = layout->at[i].inner;
        clean.at[i].block = layout->at[i].block;
    }
    bool is_new;
    uint32_t *slot = map_put(&types->layout_map, &clean, sizeof clean, &is_new);
    if (is_new) {
        *slot = types->layouts.count;
        *vec_push(&types->layouts) = clean;
    }
    return (layout_id){*slot};
}

const struct layout *layout_get(const struct types *types, layout_id id) {
    check(id.i && id.i < types->layouts.count);
    return &types->layouts.at[id.i];
}

struct layout type_layout(const struct types *types, struct type type) {
    if (type.layout.i) return *layout_get(types, type.layout);
    struct layout plain = {.count = type_rank(types, type)};
    for (uint32_t i = 0; i < plain.count; i++) plain.at[i] = (struct layout_dim){(uint8_t)i, false, 1};
    return plain;
}

uint32_t type_storage(const struct types *types, struct type type, int64_t extent[MAX_STORAGE_RANK]) {
    int64_t dims[MAX_RANK];
    check(dims_static(types, type.shape, dims));
    struct layout layout = type_layout(types, type);
    for (uint32_t i = 0; i < layout.count; i++) {
        const struct layout_dim *d = &layout.at[i];
        extent[i] = d->inner ? (int64_t)d->block : ceil_div(dims[d->dim], d->block);
    }
    return layout.count;
}

layout_id layout_channel_blocked(struct types *types, uint32_t rank, uint32_t block) {
    check(rank >= 2 && rank <= 5 && block > 1);
    struct layout layout = {.count = rank + 1};
    for (uint32_t i = 0; i < rank; i++)
        layout.at[i] = (struct layout_dim){(uint8_t)i, false, i == 1 ? block : 1};
    layout.at[rank] = (struct layout_dim){1, true, block};
    return layout_make(types, &layout);
}

void layout_print(const struct types *types, layout_id id, struct str *out) {
    if (!id.i) {
        str_add(out, "layout(plain)");
        return;
    }
    const struct layout *layout = layout_get(types, id);
    str_add(out, "layout(");
    for (uint32_t i = 0; i < layout->count; i++) {
        const struct layout_dim *d = &layout->at[i];
        str_printf(out, "%sd%u", i ? ", " : "", d->dim);
        if (d->block > 1) str_printf(out, "%c%u", d->inner ? '%' : '/', d->block);
    }
    str_add(out, ")");
}

/* -- quant and sparse -- */
quant_id quant_make(struct types *types, struct quant quant) {
    struct quant clean;
    memset(&clean, 0, sizeof clean);
    clean.axis = quant.axis;
    clean.group = quant.group;
    clean.literal = quant.literal;
    clean.scale = quant.scale;
    clean.zero = quant.zero;
    bool is_new;
    uint32_t *slot = map_put(&types->quant_map, &clean, sizeof clean, &is_new);
    if (is_new) {
        *slot = types->quants.count;
        *vec_push(&types->quants) = clean;
    }
    return (quant_id){*slot};
}

struct quant quant_get(const struct types *types, quant_id id) {
    return types->quants.at[id.i];
}

sparse_id sparse_make(struct types *types, struct sparse sparse) {
    if (sparse.kind == SPARSE_NONE) return (sparse_id){0};
    uint32_t key[3] = {(uint32_t)sparse.kind, sparse.a, sparse.b};
    bool is_new;
    uint32_t *slot = map_put(&types->sparse_map, key, sizeof key, &is_new);
    if (is_new) {
        *slot = types->sparses.count;
        *vec_push(&types->sparses) = sparse;
    }
    return (sparse_id){*slot};
}

struct sparse sparse_get(const struct types *types, sparse_id id) {
    return types->sparses.at[id.i];
}

/* -- whole types -- */
struct type type_make(enum elem elem, dims_id shape) {
    return (struct type){.elem = elem, .shape = shape};
}

bool type_same(struct type a, struct type b) {
    return a.elem == b.elem && a.shape.i == b.shape.i && a.quant.i == b.quant.i && a.sparse.i == b.sparse.i &&
           a.layout.i == b.layout.i;
}

uint32_t type_rank(const struct types *types, struct type type) {
    return dims_rank(types, type.shape);
}

bool type_static(const struct types *types, struct type type, int64_t dims[MAX_RANK]) {
    return dims_static(types, type.shape, dims);
}

int64_t type_count(const struct types *types, struct type type) {
    int64_t dims[MAX_RANK], count = 1;
    check(dims_static(types, type.shape, dims));
    for (uint32_t i = 0; i < type_rank(types, type); i++) check(mul_i64(count, dims[i], &count));
    return count;
}

int64_t type_storage_count(const struct types *types, struct type type) {
    int64_t extent[MAX_STORAGE_RANK], count = 1;
    uint32_t n = type_storage(types, type, extent);
    for (uint32_t i = 0; i < n; i++) check(mul_i64(count, extent[i], &count));
    return count;
}

int64_t type_storage_bytes(const struct types *types, struct type type) {
    int64_t bytes;
    check(mul_i64(type_storage_count(types, type), (int64_t)elem_bytes(type.elem), &bytes));
    return bytes;
}

static void print_quant(struct quant q, struct str *out) {
    const char *comma = "";
    str_add(out, " quant(");
    if (q.axis >= 0) str_printf(out, "axis = %d", q.axis), comma = ", ";
    if (q.group > 0) str_printf(out, "%sgroup = %lld", comma, (long long)q.group), comma = ", ";
    if (q.literal) {
        str_printf(out, "%sscale = ", comma);
        str_add_f64(out, q.scale);
        str_printf(out, ", zero = %lld", (long long)q.zero);
    }
    str_add(out, ")");
}

static void print_sparse(struct sparse s, struct str *out) {
    switch (s.kind) {
    case SPARSE_NONE:
        break;
    case SPARSE_CSR:
        str_add(out, " csr()");
        break;
    case SPARSE_BITMASK:
        str_add(out, " bitmask()");
        break;
    case SPARSE_BLOCK:
        str_printf(out, " block(%u, %u)", s.a, s.b);
        break;
    case SPARSE_NM:
        str_printf(out, " nm(%u, %u)", s.a, s.b);
        break;
    }
}

void type_print(const struct types *types, struct type type, struct str *out) {
    str_add(out, elem_name(type.elem));
    dims_print(types, type.shape, out);
    if (type.quant.i) print_quant(quant_get(types, type.quant), out);
    print_sparse(sparse_get(types, type.sparse), out);
    if (type.layout.i) {
        str_add(out, " ");
        layout_print(types, type.layout, out);
    }
}
