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

void fuzz_stats_add(struct fuzz_stats *stats, const struct module *m) {
    uint32_t *uses = module_count_uses(m);
    const struct region *root = region_get(m, m->root);
    stats->graphs++;
    for (uint32_t i = 0; i < root->ops.count; i++) stats->ops[op_get(m, root->ops.at[i])->kind]++;
    for (uint32_t i = 1; i < m->values.count; i++) {
        add_value(stats, m, &m->values.at[i]);
        if (uses[i] > 1) stats->fan_out++;
    }
    add_outputs(stats, m);
    free(uses);
}

/* -- compression -- */
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

void fuzz_stats_add_counts(struct fuzz_stats *stats, const struct fuzz_counts *counts) {
    stats->counts.elements += counts->bound.elements;
    stats->counts.unknown += counts->bound.unknown;
    if (counts->bound.largest > stats->counts.largest) stats->counts.largest = counts->bound.largest;
    struct compress_counts *to = &stats->compress;
    const struct compress_counts *c = &counts->compress;
    to->graphs += c->graphs;
    to->pruned += c->pruned;
    to->sparse += c->sparse;
    to->groups += c->groups;
    to->sets += c->sets;
    to->removed += c->removed;
    to->exact += c->exact;
    to->bounded += c->bounded;
    to->layers += c->layers;
    to->integer += c->integer;
    to->bits += c->bits;
}

void fuzz_stats_free(struct fuzz_stats *stats) {
    arena_free(&stats->arena);
    map_free(&stats->option_index);
    vec_free(&stats->options);
}

static unsigned long long number(uint64_t n) {
    return (unsigned long long)n;
}

static int by_text(const void *a, const void *b) {
    return strcmp(((const struct stats_option *)a)->text, ((const struct stats_option *)b)->text);
}

static void print_compression(const struct fuzz_stats *s, FILE *to) {
    const struct compress_counts *c = &s->compress;
    if (!c->graphs) return;
    fprintf(to,
            "\ncompressed %llu graphs: %llu lost channels (%llu of %llu in %llu groups), compared with masks "
            "%llu "
            "times exactly and %llu within bounds; %llu masks of layers checked, %llu sparse encodings; %llu "
            "of %llu "
            "models that sum integers compared bit for bit",
            number(c->graphs), number(c->pruned), number(c->removed), number(c->sets), number(c->groups),
            number(c->exact), number(c->bounded), number(c->layers), number(c->sparse), number(c->bits),
            number(c->integer));
    fprintf(to, "\nblocks:");
    for (unsigned i = 0; i < GEN_BLOCKS; i++)
        fprintf(to, " %s %llu", gen_block_name(i), number(s->blocks[i]));
    if (s->options.count) qsort(s->options.at, s->options.count, sizeof *s->options.at, by_text);
    fprintf(to, "\npasses:");
    for (uint32_t i = 0; i < s->options.count; i++)
        fprintf(to, "%s %s %llu", i ? "," : "", s->options.at[i].text, number(s->options.at[i].count));
}

void fuzz_stats_print(const struct fuzz_stats *s, FILE *to) {
    fprintf(to, "graphs %llu, outputs %llu (%llu odd), values with several readers %llu\n", number(s->graphs),
            number(s->outputs), number(s->odd_outputs), number(s->fan_out));
    fprintf(to,
            "elements compared %llu, of which nothing is known %.2f %%, largest error %.3g of its bound\n",
            number(s->counts.elements),
            s->counts.elements ? 100 * (double)s->counts.unknown / (double)s->counts.elements : 0,
            s->counts.largest);
    fprintf(to, "ops:");
    for (enum op_kind k = OP_NONE + 1; k < OP_COUNT; k++)
        fprintf(to, " %s %llu", op_info(k)->name, number(s->ops[k]));
    fprintf(to, "\nelement types:");
    for (enum elem e = ELEM_NONE + 1; e < ELEM_COUNT; e++)
        fprintf(to, " %s %llu", elem_name(e), number(s->elems[e]));
    fprintf(to, "\nranks:");
    for (unsigned i = 0; i < STATS_RANKS; i++) fprintf(to, " %u: %llu", i, number(s->ranks[i]));
    fprintf(to, "\nextents:");
    for (unsigned i = 0; i < STATS_EXTENTS; i++)
        if (s->extents[i])
            fprintf(to, " %u%s: %llu", i, i + 1 == STATS_EXTENTS ? "+" : "", number(s->extents[i]));
    print_compression(s, to);
    fprintf(to, "\nfailures:");
    for (enum fuzz_failure f = FUZZ_FINE; f < FUZZ_FAILURES; f++)
        if (s->failures[f]) fprintf(to, " %s %llu", fuzz_failure_text(f), number(s->failures[f]));
    fprintf(to, "\n");
}
