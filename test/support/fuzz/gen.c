#include "test/support/fuzz/gen.h"

#include "ir/interp.h"
#include "test/support/fuzz/edit.h"
#include "test/support/op_samples.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* -- chance -- */
uint64_t gen_below(struct gen *g, uint64_t n) {
    return fuzz_below(&g->state, n);
}
bool gen_chance(struct gen *g, unsigned percent) {
    return gen_below(g, 100) < percent;
}
int64_t gen_between(struct gen *g, int64_t lo, int64_t hi) {
    return lo + (int64_t)gen_below(g, (uint64_t)(hi - lo + 1));
}

int64_t gen_extent(struct gen *g, int64_t most) {
    static const int64_t edges[] = {1, 1, 1, 1,  2,  2,  2,  3,  3,  3,  4,  4,  5,  5,  6,  7,  7, 8,
                                    8, 9, 9, 12, 13, 15, 16, 16, 17, 17, 24, 31, 32, 33, 63, 64, 65};
    static const int64_t rare[] = {10,  11,  14,  18,  19,  23,  29,  37,  47,  48,  49,  61,   95,   96,  97,
                                   127, 128, 129, 131, 160, 255, 256, 257, 509, 512, 521, 1000, 1023, 1025};
    if (gen_below(g, 120) == 0) return 0;
    for (int tries = 0; tries < 8; tries++) {
        int64_t extent =
            gen_chance(g, 12) ? rare[gen_below(g, COUNT_OF(rare))] : edges[gen_below(g, COUNT_OF(edges))];
        if (extent <= most) return extent;
    }
    return 1;
}

void gen_shape(struct gen *g, uint32_t rank, int64_t most, int64_t *dim) {
    if (rank > 1 && gen_chance(g, 7)) { /* all alike, so that nothing tells dimensions apart */
        int64_t extent = gen_between(g, 2, rank < 3 ? 9 : 6);
        for (uint32_t i = 0; i < rank; i++) dim[i] = extent <= most ? extent : 1, most /= extent;
        return;
    }
    uint32_t first =
        rank ? (uint32_t)gen_below(g, rank) : 0; /* so that no dimension is always the small one */
    for (uint32_t i = 0; i < rank; i++) {
        int64_t *d = &dim[(first + i) % rank];
        *d = gen_extent(g, most);
        if (*d > 1) most /= *d;
    }
}

static elem_set narrowed(const struct gen *g, elem_set set) {
    return set & g->only ? set & g->only : set;
}

enum elem gen_elem(struct gen *g, elem_set set) {
    static const enum elem ints[] = {ELEM_i32, ELEM_i64, ELEM_i32, ELEM_i64, ELEM_i8,
                                     ELEM_u8,  ELEM_i16, ELEM_u16, ELEM_u32, ELEM_u64};
    static const enum elem floats[] = {ELEM_f32, ELEM_f32, ELEM_f16, ELEM_bf16, ELEM_f64};
    set = narrowed(g, set);
    if (elem_in(g->main_elem, set) && gen_chance(g, 80)) return g->main_elem;
    for (int tries = 0; tries < 50; tries++) {
        uint64_t r = gen_below(g, 10);
        enum elem elem = r < 5   ? floats[gen_below(g, COUNT_OF(floats))]
                         : r < 9 ? ints[gen_below(g, COUNT_OF(ints))]
                                 : ELEM_bool;
        if (elem_in(elem, set)) return elem;
    }
    for (enum elem e = ELEM_NONE + 1; e < ELEM_COUNT; e++)
        if (elem_in(e, set)) return e;
    bug("a rule asks for no element type");
}

/* -- the pool -- */
enum elem gen_elem_of(const struct gen *g, value_id v) {
    return value_get(g->m, v)->type.elem;
}

uint32_t gen_dims(const struct gen *g, value_id v, int64_t dim[MAX_RANK]) {
    struct type type = value_get(g->m, v)->type;
    check(type_static(&g->m->types, type, dim));
    return type_rank(&g->m->types, type);
}

const struct gen_value *gen_value_of(const struct gen *g, value_id v) {
    for (uint32_t i = g->pool.count; i-- > 0;)
        if (value_same(g->pool.at[i].id, v)) return &g->pool.at[i];
    bug("value %s is not in the pool", value_get(g->m, v)->name);
}

static void measure(struct gen_value *v) {
    v->lo = INFINITY;
    v->hi = -INFINITY;
    bool real = elem_is_float(v->data.elem);
    for (int64_t i = 0, n = tensor_count(&v->data); i < n; i++) {
        double x = real ? tensor_get_f64(&v->data, i) : (double)tensor_get_i64(&v->data, i);
        v->lo = fmin(v->lo, x);
        v->hi = fmax(v->hi, x);
    }
}

/* Takes the data over. */
static void enter(struct gen *g, value_id id, struct tensor data, bool leaf) {
    struct gen_value *v = vec_push(&g->pool);
    *v = (struct gen_value){.id = id, .data = data, .leaf = leaf};
    if (elem_is_float(data.elem) && data.elem != ELEM_f64) {
        v->data = tensor_cast(&data, ELEM_f64);
        tensor_free(&data);
    }
    measure(v);
}

static bool is_quantized(const struct gen *g, value_id v) {
    return value_get(g->m, v)->type.quant.i != 0;
}

static bool fits(const struct gen *g, const struct gen_value *v, const struct gen_want *want) {
    struct type type = value_get(g->m, v->id)->type;
    uint32_t rank = type_rank(&g->m->types, type);
    return is_quantized(g, v->id) == want->quantized && elem_in(type.elem, want->elems) &&
           rank >= want->min_rank && rank <= want->max_rank &&
           (!want->nonempty || tensor_count(&v->data) > 0) &&
           (!want->bounded || (v->lo >= want->lo && v->hi <= want->hi));
}

value_id gen_find(struct gen *g, struct gen_want want) {
    uint32_t n = g->pool.count;
    want.elems = narrowed(g, want.elems);
    for (int tries = 0; n && tries < 12; tries++) {
        /* Half of the time one of the last few, so that ops make chains. */
        uint64_t back = gen_chance(g, 50) ? gen_below(g, n < 4 ? n : 4) : gen_below(g, n);
        const struct gen_value *v = &g->pool.at[n - 1 - back];
        if (fits(g, v, &want) && !(v->leaf && gen_chance(g, 30))) return v->id;
    }
    return (value_id){0};
}

value_id gen_pick(struct gen *g, struct gen_want want) {
    value_id found = gen_chance(g, 93) ? gen_find(g, want) : (value_id){0};
    if (found.i) return found;
    int64_t dim[MAX_RANK];
    uint32_t usual = gen_chance(g, 20) ? MAX_RANK : 5, most = want.max_rank < usual ? want.max_rank : usual;
    uint32_t rank = (uint32_t)gen_between(g, want.min_rank, most);
    gen_shape(g, rank, GEN_MAX_ELEMENTS / 2, dim);
    for (uint32_t i = 0; i < rank; i++)
        if (want.nonempty && !dim[i]) dim[i] = 1;
    bool positive = want.bounded && want.lo >= 0;
    return gen_leaf(g, positive ? FUZZ_POSITIVE : NULL, gen_elem(g, want.elems), rank, dim);
}

/* -- leaves -- */
value_id gen_number(struct gen *g, enum elem elem, double value) {
    struct tensor t = tensor_scalar_f64(elem, value);
    value_id v = module_add_literal(g->m, tensor_copy(&t));
    enter(g, v, t, true);
    vec_last(&g->pool).leaf = true;
    return v;
}

static value_id literal(struct gen *g, const char *name, enum elem elem, uint32_t rank, const int64_t *dim) {
    struct tensor t = tensor_new(elem, rank, dim);
    fuzz_fill(&t, name ? name : "", gen_below(g, 1 << 20), 0, 0);
    value_id v = module_add_literal(g->m, tensor_copy(&t));
    enter(g, v, t, true);
    return v;
}

static struct type type_of(struct gen *g, enum elem elem, uint32_t rank, const int64_t *dim) {
    return type_make(elem, dims_from_ints(&g->m->types, dim, rank));
}

/* Most names are plain; in some graphs they are what ONNX allows: equal when made into identifiers, too. */
static const char *gen_name(struct gen *g, const char *name) {
    static const char *const odd[] = {
        "/a:0", ":a/0", " b c", "\"q\"", "=1", "int", "{\"x\": 1}", "\xc3\xa9\xe2\x86\x92",
        "\\n",  "#",    ".w",   "",      "-1", "'",   "@a"};
    if (!g->odd_names) return name;
    return arena_printf(&g->m->arena, "%s%s", name, odd[gen_below(g, COUNT_OF(odd))]);
}

static value_id weight(struct gen *g, const char *name, struct type type, double lo, double hi) {
    value_id v = fuzz_weight(g->m, gen_name(g, name), type, (uint32_t)gen_below(g, 1000), lo, hi);
    enter(g, v, tensor_copy(&weight_get(g->m, value_get(g->m, v)->weight)->tensor), true);
    return v;
}

static value_id weight_with_zeros(struct gen *g, struct type type, double hi) {
    enum fuzz_zeros zeros = (enum fuzz_zeros)gen_below(g, FUZZ_ZEROS);
    value_id v =
        fuzz_weight_with_zeros(g->m, gen_name(g, "w"), type, (uint32_t)gen_below(g, 1000), hi, zeros);
    enter(g, v, tensor_copy(&weight_get(g->m, value_get(g->m, v)->weight)->tensor), true);
    return v;
}

/* A weight that something else reads as well. */
static value_id weight_again(struct gen *g, struct type type) {
    for (uint32_t i = 0; i < g->pool.count; i++) {
        const struct value *v = value_get(g->m, g->pool.at[i].id);
        if (v->kind == VALUE_PARAMETER && type_same(v->type, type)) return g->pool.at[i].id;
    }
    return (value_id){0};
}

static value_id input(struct gen *g, const char *name, struct type type, int64_t index_limit) {
    value_id v = module_add_input(g->m, gen_name(g, name), type, (struct loc){0});
    struct tensor t = tensor_new_of(&g->m->types, type);
    fuzz_fill(&t, value_get(g->m, v)->name, g->seed, 0, index_limit);
    enter(g, v, t, true);
    return v;
}

value_id gen_leaf(struct gen *g, const char *name, enum elem elem, uint32_t rank, const int64_t *dim) {
    int64_t count = 1;
    for (uint32_t i = 0; i < rank; i++) count *= dim[i];
    if (count > 0 && count <= 6 && gen_chance(g, rank ? 15 : 50)) return literal(g, name, elem, rank, dim);
    struct type type = type_of(g, elem, rank, dim);
    if (gen_chance(g, 35)) {
        bool above_zero = name || elem_kind(elem) == ELEM_KIND_UINT;
        if (elem_is_float(elem)) return weight(g, name ? name : "w", type, above_zero ? 0.25 : -1.5, 1.5);
        if (gen_chance(g, 30)) /* the whole range */
            return weight(g, name ? name : "w", type,
                          above_zero ? 0 : -ldexp(1, 8 * (int)elem_bytes(elem) - 1),
                          ldexp(1, 8 * (int)elem_bytes(elem) - !above_zero));
        return weight(g, name ? name : "w", type, above_zero ? 0 : -6, 7);
    }
    return input(g, name ? name : "x", type, 0);
}

value_id gen_parameter(struct gen *g, enum elem elem, uint32_t rank, const int64_t *dim, int64_t fan_in) {
    struct type type = type_of(g, elem, rank, dim);
    if (gen_chance(g, g->network ? 2 : 12)) return input(g, "x", type, 0);
    value_id again = gen_chance(g, g->network ? 4 : 10) ? weight_again(g, type) : (value_id){0};
    if (again.i) return again;
    double hi = elem_is_float(elem) ? sqrt(3.0 / (double)max_i64(fan_in, 1)) : 5;
    if (elem == ELEM_f16 || elem == ELEM_bf16) hi = (double)(float)hi;
    if (rank > 1 && elem_is_float(elem) && gen_chance(g, 8)) return weight_with_zeros(g, type, hi);
    return weight(g, "w", type, elem_kind(elem) == ELEM_KIND_UINT ? 0 : -hi, hi);
}

value_id gen_input(struct gen *g, const char *name, enum elem elem, uint32_t rank, const int64_t *dim) {
    return input(g, name ? name : "x", type_of(g, elem, rank, dim), 0);
}

value_id gen_indices(struct gen *g, uint32_t rank, const int64_t *dim, int64_t limit) {
    enum elem elem = gen_chance(g, 50) ? ELEM_i32 : ELEM_i64;
    return input(g, "index", type_of(g, elem, rank, dim), limit);
}

/* -- broadcasting partners -- */
static bool broadcasts(const int64_t *a, uint32_t a_rank, const int64_t *b, uint32_t b_rank) {
    int64_t count = 1;
    for (uint32_t i = 0; i < a_rank || i < b_rank; i++) { /* from the last dimension */
        int64_t x = i < a_rank ? a[a_rank - 1 - i] : 1, y = i < b_rank ? b[b_rank - 1 - i] : 1;
        if (x != y && x != 1 && y != 1) return false;
        count *= x == 1 ? y : x;
    }
    return count <= GEN_MAX_ELEMENTS;
}

static value_id partner_in_pool(struct gen *g, const int64_t *dim, uint32_t rank, enum elem elem) {
    for (int tries = 0; tries < 10; tries++) {
        const struct gen_value *v = &g->pool.at[gen_below(g, g->pool.count)];
        int64_t other[MAX_RANK];
        uint32_t other_rank = gen_dims(g, v->id, other);
        if (!is_quantized(g, v->id) && gen_elem_of(g, v->id) == elem &&
            broadcasts(dim, rank, other, other_rank))
            return v->id;
    }
    return (value_id){0};
}

value_id gen_partner_of(struct gen *g, value_id like, enum elem elem) {
    int64_t dim[MAX_RANK], made[MAX_RANK];
    uint32_t rank = gen_dims(g, like, dim);
    value_id found = gen_chance(g, 65) ? partner_in_pool(g, dim, rank, elem) : (value_id){0};
    if (found.i) return found;
    uint32_t dropped = gen_chance(g, 40) ? (uint32_t)gen_below(g, rank + 1) : 0, n = 0;
    if (!dropped && rank < 5 && gen_chance(g, 8)) made[n++] = gen_between(g, 1, 3);
    for (uint32_t i = dropped; i < rank; i++) made[n++] = gen_chance(g, 25) ? 1 : dim[i];
    if (n && gen_chance(g, 15)) { /* the other side repeats */
        uint32_t i = (uint32_t)gen_below(g, n);
        if (made[i] == 1 && (n - i > rank || dim[rank - (n - i)] == 1)) made[i] = gen_extent(g, 9);
    }
    if (!broadcasts(dim, rank, made, n)) n = 0;
    return gen_leaf(g, NULL, elem, n, made);
}

value_id gen_partner(struct gen *g, value_id like) {
    return gen_partner_of(g, like, gen_elem_of(g, like));
}

/* -- ops -- */
static bool worth_keeping(const struct gen *g, value_id id, const struct gen_value *v) {
    enum elem elem = gen_elem_of(g, id);
    if (!elem_is_float(elem)) return true;
    double most = elem == ELEM_f16 ? 2000 : 20000;
    for (int64_t i = 0, n = tensor_count(&v->data); i < n; i++)
        if (!isfinite(tensor_get_f64(&v->data, i))) return false;
    return tensor_count(&v->data) == 0 || (v->lo >= -most && v->hi <= most);
}

static bool small_enough(const struct gen *g, const struct op *op) {
    for (uint32_t r = 0; r < op->result_count; r++)
        if (type_count(&g->m->types, value_get(g->m, op->result[r])->type) > GEN_MAX_ELEMENTS) return false;
    return true;
}

static void erase_last(struct gen *g, op_id op) {
    module_erase_op(g->m, op);
    module_compact(g->m);
    g->dropped++;
}

/* Evaluates the op and enters its results, or takes it out again. */
static bool evaluate(struct gen *g, op_id id) {
    const struct op *op = op_get(g->m, id);
    const struct tensor *in[64];
    struct tensor out[MAX_RESULTS];
    check(op->operand_count <= COUNT_OF(in));
    for (uint32_t i = 0; i < op->operand_count; i++)
        in[i] = op->operand[i].i ? &gen_value_of(g, op->operand[i])->data : NULL;
    if (interp_op(g->m, op, in, true, out, &g->diag) != STATUS_OK) {
        diag_print(&g->diag, stderr);
        bug("the interpreter refuses an op of the generator");
    }
    bool keep = true;
    uint32_t first = g->pool.count;
    for (uint32_t r = 0; r < op->result_count; r++) {
        enter(g, op->result[r], out[r], false);
        keep = keep && worth_keeping(g, op->result[r], &vec_last(&g->pool));
    }
    while (!keep && g->pool.count > first) tensor_free(&vec_pop(&g->pool).data);
    return keep;
}

value_id gen_op(struct gen *g, enum op_kind kind, const value_id *operands, uint32_t count,
                const struct attr *attrs, uint32_t attr_count) {
    uint32_t required;
    op_info_operands(op_info(kind), &required);
    for (uint32_t i = 0; i < required; i++)
        if (!operands[i].i) return (value_id){0};
    op_id id = build_op(&g->b, kind, operands, count, attrs, attr_count, NULL);
    if (!id.i) {
        diag_print(&g->diag, stderr);
        bug("a rule of the generator makes a wrong %s (seed %llu)", op_info(kind)->name,
            (unsigned long long)g->seed);
    }
    if (!small_enough(g, op_get(g->m, id)) || !evaluate(g, id)) {
        erase_last(g, id);
        return (value_id){0};
    }
    g->ops++;
    return op_get(g->m, id)->result[0];
}

value_id gen_unary(struct gen *g, enum op_kind kind, value_id x) {
    struct attr attrs[4];
    return gen_op(g, kind, &x, 1, attrs, gen_pointwise_attrs(g, kind, attrs));
}

value_id gen_binary(struct gen *g, enum op_kind kind, value_id a, value_id b) {
    return gen_op(g, kind, (value_id[]){a, b}, 2, NULL, 0);
}

/* -- a whole graph -- */
/* One of the element types of the op, all alike, so that the seldom ones are not missed. */
static elem_set any_type(struct gen *g, enum op_kind kind) {
    for (;;) {
        enum elem elem = (enum elem)gen_between(g, ELEM_NONE + 1, ELEM_COUNT - 1);
        if (elem_in(elem, op_info(kind)->elems & ELEMS_ANY)) return ELEM_BIT(elem);
    }
}

static void grow(struct gen *g) {
    uint32_t wanted = (uint32_t)(gen_chance(g, 25) ? gen_between(g, 1, 3) : gen_between(g, 3, 16));
    for (uint32_t tries = 0; g->ops < wanted && tries < 10 * wanted; tries++) {
        if (gen_chance(g, 22)) {
            gen_pattern(g);
            continue;
        }
        enum op_kind kind = (enum op_kind)gen_between(g, OP_NONE + 1, OP_COUNT - 1);
        /* Contractions are what the compiler is for. */
        if (gen_chance(g, 15)) {
            static const enum op_kind often[] = {OP_conv2d, OP_linear, OP_matmul, OP_conv1d, OP_conv2d};
            kind = often[gen_below(g, COUNT_OF(often))];
        }
        if (gen_chance(g, 20)) g->only = any_type(g, kind);
        gen_rule_of(kind)(g, kind);
        g->only = 0;
    }
}

static void add_output(struct gen *g, value_id v) {
    const char *name = arena_printf(&g->m->arena, "y%u", g->m->outputs.count);
    module_add_output(g->m, gen_name(g, name), v);
}

/* Everything that nobody reads, something in between, and now and then what makes outputs hard: inputs,
 * constants, the same value twice. */
static void choose_outputs(struct gen *g) {
    uint32_t *uses = module_count_uses(g->m);
    for (uint32_t i = 0; i < g->pool.count; i++) {
        const struct gen_value *v = &g->pool.at[i];
        bool unread = uses[v->id.i] == 0 && !v->leaf;
        unsigned percent = unread ? 97 : g->network ? 0 : v->leaf ? 3 : 7;
        if (gen_chance(g, percent)) add_output(g, v->id);
        if (gen_chance(g, unread ? 4 : g->network ? 0 : 1)) add_output(g, v->id); /* twice */
    }
    free(uses);
    if (!g->m->outputs.count && g->pool.count) add_output(g, vec_last(&g->pool).id);
}

void gen_begin(struct gen *g, uint64_t seed, const char *name) {
    *g = (struct gen){.m = module_new(name), .seed = seed, .state = seed * 0x9e3779b97f4a7c15u + 1};
    g->b = builder_at_end(g->m, g->m->root, &g->diag);
}

struct module *gen_end(struct gen *g) {
    choose_outputs(g);
    struct edit edit = {.keep_dead = gen_chance(g, 10), .keep_inputs = gen_chance(g, 15)};
    struct module *m = edit_apply(g->m, &edit, &g->diag);
    check(m);
    for (uint32_t i = 0; i < g->pool.count; i++) tensor_free(&g->pool.at[i].data);
    vec_free(&g->pool);
    diag_free(&g->diag);
    module_free(g->m);
    return m;
}

struct module *gen_module(uint64_t seed, uint64_t made[GEN_PATTERNS]) {
    uint64_t ignored[GEN_PATTERNS] = {0};
    struct gen g;
    gen_begin(&g, seed, "fuzz");
    g.made = made ? made : ignored;
    g.odd_names = seed % 16 == 5;
    static const enum elem mains[] = {ELEM_f32, ELEM_f32, ELEM_f32, ELEM_f32, ELEM_f32,  ELEM_f32, ELEM_f32,
                                      ELEM_f32, ELEM_f32, ELEM_f32, ELEM_f16, ELEM_bf16, ELEM_f64};
    static const enum elem whole[] = {ELEM_i8,  ELEM_u8,  ELEM_i16, ELEM_u16,
                                      ELEM_i32, ELEM_u32, ELEM_i64, ELEM_u64};
    g.main_elem =
        seed % 8 == 6 ? whole[gen_below(&g, COUNT_OF(whole))] : mains[gen_below(&g, COUNT_OF(mains))];
    if (seed % 120 == 77) gen_long_chain(&g);
    while (!g.ops) grow(&g);
    return gen_end(&g);
}
