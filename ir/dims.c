/* Dimensions as polynomials: a sum of terms coefficient * product of atoms, where an atom is a symbol or a
 * floor division of polynomials that did not simplify. Sorted terms make equal polynomials equal bytes, so
 * interning decides equality. */
#include "ir/print.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_TERMS = 16, MAX_FACTORS = DIM_FACTORS };
/* Of the tree that a dimension prints as: divisions nest, and a walk meets what is shared again and again. */
enum { MAX_SIZE = 500 };

/* atom[]: sorted node ids of symbols and divisions, 0-padded at the end. */
struct dim_term {
    int64_t coefficient;
    uint32_t atom[MAX_FACTORS];
};

enum dim_kind { DIM_POLYNOMIAL, DIM_SYMBOL, DIM_DIVISION };

struct dim_node {
    enum dim_kind kind;
    int64_t lo, hi;
    const char *symbol;
    dim_id dividend, divisor;
    uint32_t size;  /* symbols and operators, shared ones as often as they are used */
    uint32_t count; /* terms, sorted by atoms; the constant term first */
    struct dim_term term[MAX_TERMS];
};

static const dim_id NONE = {0};

static struct dim_node *node(const struct types *types, dim_id dim) {
    check(dim.i && dim.i < types->dims.count);
    return types->dims.at[dim.i];
}

static dim_id intern(struct types *types, const struct dim_node *n, const void *key, size_t bytes) {
    bool is_new;
    uint32_t *slot = map_put(&types->dim_map, key, bytes, &is_new);
    if (is_new) {
        *slot = types->dims.count;
        *vec_push(&types->dims) = arena_copy(&types->arena, n, sizeof *n);
    }
    return (dim_id){*slot};
}

static int compare_terms(const void *a, const void *b) {
    const struct dim_term *x = a, *y = b;
    for (int i = 0; i < MAX_FACTORS; i++)
        if (x->atom[i] != y->atom[i]) return x->atom[i] < y->atom[i] ? -1 : 1;
    return 0;
}

/* -- bounds -- */
static bool mul_bounds(int64_t *lo, int64_t *hi, int64_t lo2, int64_t hi2) {
    int64_t p[4];
    if (!mul_i64(*lo, lo2, &p[0]) || !mul_i64(*lo, hi2, &p[1]) || !mul_i64(*hi, lo2, &p[2]) ||
        !mul_i64(*hi, hi2, &p[3]))
        return false;
    *lo = *hi = p[0];
    for (int i = 1; i < 4; i++) *lo = min_i64(*lo, p[i]), *hi = max_i64(*hi, p[i]);
    return true;
}

static bool polynomial_bounds(const struct types *types, struct dim_node *n) {
    n->lo = n->hi = 0;
    for (uint32_t t = 0; t < n->count; t++) {
        int64_t lo = n->term[t].coefficient, hi = lo;
        for (int f = 0; f < MAX_FACTORS && n->term[t].atom[f]; f++) {
            const struct dim_node *atom = node(types, (dim_id){n->term[t].atom[f]});
            if (!mul_bounds(&lo, &hi, atom->lo, atom->hi)) return false;
        }
        if (!add_i64(n->lo, lo, &n->lo) || !add_i64(n->hi, hi, &n->hi)) return false;
    }
    return true;
}

/* Sets the size; false if the dimension is too large to work with. */
static bool size_ok(const struct types *types, struct dim_node *n) {
    n->size = 1;
    if (n->kind == DIM_DIVISION) n->size += node(types, n->dividend)->size + node(types, n->divisor)->size;
    for (uint32_t t = 0; t < n->count; t++)
        for (int f = 0; f < MAX_FACTORS && n->term[t].atom[f]; f++)
            n->size += node(types, (dim_id){n->term[t].atom[f]})->size;
    return n->size <= MAX_SIZE;
}

/* Sorts, merges equal monomials, drops zeros; a single atom with coefficient 1 is the atom itself. */
static dim_id finish(struct types *types, struct dim_term *terms, uint32_t count) {
    qsort(terms, count, sizeof *terms, compare_terms);
    struct dim_node n = {.kind = DIM_POLYNOMIAL};
    for (uint32_t i = 0; i < count; i++) {
        if (n.count && !compare_terms(&n.term[n.count - 1], &terms[i])) {
            int64_t *c = &n.term[n.count - 1].coefficient;
            if (!add_i64(*c, terms[i].coefficient, c)) return NONE;
        } else {
            if (n.count && !n.term[n.count - 1].coefficient) n.count--;
            if (n.count == MAX_TERMS) return NONE;
            n.term[n.count++] = terms[i];
        }
    }
    if (n.count && !n.term[n.count - 1].coefficient) n.count--;
    if (n.count == 1 && n.term[0].coefficient == 1 && n.term[0].atom[0] && !n.term[0].atom[1])
        return (dim_id){n.term[0].atom[0]};
    if (!polynomial_bounds(types, &n) || !size_ok(types, &n)) return NONE;
    return intern(types, &n, n.term, n.count * sizeof *n.term);
}

/* The terms of any dimension: an atom is one term. */
static uint32_t terms_of(const struct types *types, dim_id dim, struct dim_term out[MAX_TERMS]) {
    const struct dim_node *n = node(types, dim);
    if (n->kind == DIM_POLYNOMIAL) {
        memcpy(out, n->term, n->count * sizeof *out);
        return n->count;
    }
    out[0] = (struct dim_term){1, {dim.i}};
    return 1;
}

dim_id dim_const(struct types *types, int64_t value) {
    struct dim_term term = {value, {0}};
    return finish(types, &term, 1);
}

dim_id dim_symbol(struct types *types, const char *name, int64_t lo, int64_t hi) {
    struct dim_node n = {.kind = DIM_SYMBOL, .lo = lo, .hi = hi, .size = 1};
    char key[260] = "s";
    size_t length = strlen(name);
    if (length > sizeof key - 2) return NONE;
    memcpy(key + 1, name, length + 1);
    n.symbol = arena_strdup(&types->arena, name);
    dim_id id = intern(types, &n, key, length + 2);
    struct dim_node *have = node(types, id);
    have->lo = max_i64(have->lo, lo);
    have->hi = min_i64(have->hi, hi);
    return id;
}

static dim_id add_scaled(struct types *types, dim_id a, dim_id b, int64_t factor) {
    if (!a.i || !b.i) return NONE;
    struct dim_term terms[2 * MAX_TERMS];
    uint32_t na = terms_of(types, a, terms), nb = terms_of(types, b, terms + na);
    for (uint32_t i = na; i < na + nb; i++)
        if (!mul_i64(terms[i].coefficient, factor, &terms[i].coefficient)) return NONE;
    return finish(types, terms, na + nb);
}

dim_id dim_add(struct types *types, dim_id a, dim_id b) {
    return add_scaled(types, a, b, 1);
}
dim_id dim_sub(struct types *types, dim_id a, dim_id b) {
    return add_scaled(types, a, b, -1);
}

static int compare_u32_zero_last(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a - 1, y = *(const uint32_t *)b - 1; /* 0 wraps to the largest */
    return x < y ? -1 : x > y;
}

static bool multiply_terms(const struct dim_term *x, const struct dim_term *y, struct dim_term *out) {
    uint32_t atoms[2 * MAX_FACTORS] = {0}, n = 0;
    for (int i = 0; i < MAX_FACTORS; i++) {
        if (x->atom[i]) atoms[n++] = x->atom[i];
        if (y->atom[i]) atoms[n++] = y->atom[i];
    }
    if (n > MAX_FACTORS) return false;
    qsort(atoms, MAX_FACTORS, sizeof *atoms, compare_u32_zero_last);
    memcpy(out->atom, atoms, sizeof out->atom);
    return mul_i64(x->coefficient, y->coefficient, &out->coefficient);
}

dim_id dim_mul(struct types *types, dim_id a, dim_id b) {
    if (!a.i || !b.i) return NONE;
    struct dim_term x[MAX_TERMS], y[MAX_TERMS], product[MAX_TERMS * MAX_TERMS];
    uint32_t nx = terms_of(types, a, x), ny = terms_of(types, b, y), n = 0;
    for (uint32_t i = 0; i < nx; i++)
        for (uint32_t j = 0; j < ny; j++)
            if (!multiply_terms(&x[i], &y[j], &product[n++])) return NONE;
    return finish(types, product, n);
}

/* Divides every term whose coefficient is a multiple of the constant divisor out of the floor: (4n + h) / 4 =
 * n + h / 4. */
static dim_id divide_by_const(struct types *types, dim_id a, int64_t divisor, bool *done) {
    struct dim_term terms[MAX_TERMS], whole[MAX_TERMS], rest[MAX_TERMS];
    uint32_t n = terms_of(types, a, terms), n_whole = 0, n_rest = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (terms[i].coefficient % divisor == 0) {
            terms[i].coefficient /= divisor;
            whole[n_whole++] = terms[i];
        } else if (!terms[i].atom[0]) { /* the constant: its whole part comes out */
            int64_t quotient = floor_div(terms[i].coefficient, divisor);
            if (quotient) whole[n_whole++] = (struct dim_term){quotient, {0}};
            rest[n_rest++] = (struct dim_term){terms[i].coefficient - quotient * divisor, {0}};
        } else {
            rest[n_rest++] = terms[i];
        }
    }
    *done = n_rest == 0 || (n_rest == 1 && !rest[0].atom[0]); /* 0 <= constant rest < divisor */
    if (*done) return finish(types, whole, n_whole);
    if (!n_whole) return NONE;
    return dim_add(types, finish(types, whole, n_whole),
                   dim_floor_div(types, finish(types, rest, n_rest), dim_const(types, divisor)));
}

dim_id dim_floor_div(struct types *types, dim_id a, dim_id b) {
    if (!a.i || !b.i || dim_lo(types, b) <= 0) return NONE;
    if (dim_same(a, b)) return dim_const(types, 1);
    int64_t divisor;
    if (dim_is_const(types, b, &divisor)) {
        bool done;
        dim_id simpler = divide_by_const(types, a, divisor, &done);
        if (done || simpler.i) return simpler;
    }
    const struct dim_node *x = node(types, a), *y = node(types, b);
    int64_t lo = floor_div(x->lo, x->lo < 0 ? y->lo : y->hi),
            hi = floor_div(x->hi, x->hi < 0 ? y->hi : y->lo);
    if (lo == hi) return dim_const(types, lo);
    struct dim_node n = {.kind = DIM_DIVISION, .lo = lo, .hi = hi, .dividend = a, .divisor = b};
    if (!size_ok(types, &n)) return NONE;
    uint32_t key[3] = {UINT32_MAX, a.i, b.i};
    return intern(types, &n, key, sizeof key);
}

bool dim_is_const(const struct types *types, dim_id dim, int64_t *out) {
    if (!dim.i) return false;
    const struct dim_node *n = node(types, dim);
    if (n->kind != DIM_POLYNOMIAL || n->count > 1 || (n->count && n->term[0].atom[0])) return false;
    if (out) *out = n->count ? n->term[0].coefficient : 0;
    return true;
}

bool dim_is_symbol(const struct types *types, dim_id dim, const char **out_name) {
    if (!dim.i || node(types, dim)->kind != DIM_SYMBOL) return false;
    if (out_name) *out_name = node(types, dim)->symbol;
    return true;
}

int64_t dim_lo(const struct types *types, dim_id dim) {
    return node(types, dim)->lo;
}
int64_t dim_hi(const struct types *types, dim_id dim) {
    return node(types, dim)->hi;
}

dim_id dim_substitute(struct types *types, dim_id dim, bool (*lookup)(void *, const char *, int64_t *),
                      void *ctx) {
    if (!dim.i) return NONE;
    struct dim_node n = *node(types, dim);
    if (n.kind == DIM_SYMBOL) {
        int64_t value;
        return lookup(ctx, n.symbol, &value) ? dim_const(types, value) : dim;
    }
    if (n.kind == DIM_DIVISION)
        return dim_floor_div(types, dim_substitute(types, n.dividend, lookup, ctx),
                             dim_substitute(types, n.divisor, lookup, ctx));
    dim_id sum = dim_const(types, 0);
    for (uint32_t t = 0; t < n.count; t++) {
        dim_id product = dim_const(types, n.term[t].coefficient);
        for (int f = 0; f < MAX_FACTORS && n.term[t].atom[f]; f++)
            product =
                dim_mul(types, product, dim_substitute(types, (dim_id){n.term[t].atom[f]}, lookup, ctx));
        sum = dim_add(types, sum, product);
    }
    return sum;
}

bool dim_factors(const struct types *types, dim_id dim, int64_t *constant, dim_id factor[DIM_FACTORS]) {
    struct dim_term term[MAX_TERMS] = {{0}};
    if (!dim.i || terms_of(types, dim, term) > 1) return false;
    *constant = term[0].coefficient;
    for (int f = 0; f < DIM_FACTORS; f++) factor[f] = (dim_id){term[0].atom[f]};
    return true;
}

const char *dim_first_symbol(const struct types *types, dim_id dim) {
    if (!dim.i) return NULL;
    const struct dim_node *n = node(types, dim);
    if (n->kind == DIM_SYMBOL) return n->symbol;
    if (n->kind == DIM_DIVISION) {
        const char *first = dim_first_symbol(types, n->dividend);
        return first ? first : dim_first_symbol(types, n->divisor);
    }
    for (uint32_t t = 0; t < n->count; t++)
        for (int f = 0; f < MAX_FACTORS && n->term[t].atom[f]; f++) {
            const char *symbol = dim_first_symbol(types, (dim_id){n->term[t].atom[f]});
            if (symbol) return symbol;
        }
    return NULL;
}

void dims_copy_nodes(struct types *to, const struct types *from) {
    for (uint32_t i = 0; i < from->dims.count; i++) {
        struct dim_node *copy = NULL;
        if (from->dims.at[i]) {
            copy = arena_copy(&to->arena, from->dims.at[i], sizeof *copy);
            if (copy->symbol) copy->symbol = arena_strdup(&to->arena, copy->symbol);
        }
        *vec_push(&to->dims) = copy;
    }
}

/* -- printing: terms and factors in the order of their texts, since handles depend on what was made first --
 */
static void print_side(const struct types *types, dim_id side, struct str *out) {
    bool simple =
        dim_is_symbol(types, side, NULL) || (dim_is_const(types, side, NULL) && dim_lo(types, side) >= 0);
    str_add(out, simple ? "" : "(");
    dim_print(types, side, out);
    str_add(out, simple ? "" : ")");
}

/* `alone`: the atom is a term by itself, so that a division needs no parentheses. */
static void print_atom(const struct types *types, uint32_t atom, bool alone, struct str *out) {
    const struct dim_node *n = node(types, (dim_id){atom});
    if (n->kind == DIM_SYMBOL) {
        print_name(out, n->symbol);
        return;
    }
    str_add(out, alone ? "" : "(");
    print_side(types, n->dividend, out);
    str_add(out, " / ");
    print_side(types, n->divisor, out);
    str_add(out, alone ? "" : ")");
}

static int compare_texts(const void *a, const void *b) {
    const struct str *x = a, *y = b;
    return strcmp(str_text(x), str_text(y));
}

/* "h * w"; "" for the constant term. */
static struct str factors_text(const struct types *types, const struct dim_term *term) {
    struct str factor[MAX_FACTORS] = {{0}}, text = {0};
    bool alone = term->coefficient == 1 && !term->atom[1];
    int count = 0;
    for (; count < MAX_FACTORS && term->atom[count]; count++)
        print_atom(types, term->atom[count], alone, &factor[count]);
    qsort(factor, (size_t)count, sizeof *factor, compare_texts);
    for (int i = 0; i < count; i++) {
        str_printf(&text, "%s%s", i ? " * " : "", str_text(&factor[i]));
        str_free(&factor[i]);
    }
    return text;
}

struct printed_term {
    struct str factors; /* first, for compare_texts */
    int64_t coefficient;
};

static void print_term(const struct printed_term *t, bool first, struct str *out) {
    int64_t c = t->coefficient;
    if (first)
        str_add(out, c < 0 ? "-" : "");
    else
        str_add(out, c < 0 ? " - " : " + ");
    uint64_t magnitude = c < 0 ? -(uint64_t)c : (uint64_t)c;
    if (!t->factors.length)
        str_printf(out, "%llu", (unsigned long long)magnitude);
    else if (magnitude == 1)
        str_add(out, str_text(&t->factors));
    else
        str_printf(out, "%llu * %s", (unsigned long long)magnitude, str_text(&t->factors));
}

void dim_print(const struct types *types, dim_id dim, struct str *out) {
    if (!dim.i) {
        str_add(out, "?");
        return;
    }
    struct dim_term term[MAX_TERMS];
    struct printed_term printed[MAX_TERMS];
    uint32_t count = terms_of(types, dim, term);
    if (!count) str_add(out, "0");
    for (uint32_t i = 0; i < count; i++)
        printed[i] = (struct printed_term){factors_text(types, &term[i]), term[i].coefficient};
    qsort(printed, count, sizeof *printed, compare_texts);
    bool constant = count && !printed[0].factors.length; /* comes last */
    for (uint32_t i = constant; i < count; i++) print_term(&printed[i], i == constant, out);
    if (constant) print_term(&printed[0], count == 1, out);
    for (uint32_t i = 0; i < count; i++) str_free(&printed[i].factors);
}

void dim_each_symbol(const struct types *types, dim_id dim,
                     void (*visit)(void *ctx, dim_id symbol, const char *name), void *ctx) {
    if (!dim.i) return;
    const struct dim_node *n = node(types, dim);
    if (n->kind == DIM_SYMBOL) {
        visit(ctx, dim, n->symbol);
    } else if (n->kind == DIM_DIVISION) {
        dim_each_symbol(types, n->dividend, visit, ctx);
        dim_each_symbol(types, n->divisor, visit, ctx);
    } else {
        for (uint32_t t = 0; t < n->count; t++)
            for (int f = 0; f < MAX_FACTORS && n->term[t].atom[f]; f++)
                dim_each_symbol(types, (dim_id){n->term[t].atom[f]}, visit, ctx);
    }
}
