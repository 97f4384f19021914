/* Attention against a loop in double that follows its definition. That its expansion into primitives agrees
 * is checked with all composites (op_samples.c). */
#include "test/support/op_apply.h"
#include "test/support/op_samples.h"
#include "test/support/unit.h"

#include <math.h>

struct attention_case {
    const char *what;
    int64_t n, t, s, heads, kv_heads, d, e;
    double scale; /* 0: the default */
    bool causal;
    uint32_t mask_rank;
    int64_t mask[4];
    bool mask_is_bool;
};

static const struct attention_case cases[] = {
    {"one head", 1, 3, 4, 1, 0, 5, 2, 0, false, 0, {0}, false},
    {"heads", 2, 3, 4, 3, 0, 2, 5, 0, false, 0, {0}, false},
    {"scale", 1, 3, 4, 2, 0, 4, 4, 0.3, false, 0, {0}, false},
    {"causal", 2, 5, 5, 2, 2, 3, 3, 0, true, 0, {0}, false},
    {"causal, more keys", 1, 3, 6, 2, 0, 3, 3, 0, true, 0, {0}, false},
    {"causal, fewer keys", 1, 6, 3, 1, 0, 3, 3, 0, true, 0, {0}, false},
    {"shared keys", 2, 3, 4, 6, 2, 3, 2, 0, false, 0, {0}, false},
    {"one head of keys", 1, 3, 4, 4, 1, 3, 2, 0, true, 0, {0}, false},
    {"mask [t, s]", 2, 3, 4, 2, 0, 3, 3, 0, false, 2, {3, 4}, false},
    {"mask [n, 1, 1, s]", 2, 3, 4, 2, 0, 3, 3, 0, false, 4, {2, 1, 1, 4}, false},
    {"mask [heads, t, 1]", 2, 3, 4, 2, 0, 3, 3, 0, false, 3, {2, 3, 1}, false},
    {"bool mask", 2, 3, 4, 2, 0, 3, 3, 0, true, 4, {2, 2, 3, 4}, true},
    {"scalar mask", 1, 3, 4, 2, 0, 3, 3, 0, false, 0, {0}, false},
    {"no queries", 1, 0, 4, 2, 0, 3, 3, 0, false, 0, {0}, false},
    {"no images", 0, 3, 4, 2, 0, 3, 3, 0, false, 0, {0}, false},
    {"no keys", 1, 3, 0, 2, 0, 3, 3, 0, false, 0, {0}, false}, /* a sum of nothing */
};

static double mask_at(const struct attention_case *t, const struct tensor *mask, const int64_t at[4]) {
    if (mask->elem == ELEM_NONE) return 0;
    int64_t i = 0;
    for (uint32_t d = 0; d < t->mask_rank; d++) {
        int64_t extent = t->mask[d], index = at[4 - t->mask_rank + d];
        i = i * extent + (extent == 1 ? 0 : index);
    }
    double value = tensor_get_f64(mask, i);
    return t->mask_is_bool ? (value != 0 ? 0 : -INFINITY) : value;
}

/* Element c of head h of position i. */
static double expected(const struct attention_case *t, const struct tensor *in, int64_t n, int64_t i,
                       int64_t h, int64_t c) {
    int64_t kv_heads = t->kv_heads ? t->kv_heads : t->heads, kv = h * kv_heads / t->heads;
    double scale = t->scale != 0 ? t->scale : 1 / sqrt((double)t->d), sum = 0, total = 0;
    for (int64_t j = 0; j < t->s; j++) {
        double score = 0;
        for (int64_t k = 0; k < t->d; k++)
            score += tensor_get_f64(&in[0], ((n * t->t + i) * t->heads + h) * t->d + k) *
                     tensor_get_f64(&in[1], ((n * t->s + j) * kv_heads + kv) * t->d + k);
        double weight = exp(score * scale + mask_at(t, &in[3], (const int64_t[]){n, h, i, j}));
        if (t->causal && j > i) weight = 0;
        total += weight;
        sum += weight * tensor_get_f64(&in[2], ((n * t->s + j) * kv_heads + kv) * t->e + c);
    }
    return t->s ? sum / total : 0;
}

static void attention(const struct attention_case *t, enum elem elem, double within, bool f64) {
    int64_t kv_heads = t->kv_heads ? t->kv_heads : t->heads;
    struct tensor in[4] = {tensor_random(elem, (const int64_t[]){t->n, t->t, t->heads * t->d}, 3, 1),
                           tensor_random(elem, (const int64_t[]){t->n, t->s, kv_heads * t->d}, 3, 2),
                           tensor_random(elem, (const int64_t[]){t->n, t->s, kv_heads * t->e}, 3, 3)};
    if (t->mask_rank) in[3] = tensor_random(t->mask_is_bool ? ELEM_bool : elem, t->mask, t->mask_rank, 4);
    if (t->mask_is_bool) /* every position sees something */
        for (int64_t i = 0; i < tensor_count(&in[3]); i++) tensor_set_i64(&in[3], i, i % 3 != 2);
    struct attr attrs[] = {INT(heads, t->heads), INT(kv_heads, t->kv_heads), FLOAT(scale, t->scale),
                           BOOL(causal, t->causal)};
    struct tensor y = op_apply(OP_attention, in, 4, attrs, 4, f64);
    CHECK(y.rank == 3 && y.dim[0] == t->n && y.dim[1] == t->t && y.dim[2] == t->heads * t->e);
    for (int64_t i = 0; i < tensor_count(&y); i++) {
        int64_t c = i % t->e, h = i / t->e % t->heads, position = i / (t->e * t->heads) % t->t,
                n = i / (t->e * t->heads * t->t);
        double want = expected(t, in, n, position, h, c), got = tensor_get_f64(&y, i);
        if (fabs(got - want) <= within) continue;
        fprintf(stderr, "%s: element %lld is %.9g, expected %.9g\n", t->what, (long long)i, got, want);
        unit_failures++;
        break;
    }
    tensor_free(&y);
    for (int i = 0; i < 4; i++) tensor_free(&in[i]);
}

static void types(void) {
    const struct attr heads = INT(heads, 4);
    const char *ok[] = {"f32[n, t, 8]", "f32[n, s, 8]", "f32[n, s, 12]", "f32[n, 1, 1, s]"};
    CHECK_TEXT(op_infer_text(OP_attention, ok, 4, &heads, 1), "f32[n, t, 12]");
    const char *odd[] = {"f32[n, t, 9]", "f32[n, s, 8]", "f32[n, s, 12]"};
    CHECK_TEXT(op_infer_text(OP_attention, odd, 3, &heads, 1),
               "attention: operand q has width 9, expected a multiple of 4 heads");
    const char *batch[] = {"f32[n, t, 8]", "f32[m, s, 8]", "f32[n, s, 12]"};
    CHECK_TEXT(op_infer_text(OP_attention, batch, 3, &heads, 1),
               "attention: operand k has shape [m, s, 8], expected extent n in dimension 0");
    const char *mask[] = {"f32[n, t, 8]", "f32[n, s, 8]", "f32[n, s, 8]", "f32[n, 2, t, s]"};
    CHECK_TEXT(op_infer_text(OP_attention, mask, 4, &heads, 1),
               "attention: operand mask has shape [n, 2, t, s], expected extent 4 in dimension 1");
    const char *width[] = {"f32[n, t, 8]", "f32[n, s, 12]", "f32[n, s, 8]"};
    CHECK_TEXT(op_infer_text(OP_attention, width, 3, &heads, 1),
               "attention: a head of operand k has width 3, expected 2 as those of q");
    CHECK_TEXT(op_infer_text(OP_attention, ok, 3, (struct attr[]){INT(heads, 4), INT(kv_heads, 3)}, 2),
               "attention: kv_heads is 3, expected 0 or a divisor of heads = 4");
    CHECK_TEXT(op_infer_text(OP_attention, ok, 3, (struct attr[]){INT(heads, 0)}, 1),
               "attention: heads is 0, expected 1 to 1073741824");
}

/* More scores than are taken at a time: two pieces of queries. */
static const struct attention_case long_case = {"long", 1, 3, 1 << 19, 1, 0, 1, 1, 0, true, 2, {3, 1}, false};

int main(void) {
    attention(&long_case, ELEM_f32, 1e-4, false);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        attention(&cases[i], ELEM_f32, 1e-6, false);
        attention(&cases[i], ELEM_f32, 1e-14, true);
        attention(&cases[i], ELEM_f64, 1e-14, false);
        attention(&cases[i], ELEM_f16, 1e-3, false);
    }
    types();
    return unit_status();
}
