/* Einsum: each operand is brought to its letters in a common order, two at a time are multiplied as matrices,
 * and letters that nobody needs any more are summed. */
#include "frontend/onnx/importer.h"

#include <string.h>

enum { MOST_LETTERS = 52 + MAX_RANK, DOTS = 52 }; /* a…z, A…Z, then the dimensions of an ellipsis */

typedef uint64_t letters; /* a set */

/* A value whose dimensions have letters, each once. */
struct term {
    ref value;
    uint32_t rank;
    uint8_t letter[MAX_RANK];
};

struct einsum {
    uint32_t operands, dots; /* dimensions that the ellipsis stands for */
    struct term term[64], result;
    dim_id extent[MOST_LETTERS]; /* 0: not met */
};

static letters bit(uint32_t letter) {
    return (letters)1 << letter;
}

static letters set_of(const struct term *t) {
    letters set = 0;
    for (uint32_t i = 0; i < t->rank; i++) set |= bit(t->letter[i]);
    return set;
}

static int letter_of(char c) {
    return c >= 'a' && c <= 'z' ? c - 'a' : c >= 'A' && c <= 'Z' ? 26 + c - 'A' : -1;
}

/* -- reading the equation -- */

/* Letters of one operand, or of the result; `rank` of UINT32_MAX: as many as are written. */
static bool read_term(const char *text, size_t length, uint32_t rank, uint32_t result_dots,
                      struct term *out) {
    uint32_t written = 0, dots = 0;
    bool has_dots = false;
    for (size_t i = 0; i < length; i++) {
        written += letter_of(text[i]) >= 0;
        if (letter_of(text[i]) < 0 && text[i] != ' ' && text[i] != '.') return false;
    }
    if (rank != UINT32_MAX && written > rank) return false;
    dots = rank == UINT32_MAX ? result_dots : rank - written;
    out->rank = 0;
    for (size_t i = 0; i < length; i++) {
        if (text[i] == ' ') continue;
        if (letter_of(text[i]) >= 0) {
            if (out->rank == MAX_RANK) return false;
            out->letter[out->rank++] = (uint8_t)letter_of(text[i]);
            continue;
        }
        if (has_dots || i + 2 >= length || text[i + 1] != '.' || text[i + 2] != '.' ||
            out->rank + dots > MAX_RANK)
            return false;
        for (uint32_t k = 0; k < dots; k++) out->letter[out->rank++] = (uint8_t)(MOST_LETTERS - dots + k);
        has_dots = true;
        i += 2;
    }
    return has_dots || !dots || rank == UINT32_MAX;
}

/* Without an arrow: the ellipsis, then all letters that occur once, in alphabetical order. */
static bool implied_result(struct einsum *e, const char *text, size_t length) {
    static const char order[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    e->result.rank = 0;
    for (uint32_t k = 0; k < e->dots; k++)
        e->result.letter[e->result.rank++] = (uint8_t)(MOST_LETTERS - e->dots + k);
    for (const char *c = order; *c; c++) {
        uint32_t count = 0;
        for (size_t i = 0; i < length; i++) count += text[i] == *c;
        if (count == 1 && e->result.rank == MAX_RANK) return false;
        if (count == 1) e->result.letter[e->result.rank++] = (uint8_t)letter_of(*c);
    }
    return true;
}

static bool read_equation(struct node *n, const char *text, size_t length, struct einsum *e) {
    const char *arrow = NULL, *at = text, *end = text + length;
    for (size_t i = 0; i + 1 < length && !arrow; i++)
        if (text[i] == '-' && text[i + 1] == '>') arrow = text + i;
    const char *stop = arrow ? arrow : end;
    for (;; at++) {
        const char *comma = memchr(at, ',', (size_t)(stop - at)), *until = comma ? comma : stop;
        if (e->operands == COUNT_OF(e->term) || e->operands >= n->proto->n_input) return false;
        struct term *t = &e->term[e->operands];
        t->value = node_in(n, e->operands++);
        if (ref_none(t->value)) return false;
        uint32_t rank = ref_rank(n->im, t->value);
        if (!read_term(at, (size_t)(until - at), rank, 0, t) || t->rank != rank) return false;
        uint32_t dots = 0;
        for (uint32_t i = 0; i < t->rank; i++) dots += t->letter[i] >= DOTS;
        e->dots = dots > e->dots ? dots : e->dots;
        if (!comma) break;
        at = comma;
    }
    if (e->operands != n->proto->n_input) return false;
    if (!arrow) return implied_result(e, text, length);
    return read_term(arrow + 2, (size_t)(end - arrow - 2), UINT32_MAX, e->dots, &e->result);
}

/* -- terms with each letter once -- */

/* The diagonal along dimensions a < b of one letter, by an index for each of the elements of both as one. */
static enum status take_diagonal(struct node *n, struct term *t, uint32_t a, uint32_t b) {
    struct types *types = &n->im->m->types;
    dim_id dims[MAX_RANK];
    int64_t perm[MAX_RANK], extent;
    uint32_t count = 0;
    for (uint32_t i = 0; i < t->rank; i++) {
        if (i != b) perm[count++] = i;
        if (i == a) perm[count++] = b;
    }
    if (!dim_is_const(types, ref_dim(n->im, t->value, a), &extent) ||
        !dim_same(ref_dim(n->im, t->value, a), ref_dim(n->im, t->value, b)))
        return unsupported(n, "Einsum along a diagonal of extents that are unlike or not known");
    struct tensor at = tensor_new(ELEM_i64, 1, &extent);
    for (int64_t i = 0; i < extent; i++) tensor_set_i64(&at, i, i * (extent + 1));
    for (uint32_t i = 0, k = 0; i < t->rank; i++)
        if (i != b) dims[k++] = i == a ? dim_const(types, extent * extent) : ref_dim(n->im, t->value, i);
    ref x = emit1_with(n, OP_transpose, t->value, node_attr_ints(n, ATTR_perm, perm, t->rank));
    x = emit1_with(n, OP_reshape, x, node_attr_dims(n, ATTR_shape, dims, t->rank - 1));
    t->value = emit2_with(n, OP_gather, x, ref_of_tensor(n->im, at), attr_int(ATTR_axis, a));
    memmove(t->letter + b, t->letter + b + 1, t->rank - b - 1);
    t->rank--;
    return ref_none(t->value) ? STATUS_FAILED : STATUS_OK;
}

static enum status make_unique(struct node *n, struct term *t) {
    for (uint32_t a = 0; a < t->rank; a++)
        for (uint32_t b = a + 1; b < t->rank; b++)
            if (t->letter[a] == t->letter[b]) {
                TRY(take_diagonal(n, t, a, b));
                b = a;
            }
    return STATUS_OK;
}

/* Sums over the letters that are not in `keep`. */
static void sum_out(struct node *n, struct term *t, letters keep) {
    int64_t axes[MAX_RANK];
    uint32_t count = 0, left = 0;
    for (uint32_t i = 0; i < t->rank; i++) {
        if (keep & bit(t->letter[i]))
            t->letter[left++] = t->letter[i];
        else
            axes[count++] = i;
    }
    t->rank = left;
    if (count) t->value = emit1_with(n, OP_reduce_sum, t->value, node_attr_ints(n, ATTR_axes, axes, count));
}

/* The term in the order of the letters in `order`, with dimensions of 1 for those that it does not have. */
static ref arranged(struct node *n, const struct term *t, const uint8_t *order, uint32_t count) {
    int64_t perm[MAX_RANK], missing[MAX_RANK * 2];
    uint32_t have = 0, lack = 0;
    for (uint32_t k = 0; k < count; k++) {
        const uint8_t *found = memchr(t->letter, order[k], t->rank);
        if (found)
            perm[have++] = found - t->letter;
        else
            missing[lack++] = k;
    }
    check(have == t->rank);
    ref x = t->value;
    if (have) x = emit1_with(n, OP_transpose, x, node_attr_ints(n, ATTR_perm, perm, have));
    return lack ? emit1_with(n, OP_unsqueeze, x, node_attr_ints(n, ATTR_axes, missing, lack)) : x;
}

/* -- products -- */
struct groups { /* letters of both terms, in the order: shared ones that stay, those of a, of b, those that
                   are summed */
    uint8_t letter[4][MAX_RANK];
    uint32_t count[4];
};

static void put(struct groups *g, uint32_t group, uint8_t letter) {
    if (g->count[group] < MAX_RANK) g->letter[group][g->count[group]] = letter;
    g->count[group]++;
}

static dim_id product_of(const struct einsum *e, struct types *types, const struct groups *g,
                         uint32_t group) {
    dim_id total = dim_const(types, 1);
    for (uint32_t i = 0; i < g->count[group]; i++)
        total = dim_mul(types, total, e->extent[g->letter[group][i]]);
    return total;
}

/* [shared…, rows, columns] of a term; a broadcast shared dimension stays 1. */
static ref as_matrix(struct node *n, const struct einsum *e, const struct term *t, const struct groups *g,
                     uint32_t rows, uint32_t columns) {
    struct types *types = &n->im->m->types;
    uint8_t order[3 * MAX_RANK];
    dim_id dims[MAX_RANK + 2];
    uint32_t count = 0, rank = 0;
    for (uint32_t i = 0; i < g->count[0]; i++) order[count++] = g->letter[0][i];
    for (uint32_t i = 0; i < g->count[rows]; i++) order[count++] = g->letter[rows][i];
    for (uint32_t i = 0; i < g->count[columns]; i++) order[count++] = g->letter[columns][i];
    ref x = arranged(n, t, order, count);
    if (ref_none(x)) return x;
    for (; rank < g->count[0]; rank++) dims[rank] = ref_dim(n->im, x, rank);
    dims[rank++] = product_of(e, types, g, rows);
    dims[rank++] = product_of(e, types, g, columns);
    return emit1_with(n, OP_reshape, x, node_attr_dims(n, ATTR_shape, dims, rank));
}

static enum status multiply(struct node *n, const struct einsum *e, struct term *a, struct term *b,
                            letters keep) {
    struct groups g = {0};
    letters in_a = set_of(a), in_b = set_of(b);
    dim_id dims[MAX_RANK];
    for (uint32_t i = 0; i < a->rank; i++)
        put(&g, !(in_b & bit(a->letter[i])) ? 1 : keep & bit(a->letter[i]) ? 0 : 3, a->letter[i]);
    for (uint32_t i = 0; i < b->rank; i++)
        if (!(in_a & bit(b->letter[i]))) put(&g, 2, b->letter[i]);
    uint32_t rank = g.count[0] + g.count[1] + g.count[2];
    if (rank > MAX_RANK || g.count[0] + 2 > MAX_RANK)
        return unsupported(n, "Einsum with an intermediate result of more than %d dimensions", MAX_RANK);
    ref left = as_matrix(n, e, a, &g, 1, 3), right = as_matrix(n, e, b, &g, 3, 2),
        y = emit2(n, OP_matmul, left, right);
    if (ref_none(y)) return STATUS_FAILED;
    a->rank = 0;
    for (uint32_t group = 0; group < 3; group++)
        for (uint32_t i = 0; i < g.count[group]; i++) {
            dims[a->rank] = group ? e->extent[g.letter[group][i]] : ref_dim(n->im, y, i);
            a->letter[a->rank++] = g.letter[group][i];
        }
    a->value = emit1_with(n, OP_reshape, y, node_attr_dims(n, ATTR_shape, dims, rank));
    return ref_none(a->value) ? STATUS_FAILED : STATUS_OK;
}

/* Extents of all letters; those of an ellipsis may broadcast. */
static enum status read_extents(struct node *n, struct einsum *e) {
    int64_t one;
    for (uint32_t k = 0; k < e->operands; k++)
        for (uint32_t i = 0; i < e->term[k].rank; i++) {
            uint32_t letter = e->term[k].letter[i];
            dim_id dim = ref_dim(n->im, e->term[k].value, i), *known = &e->extent[letter];
            bool is_one = dim_is_const(&n->im->m->types, dim, &one) && one == 1;
            bool known_one = known->i && dim_is_const(&n->im->m->types, *known, &one) && one == 1;
            if (!known->i || (letter >= DOTS && known_one))
                *known = dim;
            else if (!dim_same(*known, dim) && !(letter >= DOTS && is_one))
                return node_error(n, "input %u has another extent along dimension %u than an operand before",
                                  k, i);
        }
    return STATUS_OK;
}

static enum status contract(struct node *n, struct einsum *e) {
    letters result = set_of(&e->result);
    TRY(read_extents(n, e));
    for (uint32_t i = 0; i < e->result.rank; i++) {
        if (!e->extent[e->result.letter[i]].i)
            return node_error(n, "its result has a letter that no operand has");
        for (uint32_t k = 0; k < i; k++)
            if (e->result.letter[k] == e->result.letter[i])
                return node_error(n, "its result has a letter twice");
    }
    for (uint32_t k = 0; k < e->operands; k++) TRY(make_unique(n, &e->term[k]));
    struct term *sum = &e->term[0];
    for (uint32_t k = 0; k < e->operands; k++) {
        letters later = result, others = result;
        for (uint32_t j = k + 1; j < e->operands; j++) later |= set_of(&e->term[j]);
        for (uint32_t j = 0; j < e->operands; j++) others |= j != k ? set_of(&e->term[j]) : 0;
        sum_out(n, &e->term[k], others | (k ? set_of(sum) : 0));
        if (ref_none(e->term[k].value)) return STATUS_FAILED;
        if (k) TRY(multiply(n, e, sum, &e->term[k], later));
    }
    sum_out(n, sum, result);
    if (ref_none(sum->value)) return STATUS_FAILED;
    return node_result(n, arranged(n, sum, e->result.letter, e->result.rank));
}

enum status import_einsum(struct node *n) {
    const Onnx__AttributeProto *a = node_attr(n, "equation");
    if (!a || !a->s.len) return node_error(n, "it has no equation");
    struct einsum *e = arena_array(&n->im->m->arena, struct einsum, 1);
    const char *text = (const char *)a->s.data;
    if (!read_equation(n, text, a->s.len, e))
        return node_error(n, "the equation '%.*s' does not fit its %zu inputs, or is none",
                          (int)(a->s.len < 80 ? a->s.len : 80), text, n->proto->n_input);
    return contract(n, e);
}
