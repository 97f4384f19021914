#include "passes/channel_groups.h"

#include <string.h>

/* Channels are numbered through: those of dimension d of value v start at start[v * MAX_RANK + d]. */
struct finder {
    const struct module *m;
    uint32_t *start, total;
    uint32_t *parent;           /* union-find */
    const char **frozen;        /* why, by channel; after settling: by representative */
    bool *seen;                 /* by channel: the op at hand says what happens to it */
    uint32_t *choice, *choices; /* by op: which of its mappings is taken, of how many */
    const uint32_t *uses;       /* by value */
};

const char channel_quantized[] = "it is stored as integers already";
static const char no_word[] = "an op does not say what becomes of it";

static uint32_t extent(const struct finder *f, value_id v, uint32_t dim) {
    return f->start[v.i * MAX_RANK + dim + 1] - f->start[v.i * MAX_RANK + dim];
}

static uint32_t channel_at(const struct finder *f, value_id v, uint32_t dim, int64_t channel) {
    check(channel >= 0 && channel < extent(f, v, dim));
    return f->start[v.i * MAX_RANK + dim] + (uint32_t)channel;
}

static uint32_t representative(struct finder *f, uint32_t c) {
    while (f->parent[c] != c) c = f->parent[c] = f->parent[f->parent[c]];
    return c;
}

/* The smaller number stays: sets come out in the order of the network. */
static void tie(struct finder *f, uint32_t a, uint32_t b) {
    a = representative(f, a), b = representative(f, b);
    if (a > b) {
        uint32_t swap = a;
        a = b, b = swap;
    }
    f->parent[b] = a;
}

static void number_channels(struct finder *f) {
    const struct module *m = f->m;
    f->start = xcalloc((size_t)m->values.count * MAX_RANK + 1, sizeof *f->start);
    uint64_t total = 0;
    for (uint32_t v = 0; v < m->values.count; v++) {
        int64_t dims[MAX_RANK];
        const struct value *value = &m->values.at[v];
        bool counts = v && value->kind != VALUE_ARGUMENT && value->kind != VALUE_LITERAL &&
                      type_static(&m->types, value->type, dims);
        uint32_t rank = counts ? type_rank(&m->types, value->type) : 0;
        for (uint32_t d = 0; d < MAX_RANK; d++) {
            f->start[v * MAX_RANK + d] = (uint32_t)total;
            total += d < rank ? (uint64_t)dims[d] : 0;
            check(total < UINT32_MAX);
        }
    }
    f->start[m->values.count * MAX_RANK] = f->total = (uint32_t)total;
    f->parent = xmalloc((total + 1) * sizeof *f->parent);
    f->frozen = xcalloc(total + 1, sizeof *f->frozen);
    f->seen = xcalloc(total + 1, sizeof *f->seen);
}

static void freeze_dim(struct finder *f, value_id v, uint32_t dim, const char *why) {
    for (uint32_t c = 0; c < extent(f, v, dim); c++) {
        const char **frozen = &f->frozen[channel_at(f, v, dim, c)];
        if (!*frozen) *frozen = why;
    }
}

static void freeze_value(struct finder *f, value_id v, const char *why) {
    for (uint32_t d = 0; d < MAX_RANK; d++) freeze_dim(f, v, d, why);
}

/* -- one op -- */
static value_id port_value(const struct op *op, uint32_t port) {
    return port >= PORT_RESULT ? op->result[port - PORT_RESULT] : op->operand[port];
}

/* All channels of the i-th piece of both sides are one set: a side's first channel is tied to its others and
 * to the other side's. */
static void apply_link(struct finder *f, const struct op *op, const struct channel_link *l) {
    value_id a = port_value(op, l->a.port), b = port_value(op, l->b.port);
    if (value_get(f->m, a)->kind == VALUE_LITERAL || value_get(f->m, b)->kind == VALUE_LITERAL) return;
    for (int64_t i = 0; i < l->count; i++) {
        uint32_t first = channel_at(f, a, l->a.dim, l->a.start + i * l->a.stride);
        for (int64_t k = 0; k < l->a.chunk; k++) {
            uint32_t c = channel_at(f, a, l->a.dim, l->a.start + i * l->a.stride + k);
            f->seen[c] = true;
            tie(f, first, c);
        }
        for (int64_t k = 0; k < l->b.chunk; k++) {
            uint32_t c = channel_at(f, b, l->b.dim, l->b.start + i * l->b.stride + k);
            f->seen[c] = true;
            tie(f, first, c);
        }
    }
}

/* Channels that the op has no word about stay, and the marks are cleared for the next op. */
static void freeze_unseen(struct finder *f, value_id v) {
    if (!v.i) return;
    for (uint32_t c = f->start[v.i * MAX_RANK]; c < f->start[v.i * MAX_RANK + MAX_RANK]; c++)
        if (!f->seen[c] && !f->frozen[c]) f->frozen[c] = no_word;
}

static void forget_seen(struct finder *f, value_id v) {
    uint32_t from = f->start[v.i * MAX_RANK], to = f->start[v.i * MAX_RANK + MAX_RANK];
    memset(f->seen + from, 0, (to - from) * sizeof *f->seen);
}

static void read_op(struct finder *f, op_id id) {
    const struct op *op = op_get(f->m, id);
    struct channel_map map = {.m = f->m, .op = op, .choice = f->choice[id.i]};
    op_info(op->kind)->channels(&map);
    f->choices[id.i] = map.choices;
    for (uint32_t i = 0; i < map.links.count; i++) apply_link(f, op, &map.links.at[i]);
    for (uint32_t i = 0; i < map.frozen.count; i++) {
        const struct channel_freeze *z = &map.frozen.at[i];
        value_id v = port_value(op, z->port);
        if (value_get(f->m, v)->kind != VALUE_LITERAL) freeze_dim(f, v, z->dim, z->why);
    }
    for (uint32_t i = 0; i < op->operand_count; i++) freeze_unseen(f, op->operand[i]);
    for (uint32_t i = 0; i < op->result_count; i++) freeze_unseen(f, op->result[i]);
    for (uint32_t i = 0; i < op->operand_count; i++)
        if (op->operand[i].i) forget_seen(f, op->operand[i]);
    for (uint32_t i = 0; i < op->result_count; i++) forget_seen(f, op->result[i]);
    vec_free(&map.links);
    vec_free(&map.frozen);
}

/* -- from channels to sets and groups -- */
static void settle(struct finder *f) {
    for (uint32_t c = 0; c < f->total; c++) {
        uint32_t r = representative(f, c);
        if (f->frozen[c] && !f->frozen[r]) f->frozen[r] = f->frozen[c];
    }
}

/* All of the network, with the mappings that were chosen. */
static void analyse(struct finder *f) {
    const struct module *m = f->m;
    for (uint32_t c = 0; c < f->total; c++) f->parent[c] = c, f->frozen[c] = NULL;
    for (uint32_t i = 0; i < m->inputs.count; i++)
        freeze_value(f, m->inputs.at[i], "it is part of an input of the model");
    for (uint32_t i = 0; i < m->outputs.count; i++)
        freeze_value(f, m->outputs.at[i].value, "it is part of an output of the model");
    for (uint32_t v = 1; v < m->values.count; v++)
        if (m->values.at[v].kind == VALUE_PARAMETER && m->values.at[v].type.quant.i)
            freeze_value(f, (value_id){v}, channel_quantized);
    const struct region *root = region_get(m, m->root);
    for (uint32_t i = 0; i < root->ops.count; i++) read_op(f, root->ops.at[i]);
    settle(f);
}

/* How many channels of parameters could go. */
static uint64_t count_prunable(struct finder *f) {
    uint64_t count = 0;
    for (uint32_t v = 1; v < f->m->values.count; v++) {
        if (f->m->values.at[v].kind != VALUE_PARAMETER || !f->uses[v]) continue;
        for (uint32_t c = f->start[v * MAX_RANK]; c < f->start[v * MAX_RANK + MAX_RANK]; c++)
            count += !f->frozen[representative(f, c)];
    }
    return count;
}

/* Where an op has several mappings, the first of those with which most can go: queries, keys and values that
 * are one product are split into three, then heads, and heads can go where thirds cannot. */
static void choose_mappings(struct finder *f) {
    const struct region *root = region_get(f->m, f->m->root);
    analyse(f);
    uint64_t most = count_prunable(f);
    bool stale = false;
    for (uint32_t i = 0; i < root->ops.count; i++) {
        uint32_t op = root->ops.at[i].i, best = f->choice[op], choices = f->choices[op];
        for (uint32_t c = best + 1; c < choices; c++) {
            f->choice[op] = c;
            analyse(f);
            uint64_t count = count_prunable(f);
            stale = count <= most;
            if (count > most) most = count, best = c;
        }
        f->choice[op] = best;
    }
    if (stale) analyse(f);
}

struct building {
    struct finder *f;
    struct channel_groups *out;
    uint32_t *size, *fill;           /* by representative: members, and how many are filled in */
    struct channel_member **members; /* by representative */
    bool *has_parameter;
};

/* Calls visit for every channel with its place, in order. */
static void each_channel(struct building *b,
                         void (*visit)(struct building *, uint32_t c, struct channel_member at)) {
    for (uint32_t v = 1; v < b->f->m->values.count; v++)
        for (uint32_t d = 0; d < MAX_RANK; d++)
            for (uint32_t i = 0; i < extent(b->f, (value_id){v}, d); i++)
                visit(b, b->f->start[v * MAX_RANK + d] + i, (struct channel_member){{v}, d, i});
}

static void count_member(struct building *b, uint32_t c, struct channel_member at) {
    uint32_t r = representative(b->f, c);
    b->size[r]++;
    if (b->f->m->values.at[at.value.i].kind == VALUE_PARAMETER && b->f->uses[at.value.i])
        b->has_parameter[r] = true;
}

static bool listed(const struct building *b, uint32_t r) {
    return !b->f->frozen[r] && b->has_parameter[r];
}

static void fill_member(struct building *b, uint32_t c, struct channel_member at) {
    uint32_t r = representative(b->f, c);
    if (!listed(b, r)) return;
    if (!b->members[r]) b->members[r] = arena_array(&b->out->arena, struct channel_member, b->size[r]);
    b->members[r][b->fill[r]++] = at;
}

/* What sets of one group have in common: the dimensions they run through, and how many channels of each. */
static void group_key(const struct channel_member *member, uint32_t count, struct str *key) {
    for (uint32_t i = 0, n = 0; i < count; i++) {
        n++;
        bool last = i + 1 == count || !value_same(member[i].value, member[i + 1].value) ||
                    member[i].dim != member[i + 1].dim;
        if (last) str_printf(key, "%u.%u.%u ", member[i].value.i, member[i].dim, n), n = 0;
    }
}

static int by_group(const void *a, const void *b) {
    const struct channel_set *x = a, *y = b;
    if (x->group != y->group) return x->group < y->group ? -1 : 1;
    return x->member[0].channel < y->member[0].channel ? -1 : x->member[0].channel > y->member[0].channel;
}

static void make_sets(struct building *b) {
    struct map keys = {0};
    struct channel_groups *out = b->out;
    for (uint32_t r = 0; r < b->f->total; r++) {
        if (b->f->parent[r] != r || !b->members[r]) continue;
        struct str key = {0};
        group_key(b->members[r], b->size[r], &key);
        bool is_new;
        uint32_t *group = map_put(&keys, key.text, key.length, &is_new);
        str_free(&key);
        if (is_new) {
            *group = out->groups.count;
            (void)vec_push(&out->groups);
        }
        *vec_push(&out->sets) = (struct channel_set){b->members[r], b->size[r], *group};
    }
    map_free(&keys);
    if (out->sets.count) qsort(out->sets.at, out->sets.count, sizeof *out->sets.at, by_group);
    for (uint32_t s = out->sets.count; s-- > 0;) {
        struct channel_group *g = &out->groups.at[out->sets.at[s].group];
        g->first_set = s;
        g->sets++;
    }
}

static void list_obstacles(struct finder *f, struct channel_groups *out) {
    for (uint32_t v = 1; v < f->m->values.count; v++)
        for (uint32_t d = 0; f->m->values.at[v].kind == VALUE_PARAMETER && d < MAX_RANK; d++) {
            if (!extent(f, (value_id){v}, d)) continue;
            const char *why = f->frozen[representative(f, channel_at(f, (value_id){v}, d, 0))];
            if (why) *vec_push(&out->obstacles) = (struct channel_obstacle){{v}, d, why};
        }
}

void channel_groups_find(const struct module *m, struct channel_groups *out) {
    uint32_t *uses = module_count_uses(m);
    struct finder f = {.m = m, .uses = uses};
    *out = (struct channel_groups){0};
    number_channels(&f);
    f.choice = xcalloc(m->ops.count + 1, sizeof *f.choice);
    f.choices = xcalloc(m->ops.count + 1, sizeof *f.choices);
    choose_mappings(&f);
    struct building b = {.f = &f, .out = out};
    b.size = xcalloc(f.total + 1, sizeof *b.size);
    b.fill = xcalloc(f.total + 1, sizeof *b.fill);
    b.members = xcalloc(f.total + 1, sizeof *b.members);
    b.has_parameter = xcalloc(f.total + 1, sizeof *b.has_parameter);
    each_channel(&b, count_member);
    each_channel(&b, fill_member);
    make_sets(&b);
    list_obstacles(&f, out);
    free(b.size);
    free(b.fill);
    free(b.members);
    free(b.has_parameter);
    free(uses);
    free(f.choice);
    free(f.choices);
    free(f.start);
    free(f.parent);
    free(f.frozen);
    free(f.seen);
}

void channel_groups_free(struct channel_groups *groups) {
    arena_free(&groups->arena);
    vec_free(&groups->sets);
    vec_free(&groups->groups);
    vec_free(&groups->obstacles);
}
