/* Dimensions: whatever is built from symbols by +, -, * and floor division has the value that 64-bit
 * arithmetic gives for the symbols' values, lies within its bounds, and is the same handle only where it is
 * the same number. */
#include "ir/types.h"

#include "test/support/unit.h"

#include <stdlib.h>

enum { SYMBOLS = 3, POINTS = 6, POOL = 400, ROUNDS = 40 };

static const char *const names[SYMBOLS] = {"batch", "h", "w"};
static const int64_t lows[SYMBOLS] = {0, 1, 5}, highs[SYMBOLS] = {4, 300, 1000};

struct sample {
    dim_id dim;
    int64_t value[POINTS];
};

struct pool {
    struct types types;
    int64_t point[POINTS][SYMBOLS];
    struct sample at[POOL];
    uint32_t count;
    uint64_t state;
};

static uint32_t next(struct pool *p, uint32_t bound) {
    p->state = p->state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((p->state >> 33) % bound);
}

static bool lookup(void *ctx, const char *name, int64_t *value) {
    const int64_t *point = ctx;
    for (uint32_t s = 0; s < SYMBOLS; s++)
        if (!strcmp(names[s], name)) {
            *value = point[s];
            return true;
        }
    return false;
}

/* False where exact arithmetic leaves 64 bits, or divides by what may be 0. */
static bool evaluate(uint32_t op, const struct sample *a, const struct sample *b, int64_t *out) {
    for (uint32_t k = 0; k < POINTS; k++) {
        int64_t x = a->value[k], y = b->value[k];
        bool ok = op == 0   ? add_i64(x, y, &out[k])
                  : op == 1 ? y != INT64_MIN && add_i64(x, -y, &out[k])
                  : op == 2 ? mul_i64(x, y, &out[k])
                            : y > 0;
        if (!ok) return false;
        if (op != 3) continue;
        out[k] = x / y - (x % y < 0);
    }
    return true;
}

static void check_sample(struct pool *p, const struct sample *s) {
    for (uint32_t k = 0; k < POINTS; k++) {
        int64_t value;
        dim_id bound = dim_substitute(&p->types, s->dim, lookup, p->point[k]);
        if (CHECK(dim_is_const(&p->types, bound, &value))) CHECK(value == s->value[k]);
        CHECK(dim_lo(&p->types, s->dim) <= s->value[k] && s->value[k] <= dim_hi(&p->types, s->dim));
    }
    for (uint32_t i = 0; i < p->count; i++)
        if (dim_same(p->at[i].dim, s->dim)) CHECK(!memcmp(p->at[i].value, s->value, sizeof s->value));
}

static void add_leaves(struct pool *p) {
    for (uint32_t k = 0; k < POINTS; k++)
        for (uint32_t s = 0; s < SYMBOLS; s++)
            p->point[k][s] = k == 0   ? lows[s]
                             : k == 1 ? highs[s]
                                      : lows[s] + next(p, (uint32_t)(highs[s] - lows[s] + 1));
    for (uint32_t s = 0; s < SYMBOLS; s++) {
        struct sample *leaf = &p->at[p->count++];
        leaf->dim = dim_symbol(&p->types, names[s], lows[s], highs[s]);
        for (uint32_t k = 0; k < POINTS; k++) leaf->value[k] = p->point[k][s];
    }
    for (int64_t c = -3; c <= 6; c++) {
        struct sample *leaf = &p->at[p->count++];
        leaf->dim = dim_const(&p->types, c);
        for (uint32_t k = 0; k < POINTS; k++) leaf->value[k] = c;
    }
}

static void test_random_expressions(uint64_t seed) {
    struct pool *p = calloc(1, sizeof *p);
    dim_id (*const build[])(struct types *, dim_id, dim_id) = {dim_add, dim_sub, dim_mul, dim_floor_div};
    types_init(&p->types);
    p->state = seed;
    add_leaves(p);
    for (uint32_t i = 0; i < 4 * POOL && p->count < POOL; i++) {
        uint32_t op = next(p, 4);
        const struct sample *a = &p->at[next(p, p->count)], *b = &p->at[next(p, p->count)];
        struct sample made = {build[op](&p->types, a->dim, b->dim), {0}};
        if (!made.dim.i) continue; /* out of range, or too large an expression */
        if (!CHECK(evaluate(op, a, b, made.value))) continue;
        check_sample(p, &made);
        p->at[p->count++] = made;
    }
    CHECK(p->count > 100);
    types_free(&p->types);
    free(p);
}

static void expect_text(struct types *t, dim_id dim, const char *want) {
    struct str text = {0};
    dim_print(t, dim, &text);
    CHECK_TEXT(str_text(&text), want);
    str_free(&text);
}

static void test_canonical_form(void) {
    struct types t;
    types_init(&t);
    dim_id h = dim_symbol(&t, "h", 1, 100), w = dim_symbol(&t, "w", 1, 100);
    dim_id one = dim_const(&t, 1), two = dim_const(&t, 2), four = dim_const(&t, 4);
    CHECK(dim_same(dim_add(&t, h, w), dim_add(&t, w, h)));
    CHECK(dim_same(dim_mul(&t, dim_add(&t, h, one), two), dim_add(&t, dim_add(&t, h, h), two)));
    CHECK(dim_same(dim_sub(&t, dim_add(&t, h, w), w), h));
    CHECK(dim_same(dim_mul(&t, h, dim_mul(&t, w, h)), dim_mul(&t, dim_mul(&t, h, h), w)));
    /* Multiples come out of the floor: (4h + w + 9) / 4 = h + (w + 1) / 4 + 2. */
    dim_id sum = dim_add(&t, dim_add(&t, dim_mul(&t, four, h), w), dim_const(&t, 9));
    dim_id quotient = dim_add(&t, dim_add(&t, h, two), dim_floor_div(&t, dim_add(&t, w, one), four));
    CHECK(dim_same(dim_floor_div(&t, sum, four), quotient));
    CHECK(dim_same(dim_floor_div(&t, h, h), one) && dim_same(dim_floor_div(&t, h, one), h));
    /* Bounds decide: h is at most 100. */
    CHECK(dim_same(dim_floor_div(&t, h, dim_const(&t, 101)), dim_const(&t, 0)));
    CHECK(dim_same(dim_floor_div(&t, dim_const(&t, -7), two), dim_const(&t, -4)));
    expect_text(&t, dim_sub(&t, dim_mul(&t, h, w), dim_const(&t, 3)), "h * w - 3");
    expect_text(&t, dim_floor_div(&t, dim_add(&t, h, one), two), "(h + 1) / 2");
    expect_text(&t, (dim_id){0}, "?");
    types_free(&t);
}

static void test_out_of_range(void) {
    struct types t;
    types_init(&t);
    dim_id none = {0}, h = dim_symbol(&t, "h", 0, DIM_MAX), most = dim_const(&t, INT64_MAX);
    CHECK(!dim_add(&t, most, dim_const(&t, 1)).i);
    CHECK(!dim_sub(&t, dim_const(&t, INT64_MIN), dim_const(&t, 1)).i);
    CHECK(!dim_sub(&t, dim_const(&t, 0), dim_const(&t, INT64_MIN)).i);
    CHECK(!dim_mul(&t, most, dim_const(&t, 2)).i);
    CHECK(!dim_add(&t, most, h).i); /* its upper bound */
    CHECK(!dim_mul(&t, dim_mul(&t, dim_mul(&t, h, h), h), h).i);
    CHECK(!dim_floor_div(&t, h, h).i && !dim_floor_div(&t, h, dim_const(&t, 0)).i);
    CHECK(!dim_floor_div(&t, h, dim_const(&t, -2)).i);
    CHECK(!dim_add(&t, none, h).i && !dim_mul(&t, h, none).i && !dim_floor_div(&t, none, h).i);
    CHECK(!dim_is_const(&t, none, NULL) && !dim_is_symbol(&t, none, NULL) && !dim_first_symbol(&t, none));
    types_free(&t);
}

static void test_bounds_meet(void) {
    struct types t;
    types_init(&t);
    dim_id h = dim_symbol(&t, "h", 2, 50), again = dim_symbol(&t, "h", 0, 20);
    CHECK(dim_same(h, again) && dim_lo(&t, h) == 2 && dim_hi(&t, h) == 20);
    struct types copy;
    types_copy(&copy, &t);
    types_free(&t);
    CHECK(dim_same(dim_symbol(&copy, "h", 0, DIM_MAX), h) && dim_hi(&copy, h) == 20);
    expect_text(&copy, dim_add(&copy, h, h), "2 * h");
    types_free(&copy);
}

int main(void) {
    for (uint64_t seed = 1; seed <= ROUNDS; seed++) test_random_expressions(seed);
    test_canonical_form();
    test_out_of_range();
    test_bounds_meet();
    return unit_status();
}
