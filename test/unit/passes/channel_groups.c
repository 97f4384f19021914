/* Channel groups of small networks, counted by hand, and removal: what is left computes the original with the
 * removed channels masked, bit for bit, because weights and inputs are small integers. */
#include "passes/channel_groups.h"
#include "frontend/read.h"
#include "ir/interp.h"
#include "ir/verify.h"
#include "test/support/mask_channels.h"
#include "test/support/unit.h"

#include <stdlib.h>

static struct module *parse(const char *text, struct diag *diag) {
    struct read_options options = {.missing = MISSING_IS_RANDOM};
    struct module *m = NULL;
    if (read_adz_text("test.adz", text, strlen(text), &options, diag, &m) != STATUS_OK)
        diag_print(diag, stderr);
    CHECK(m != NULL);
    return m;
}

static void fill_small_integers(struct tensor *t, uint64_t seed) {
    for (int64_t i = 0; i < tensor_count(t); i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        tensor_set_i64(t, i, (int64_t)(seed >> 60) - 8);
    }
}

/* Weights that the module owns, so that channels can be zeroed in place. */
static void own_weights(struct module *m) {
    for (uint32_t w = 1; w < m->weights.count; w++) {
        struct tensor mine = tensor_copy(&m->weights.at[w].tensor);
        fill_small_integers(&mine, w);
        tensor_free(&m->weights.at[w].tensor);
        m->weights.at[w].tensor = mine;
    }
}

static struct tensor run(const struct module *m, struct diag *diag) {
    struct tensor in[4], out[4] = {{0}};
    struct interp_options options = {0};
    for (uint32_t i = 0; i < m->inputs.count; i++) {
        in[i] = tensor_new_of(&m->types, value_get(m, m->inputs.at[i])->type);
        fill_small_integers(&in[i], 99 + i);
    }
    CHECK(interp_run(m, in, &options, out, diag) == STATUS_OK);
    for (uint32_t i = 0; i < m->inputs.count; i++) tensor_free(&in[i]);
    return out[0];
}

/* `sizes`: sets of each group, in order. Removes every other set of every group and compares. */
static void expect(const char *what, const char *text, uint32_t count, const uint32_t *sizes) {
    struct diag diag = {0};
    struct module *m = parse(text, &diag);
    if (!m) return;
    own_weights(m);
    struct channel_groups groups;
    channel_groups_find(m, &groups);
    if (!CHECK(groups.groups.count == count)) fprintf(stderr, "%s: %u groups\n", what, groups.groups.count);
    bool *remove = calloc(groups.sets.count + 1, sizeof *remove);
    for (uint32_t g = 0; g < groups.groups.count; g++) {
        const struct channel_group *group = &groups.groups.at[g];
        if (g < count && !CHECK(group->sets == sizes[g]))
            fprintf(stderr, "%s: group %u has %u sets\n", what, g, group->sets);
        for (uint32_t s = 1; s < group->sets; s += 2) remove[group->first_set + s] = true;
    }
    struct module *with_masks = mask_channels(m, &groups, remove, &diag);
    struct tensor masked = run(with_masks, &diag);
    module_free(with_masks);
    CHECK(channels_remove(m, &groups, remove, &diag) == STATUS_OK);
    CHECK(verify_module(m, true, &diag) == STATUS_OK);
    struct tensor pruned = run(m, &diag);
    if (!CHECK(tensor_equal(&masked, &pruned))) fprintf(stderr, "%s: another function\n", what);
    diag_print(&diag, stderr);
    tensor_free(&masked);
    tensor_free(&pruned);
    free(remove);
    channel_groups_free(&groups);
    module_free(m);
    diag_free(&diag);
}

#define EXPECT(what, text, ...)                                                                              \
    expect(what, text, COUNT_OF(((uint32_t[]){__VA_ARGS__})), (uint32_t[]){__VA_ARGS__})

int main(void) {
    EXPECT("a chain",
           "model t\ninput x: f32[1, 3, 6, 6]\nweight a: f32[8, 3, 3, 3] = random(1)\nweight b: f32[8] = "
           "random(1)\n"
           "weight c: f32[4, 8, 1, 1] = random(1)\noutput y = conv2d(relu(conv2d(x, a, b, pad = 1)), c)\n",
           8);
    EXPECT("a residual",
           "model t\ninput x: f32[1, 3, 6, 6]\nweight a: f32[8, 3, 1, 1] = random(1)\nweight b: f32[6, 8, 1, "
           "1] = random(1)\n"
           "weight c: f32[8, 6, 1, 1] = random(1)\nweight d: f32[2, 8, 1, 1] = random(1)\n"
           "s = conv2d(x, a)\nr = s + conv2d(relu(conv2d(s, b)), c)\noutput y = conv2d(r, d)\n",
           8, 6);
    EXPECT("concat and split",
           "model t\ninput x: f32[1, 3, 4, 4]\nweight a: f32[4, 3, 1, 1] = random(1)\nweight b: f32[6, 3, 1, "
           "1] = random(1)\n"
           "weight c: f32[2, 7, 1, 1] = random(1)\nweight d: f32[2, 3, 1, 1] = random(1)\n"
           "j = concat(conv2d(x, a), conv2d(x, b), axis = 1)\np, q = split(j, axis = 1, sizes = [7, 3])\n"
           "output y = conv2d(p, c) + conv2d(q, d)\n",
           4, 3, 3);
    EXPECT("a depthwise chain",
           "model t\ninput x: f32[1, 3, 6, 6]\nweight a: f32[8, 3, 1, 1] = random(1)\nweight d: f32[16, 1, "
           "3, 3] = random(1)\n"
           "weight c: f32[2, 16, 1, 1] = random(1)\noutput y = conv2d(conv2d(conv2d(x, a), d, pad = 1, "
           "groups = 8), c)\n",
           8);
    EXPECT("flatten to linear",
           "model t\ninput x: f32[1, 3, 2, 2]\nweight a: f32[8, 3, 1, 1] = random(1)\nweight w: f32[5, 32] = "
           "random(1)\n"
           "output y = linear(flatten(conv2d(x, a)), w)\n",
           8);
    EXPECT("a squeeze and excitation",
           "model t\ninput x: f32[1, 3, 4, 4]\nweight a: f32[8, 3, 1, 1] = random(1)\nweight s: f32[2, 8, 1, "
           "1] = random(1)\n"
           "weight e: f32[8, 2, 1, 1] = random(1)\nweight c: f32[2, 8, 1, 1] = random(1)\nh = conv2d(x, a)\n"
           "g = conv2d(relu(conv2d(reduce_sum(h, axes = [2, 3], keep = true), s)), e)\noutput y = conv2d(h * "
           "g, c)\n",
           8, 2);
    EXPECT("heads",
           "model t\ninput x: f32[1, 5, 6]\nweight q: f32[12, 6] = random(1)\nweight k: f32[12, 6] = "
           "random(1)\nweight v: f32[8, 6] = random(1)\n"
           "weight o: f32[6, 8] = random(1)\noutput y = linear(relu(attention(linear(x, q), linear(x, k), "
           "linear(x, v), heads = 4)), o)\n",
           4);
    EXPECT(
        "heads of one product, written out",
        "model t\ninput x: f32[1, 5, 6]\nweight w: f32[6, 24] = random(1)\nweight o: f32[6, 8] = random(1)\n"
        "p = transpose(reshape(matmul(x, w), shape = [1, 5, 3, 4, 2]), perm = [2, 0, 3, 1, 4])\n"
        "q, k, v = split(p, axis = 0, sizes = [1, 1, 1])\ns = matmul(squeeze(q, axes = [0]), "
        "transpose(squeeze(k, axes = [0]), perm = [0, 1, 3, 2]))\n"
        "m = matmul(relu(s), squeeze(v, axes = [0]))\n"
        "output y = linear(reshape(transpose(m, perm = [0, 2, 1, 3]), shape = [1, 5, 8]), o)\n",
        4);
    EXPECT("positions merged into channels",
           "model t\ninput x: f32[1, 8, 3]\nweight w: f32[6, 3] = random(1)\nweight o: f32[5, 24] = "
           "random(1)\noutput y = linear(reshape(linear(x, w), shape = [1, 2, 24]), o)\n",
           6);
    EXPECT("a layer norm",
           "model t\ninput x: f32[1, 4, 3]\nweight w: f32[6, 3] = random(1)\nweight s: f32[6] = random(1)\n"
           "weight o: f32[5, 6] = random(1)\noutput y = linear(layernorm(linear(x, w), s, s), o)\n",
           6);
    EXPECT("reductions over channels",
           "model t\ninput x: f32[1, 4, 3]\nweight w: f32[6, 3] = random(1)\nh = linear(x, w)\n"
           "m = reduce_max(h, axes = [2], keep = true)\noutput y = reduce_sum(h - m, axes = [-1]) + "
           "reduce_mean(h * h, axes = [2])\n",
           6);
    EXPECT("backwards",
           "model t\ninput x: f32[1, 3, 4, 4]\nweight a: f32[6, 3, 1, 1] = random(1)\nweight c: f32[2, 6, 1, "
           "1] = random(1)\n"
           "r = slice(conv2d(x, a), starts = [-1], ends = [-100], axes = [1], steps = [-1])\noutput y = "
           "conv2d(r, c)\n",
           6);
    struct diag diag = {0};
    struct module *m = parse(
        "model t\ninput x: f32[1, 4]\nweight w: f32[4, 4] = random(1)\noutput y = linear(x, w)\n", &diag);
    struct channel_groups groups;
    channel_groups_find(m, &groups);
    CHECK(groups.groups.count == 0);
    CHECK(groups.obstacles.count == 2);
    channel_groups_free(&groups);
    module_free(m);
    diag_free(&diag);
    return unit_status();
}
