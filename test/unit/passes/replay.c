/* Replays: the moments against sums written out, the reference, changed weights, samples that do not fit. */
#include "passes/gram.h"
#include "test/support/op_apply.h"
#include "test/support/op_samples.h"
#include "test/support/unit.h"

#include <math.h>
#include <stdlib.h>

static const struct loc nowhere;
enum { SAMPLES = 3, CHANNELS = 4, SIDE = 5, DEPTH = CHANNELS / 2 * 9 };
static const int64_t image[] = {1, CHANNELS, SIDE, SIDE};

static enum status read_random(void *ctx, uint32_t i, struct tensor *out, struct diag *diag) {
    (void)ctx;
    (void)diag;
    out[0] = tensor_random(ELEM_f32, image, 4, i + 1);
    return STATUS_OK;
}

static value_id parameter(struct module *m, const char *name, const int64_t *dim, uint32_t rank,
                          unsigned seed) {
    return module_parameter(m, module_add_weight(m, name, tensor_random(ELEM_f32, dim, rank, seed), nowhere));
}

/* y = relu(conv(conv(x, u), v)): the second sees what the first makes; two groups, stride, dilation, padding.
 */
static struct module *model(struct diag *diag) {
    struct module *m = module_new("two");
    value_id x = module_add_input(m, "x", type_make(ELEM_f32, dims_from_ints(&m->types, image, 4)), nowhere);
    value_id u = parameter(m, "u", (const int64_t[]){CHANNELS, CHANNELS, 1, 1}, 4, 10);
    value_id v = parameter(m, "v", (const int64_t[]){6, CHANNELS / 2, 3, 3}, 4, 11);
    struct builder b = builder_at_end(m, m->root, diag);
    value_id h = build(&b, OP_conv2d, (const value_id[]){x, u}, 2, NULL, 0, "h");
    const struct attr attrs[] = {attr_int(ATTR_groups, 2),
                                 attr_ints(m, ATTR_stride, (const int64_t[]){2, 1}, 2),
                                 attr_ints(m, ATTR_dilation, (const int64_t[]){1, 2}, 2),
                                 attr_ints(m, ATTR_pad, (const int64_t[]){1, 2, 0, 1}, 4)};
    value_id y = build(&b, OP_conv2d, (const value_id[]){h, v}, 2, attrs, 4, "y");
    module_add_output(m, "z", build(&b, OP_relu, &y, 1, NULL, 0, "z"));
    return m;
}

struct visit {
    double moment[2][DEPTH][DEPTH], cross[2][DEPTH][DEPTH]; /* summed here, in plain loops */
    bool seen, shared;
    uint32_t samples;
};

/* What tap d of the group sees at position (y, x) of the result. */
static double seen_by(const struct tensor *h, int group, int d, int y, int x) {
    int c = group * CHANNELS / 2 + d / 9, row = y * 2 - 1 + d / 3 % 3, column = x - 2 + d % 3 * 2;
    if (row < 0 || row >= SIDE || column < 0 || column >= SIDE) return 0;
    return (double)((const float *)h->data)[(c * SIDE + row) * SIDE + column];
}

static void sum_plainly(const struct replay *r, value_id h, struct visit *v) {
    for (uint32_t s = 0; s < replay_samples(r); s++)
        for (int at = 0; at < 2 * 2 * 4 * DEPTH * DEPTH; at++) { /* groups, rows, columns, pairs */
            int i = at % DEPTH, j = at / DEPTH % DEPTH, p = at / DEPTH / DEPTH % 8,
                g = at / DEPTH / DEPTH / 8;
            double own = seen_by(replay_value(r, s, h), g, j, p / 4, p % 4);
            v->moment[g][i][j] += seen_by(replay_value(r, s, h), g, i, p / 4, p % 4) * own;
            v->cross[g][i][j] += seen_by(replay_reference(r, s, h), g, i, p / 4, p % 4) * own;
        }
}

static enum status look(void *ctx, struct replay *r, op_id id) {
    struct visit *v = ctx;
    const struct module *m = replay_types(r);
    const struct op *op = op_get(m, id);
    struct columns c;
    struct gram g;
    if (!columns_of(m, op, &c)) return STATUS_OK;
    if (c.groups == 1) { /* halve the first kernel */
        weight_id w = value_get(m, c.weight)->weight;
        struct tensor half = tensor_copy(replay_original(r, w));
        for (int64_t i = 0; i < tensor_count(&half); i++) ((float *)half.data)[i] /= 2;
        v->shared = replay_reference(r, 0, c.input) == replay_value(r, 0, c.input);
        replay_set_weight(r, w, half);
        return STATUS_OK;
    }
    v->seen = true;
    v->samples = replay_samples(r);
    CHECK(c.depth == DEPTH && c.rows == 3 && columns_count(&c, replay_value(r, 0, c.input)) == 2 * 4);
    TRY(gram_measure(r, &c, GRAM_OWN | GRAM_CROSS, 0, &g));
    CHECK(g.columns == 8 * replay_samples(r));
    sum_plainly(r, c.input, v);
    for (int k = 0; k < 2 * DEPTH * DEPTH; k++) {
        double own = ((double *)v->moment)[k], cross = ((double *)v->cross)[k];
        CHECK(fabs(g.own[k] - own) < 1e-4 && fabs(g.cross[k] - cross) < 1e-4);
        CHECK(fabs(cross - 2 * own) < 1e-4); /* the reference is twice as large */
    }
    gram_free(&g);
    return STATUS_OK;
}

static enum status look_at_the_end(void *ctx, struct replay *r) {
    (void)ctx;
    value_id z = replay_types(r)->outputs.at[0].value;
    struct value_range range = replay_range(r, z);
    uint64_t counts[4], sum = 0;
    CHECK(range.lo >= 0 && range.hi > 0 && range.count == 6 * 8 * (int64_t)replay_samples(r));
    replay_histogram(r, z, 0, range.hi, 4, counts);
    for (int i = 0; i < 4; i++) sum += counts[i];
    CHECK((int64_t)sum == range.count && counts[3] > 0);
    for (int64_t i = 0; i < 6 * 8; i++) {
        double own = (double)((float *)replay_value(r, 0, z)->data)[i];
        CHECK(fabs((double)((float *)replay_reference(r, 0, z)->data)[i] - 2 * own) < 1e-5);
    }
    return STATUS_OK;
}

static void moments(uint64_t budget, uint32_t expected) {
    struct diag diag = {0};
    struct module *m = model(&diag);
    struct visit *v = xcalloc(1, sizeof *v);
    struct sample_source data = {SAMPLES, read_random, NULL};
    struct replay_options options = {.pass = "test", .data = &data, .budget = budget, .reference = true};
    struct replay_visitor visitor = {.before = look, .finish = look_at_the_end, .ctx = v};
    CHECK(replay_run(m, &options, &visitor, &diag) == STATUS_OK);
    CHECK(v->seen && v->shared && v->samples == expected);
    CHECK((diag.remarks.count != 0) == (expected != SAMPLES));
    free(v);
    module_free(m);
    diag_free(&diag);
}

/* Samples of another shape than the model's input are the source's fault, and an error. */
static enum status read_small(void *ctx, uint32_t i, struct tensor *out, struct diag *diag) {
    (void)ctx;
    (void)i;
    (void)diag;
    out[0] = tensor_random(ELEM_f32, (const int64_t[]){1, CHANNELS, SIDE, 1}, 4, 1);
    return STATUS_OK;
}

static void wrong_shape(void) {
    struct diag diag = {0};
    struct module *m = model(&diag);
    struct sample_source data = {SAMPLES, read_small, NULL};
    struct replay_options options = {.pass = "test", .data = &data};
    CHECK(replay_run(m, &options, &(struct replay_visitor){0}, &diag) == STATUS_FAILED && diag.errors == 1);
    module_free(m);
    diag_free(&diag);
}

int main(void) {
    moments(0, SAMPLES);
    moments(5000, 2); /* a sample's values in both networks take about 2000 bytes at most */
    moments(1, 1);
    wrong_shape();
    return unit_status();
}
