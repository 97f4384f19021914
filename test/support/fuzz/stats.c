#include "test/support/fuzz/stats.h"

#include <stdlib.h>

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

static unsigned long long number(uint64_t n) {
    return (unsigned long long)n;
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
    fprintf(to, "\nfailures:");
    for (enum fuzz_failure f = FUZZ_FINE; f < FUZZ_FAILURES; f++)
        if (s->failures[f]) fprintf(to, " %s %llu", fuzz_failure_text(f), number(s->failures[f]));
    fprintf(to, "\n");
}
