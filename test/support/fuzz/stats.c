#include "test/support/fuzz/stats.h"

#include <stdlib.h>
#include <string.h>

static void add_value(struct fuzz_stats *stats, const struct module *m, const struct value *v) {
    int64_t dim[MAX_RANK];
    uint32_t rank = type_rank(&m->types, v->type);
    stats->elems[v->type.elem]++;
    stats->ranks[rank]++;
    if (!type_static(&m->types, v->type, dim)) return;
    for (uint32_t d = 0; d < rank; d++) stats->extents[min_i64(dim[d], STATS_EXTENTS - 1)]++;
}

static void add_outputs(struct fuzz_stats *stats, const struct module *m) {
    for (uint32_t i = 0; i < m->outputs.count; i++) {
        value_id v = m->outputs.at[i].value;
        bool odd = value_get(m, v)->kind != VALUE_RESULT;
        for (uint32_t k = 0; k < i; k++) odd = odd || value_same(m->outputs.at[k].value, v);
        stats->outputs++;
        if (odd) stats->odd_outputs++;
    }
}

static void add_op(struct fuzz_stats *stats, const struct module *m, const struct op *op,
                   const uint32_t *uses) {
    struct form_context ctx = {m, uses};
    enum form_sides sides;
    stats->ops[op->kind][value_get(m, op->operand[0])->type.elem]++;
    for (enum form f = 0; f < FORMS; f++) stats->forms[f] += form_holds(f, &ctx, op);
    if (form_sides_of(m, op, &sides)) stats->sides[sides]++;
}

void fuzz_stats_add(struct fuzz_stats *stats, const struct module *m) {
    uint32_t *uses = module_count_uses(m);
    const struct region *root = region_get(m, m->root);
    stats->graphs++;
    if (root->ops.count > stats->longest) stats->longest = root->ops.count;
    for (uint32_t i = 0; i < root->ops.count; i++) add_op(stats, m, op_get(m, root->ops.at[i]), uses);
    for (uint32_t i = 1; i < m->values.count; i++) {
        add_value(stats, m, &m->values.at[i]);
        if (uses[i] > 1) stats->fan_out++;
    }
    add_outputs(stats, m);
    free(uses);
}

/* -- passes -- */
static void count_option(struct fuzz_stats *stats, const char *text) {
    bool is_new;
    uint32_t *at = map_put_str(&stats->option_index, text, &is_new);
    if (is_new) {
        *at = stats->options.count;
        *vec_push(&stats->options) = (struct stats_option){arena_strdup(&stats->arena, text), 0};
    }
    stats->options.at[*at].count++;
}

void fuzz_stats_add_passes(struct fuzz_stats *stats, const char *passes) {
    while (*passes) {
        size_t name = strcspn(passes, "(;");
        const char *pass = arena_strndup(&stats->arena, passes, name);
        count_option(stats, pass);
        passes += name + (passes[name] == '(');
        while (*passes && *passes != ';') {
            size_t length = strcspn(passes, ",);");
            if (length)
                count_option(stats, arena_printf(&stats->arena, "%s(%.*s)", pass, (int)length, passes));
            passes += length + (passes[length] == ',' || passes[length] == ')');
            passes += strspn(passes, " ");
        }
        passes += strspn(passes, "; ");
    }
}

void fuzz_stats_add_run(struct fuzz_stats *stats, const struct fuzz_config *config, enum fuzz_failure failure,
                        const struct fuzz_counts *counts) {
    stats->runs++;
    stats->failures[failure]++;
    stats->plain += config->pipeline && !strcmp(config->pipeline, stats->plain_pipeline);
    stats->specials += config->specials;
    count_option(stats, arena_printf(&stats->arena, "target %s", config->target));
    for (enum op_kind k = 0; k < OP_COUNT; k++) stats->left[k] += counts->left[k];
    stats->counts.elements += counts->bound.elements;
    stats->counts.unknown += counts->bound.unknown;
    if (counts->bound.largest > stats->counts.largest) stats->counts.largest = counts->bound.largest;
    struct compress_counts *to = &stats->compress;
    const struct compress_counts *c = &counts->compress;
#define COMPRESS_COUNT(name) to->name += c->name;
#include "test/support/fuzz/compress_counts.def"
}

void fuzz_stats_free(struct fuzz_stats *stats) {
    arena_free(&stats->arena);
    map_free(&stats->option_index);
    vec_free(&stats->options);
}

/* -- JSON -- */
struct json {
    FILE *to;
    bool more; /* in the object at hand */
};

static void put_name(struct json *j, const char *name) {
    fprintf(j->to, "%s\"", j->more ? ", " : "");
    for (; *name; name++) fprintf(j->to, *name == '"' || *name == '\\' ? "\\%c" : "%c", *name);
    fprintf(j->to, "\": ");
    j->more = true;
}

static void put(struct json *j, const char *name, uint64_t n) {
    put_name(j, name);
    fprintf(j->to, "%llu", (unsigned long long)n);
}

static void open_object(struct json *j, const char *name) {
    if (name) put_name(j, name);
    fprintf(j->to, "{");
    j->more = false;
}

static void close_object(struct json *j) {
    fprintf(j->to, "}");
    j->more = true;
}

static void put_ops(struct json *j, const struct fuzz_stats *s) {
    open_object(j, "ops");
    for (enum op_kind k = OP_NONE + 1; k < OP_COUNT; k++) {
        open_object(j, op_info(k)->name);
        for (enum elem e = ELEM_NONE + 1; e < ELEM_COUNT; e++)
            if (elem_in(e, op_info(k)->elems) || s->ops[k][e]) put(j, elem_name(e), s->ops[k][e]);
        close_object(j);
    }
    close_object(j);
    open_object(j, "left");
    for (enum op_kind k = OP_NONE + 1; k < OP_COUNT; k++) put(j, op_info(k)->name, s->left[k]);
    close_object(j);
}

static void put_shapes(struct json *j, const struct fuzz_stats *s) {
    char name[24];
    open_object(j, "elems");
    for (enum elem e = ELEM_NONE + 1; e < ELEM_COUNT; e++) put(j, elem_name(e), s->elems[e]);
    close_object(j);
    open_object(j, "ranks");
    for (unsigned i = 0; i < STATS_RANKS; i++) {
        snprintf(name, sizeof name, "%u", i);
        put(j, name, s->ranks[i]);
    }
    close_object(j);
    open_object(j, "extents"); /* the last stands for all from it on */
    for (unsigned i = 0; i < STATS_EXTENTS; i++) {
        snprintf(name, sizeof name, "%u", i);
        if (s->extents[i]) put(j, name, s->extents[i]);
    }
    close_object(j);
    open_object(j, "sides");
    for (enum form_sides i = 0; i < SIDES_COUNT; i++) put(j, form_sides_name(i), s->sides[i]);
    close_object(j);
    open_object(j, "forms");
    for (enum form f = 0; f < FORMS; f++) put(j, form_what(f), s->forms[f]);
    close_object(j);
}

static void put_parts(struct json *j, const struct fuzz_stats *s) {
    open_object(j, "patterns");
    for (enum gen_pattern i = 0; i < GEN_PATTERNS; i++) put(j, gen_pattern_name(i), s->patterns[i]);
    close_object(j);
    open_object(j, "blocks");
    for (enum gen_block i = 0; i < GEN_BLOCKS; i++) put(j, gen_block_name(i), s->blocks[i]);
    close_object(j);
    open_object(j, "options");
    for (uint32_t i = 0; i < s->options.count; i++) put(j, s->options.at[i].text, s->options.at[i].count);
    close_object(j);
    open_object(j, "compress");
#define COMPRESS_COUNT(name) put(j, #name, s->compress.name);
#include "test/support/fuzz/compress_counts.def"
    close_object(j);
    open_object(j, "failures");
    for (enum fuzz_failure f = FUZZ_FINE; f < FUZZ_FAILURES; f++)
        if (s->failures[f]) put(j, fuzz_failure_text(f), s->failures[f]);
    close_object(j);
}

void fuzz_stats_print(const struct fuzz_stats *s, FILE *to) {
    struct json j = {.to = to};
    open_object(&j, NULL);
    put(&j, "graphs", s->graphs);
    put(&j, "runs", s->runs);
    put(&j, "plain", s->plain);
    put(&j, "specials", s->specials);
    put(&j, "outputs", s->outputs);
    put(&j, "odd_outputs", s->odd_outputs);
    put(&j, "fan_out", s->fan_out);
    put(&j, "longest", s->longest);
    put(&j, "elements", s->counts.elements);
    put(&j, "unknown", s->counts.unknown);
    put_name(&j, "largest");
    fprintf(to, "%.9g", s->counts.largest);
    put_ops(&j, s);
    put_shapes(&j, s);
    put_parts(&j, s);
    close_object(&j);
    fprintf(to, "\n");
}
