/* What sparsify may do to weights when it has no samples. */
#include "ir/columns.h"
#include "ir/decision.h"
#include "test/support/fuzz/check.h"
#include "test/support/fuzz/data.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const char *fuzz_option(const char *pass, const char *name, struct arena *arena) {
    size_t length = strlen(name);
    for (const char *at = strchr(pass, '('); at; at = strpbrk(at, ",(")) {
        at += 1 + strspn(at + 1, " ");
        const char *rest = at + length + strspn(at + (strncmp(at, name, length) ? 0 : length), " ");
        if (strncmp(at, name, length) || *rest != '=') continue;
        rest += 1 + strspn(rest + 1, " \"");
        return arena_strndup(arena, rest, strcspn(rest, ",)\" "));
    }
    return NULL;
}

static uint32_t *count_decisions(const struct module *m) {
    uint32_t *count = xcalloc(m->values.count, sizeof *count);
    struct arena arena = {0};
    const struct decision *d;
    for (uint32_t i = 1; i < m->values.count; i++)
        if (m->values.at[i].kind == VALUE_PARAMETER) count[i] = decision_list(m, (value_id){i}, &arena, &d);
    arena_free(&arena);
    return count;
}

struct fuzz_weights fuzz_weights_of(const struct module *m) {
    struct fuzz_weights w = {.count = m->weights.count, .decided = count_decisions(m)};
    const struct region *root = region_get(m, m->root);
    w.tensor = xcalloc(w.count + 1, sizeof *w.tensor);
    w.turned = xcalloc(w.count + 1, sizeof *w.turned);
    for (uint32_t i = 1; i < w.count; i++) w.tensor[i] = tensor_copy(&m->weights.at[i].tensor);
    for (uint32_t i = 0; i < root->ops.count; i++) {
        const struct op *op = op_get(m, root->ops.at[i]);
        struct columns c;
        if (columns_of(m, op, &c))
            w.turned[value_get(m, c.weight)->weight.i] = c.transposed;
        else if (op->kind == OP_matmul && value_get(m, op->operand[1])->kind == VALUE_PARAMETER)
            w.turned[value_get(m, op->operand[1])->weight.i] =
                true; /* passes make a matrix of a stack of one */
    }
    return w;
}

void fuzz_weights_free(struct fuzz_weights *w) {
    fuzz_free(w->tensor, w->count);
    free(w->turned);
    free(w->decided);
}

/* One group of a layer: rows x depth, before and after. */
struct mask {
    int64_t rows, depth;
    double *before, *after;
    int64_t unit_rows, unit_columns; /* what goes together */
    struct str *why;
};

struct asked {
    int64_t rows, columns; /* of a block, or 1 and 1 */
    int64_t n, m;          /* n of m; m = 0: no */
    double ratio;          /* < 0: not known for one layer */
};

static bool wrong(struct mask *k, const char *what, int64_t row, int64_t column) {
    str_printf(k->why, "%s at row %lld, column %lld: %g became %g", what, (long long)row, (long long)column,
               k->before[row * k->depth + column], k->after[row * k->depth + column]);
    return false;
}

/* A unit: its score before, whether something stays; false if it is neither kept nor gone as a whole. */
static bool look_at(struct mask *k, int64_t row, int64_t column, double *score, bool *stays) {
    bool same = true, zero = true;
    *score = 0;
    for (int64_t i = row; i < min_i64(row + k->unit_rows, k->rows); i++)
        for (int64_t j = column; j < min_i64(column + k->unit_columns, k->depth); j++) {
            double old = k->before[i * k->depth + j], now = k->after[i * k->depth + j];
            *score += old * old;
            same = same && old == now;
            zero = zero && now == 0;
        }
    *stays = !zero;
    return same || zero;
}

/* Units of rows [row, row + rows) and columns [first, last): at most `most` lose something, at least `least`
 * are zero, and the smallest go. */
static bool part_holds(struct mask *k, int64_t row, int64_t rows, int64_t first, int64_t last, int64_t least,
                       int64_t most) {
    double largest_gone = -1, smallest_kept = INFINITY;
    int64_t lost = 0, zero = 0, gone_row = 0, gone_column = 0;
    for (int64_t i = row; i < row + rows; i += k->unit_rows)
        for (int64_t j = first; j < last; j += k->unit_columns) {
            double score;
            bool stays;
            if (!look_at(k, i, j, &score, &stays)) return wrong(k, "kept in part or changed", i, j);
            zero += !stays;
            if (stays && score < smallest_kept) smallest_kept = score;
            if (stays || score == 0) continue;
            lost++;
            if (score > largest_gone) largest_gone = score, gone_row = i, gone_column = j;
        }
    if (largest_gone > smallest_kept * (1 + 1e-9)) return wrong(k, "not the smallest", gone_row, gone_column);
    if (lost <= most && zero >= least) return true;
    str_printf(k->why, "%lld units are gone and %lld zero, expected %lld to %lld", (long long)lost,
               (long long)zero, (long long)least, (long long)most);
    return false;
}

static bool group_holds(struct mask *k, const struct asked *a) {
    k->unit_rows = a->m ? 1 : min_i64(a->rows, k->rows);
    k->unit_columns = a->m ? 1 : min_i64(a->columns, k->depth);
    if (!a->m) {
        int64_t units = ceil_div(k->rows, k->unit_rows) * ceil_div(k->depth, k->unit_columns);
        int64_t go = (int64_t)((double)units * a->ratio + 0.5);
        return a->ratio < 0 ? part_holds(k, 0, k->rows, 0, k->depth, 0, units)
                            : part_holds(k, 0, k->rows, 0, k->depth, go, go);
    }
    for (int64_t i = 0; i < k->rows; i++)
        for (int64_t j = 0; j < k->depth; j += a->m) {
            int64_t size = min_i64(a->m, k->depth - j), go = max_i64(size - a->n, 0);
            if (!part_holds(k, i, 1, j, j + size, go, go)) return false;
        }
    return true;
}

static bool layer_holds(const struct columns *c, const struct tensor *before, bool turned,
                        const struct tensor *after, const struct asked *a, struct str *why) {
    int64_t n = c->rows * c->depth;
    struct mask k = {.rows = c->rows, .depth = c->depth, .why = why};
    k.before = xmalloc((size_t)n * sizeof *k.before + 8);
    k.after = xmalloc((size_t)n * sizeof *k.after + 8);
    bool fine = true;
    for (int64_t g = 0; g < c->groups && fine; g++) {
        for (int64_t i = 0; i < c->rows; i++)
            for (int64_t j = 0; j < c->depth; j++) {
                int64_t at = columns_weight_at(c, g, i, j);
                k.after[i * c->depth + j] = tensor_get_f64(after, at);
                k.before[i * c->depth + j] =
                    tensor_get_f64(before, turned && !c->transposed ? j * c->rows + i : at);
            }
        fine = group_holds(&k, a);
    }
    free(k.before);
    free(k.after);
    return fine;
}

static struct asked read_asked(const char *pass) {
    struct arena arena = {0};
    const char *ratio = fuzz_option(pass, "ratio", &arena), *pattern = fuzz_option(pass, "pattern", &arena),
               *distribution = fuzz_option(pass, "distribution", &arena);
    struct asked a = {.rows = 1, .columns = 1, .ratio = ratio ? strtod(ratio, NULL) : 0.5};
    char *end;
    if (pattern && *pattern) {
        int64_t first = strtoll(pattern, &end, 10), second = strtoll(end + 1, NULL, 10);
        if (*end == ':')
            a.n = first, a.m = second;
        else
            a.rows = first, a.columns = second;
    }
    if (distribution && strcmp(distribution, "uniform") != 0 && strcmp(distribution, "auto") != 0)
        a.ratio = -1;
    arena_free(&arena);
    return a;
}

bool fuzz_masks_hold(const struct module *m, const char *pass, const struct fuzz_weights *before,
                     struct compress_counts *counts, struct str *why) {
    struct asked asked = read_asked(pass);
    uint32_t *now = count_decisions(m);
    const struct region *root = region_get(m, m->root);
    bool fine = true;
    for (uint32_t i = 0; i < root->ops.count && fine; i++) {
        struct columns c;
        if (!columns_of(m, op_get(m, root->ops.at[i]), &c) || now[c.weight.i] == before->decided[c.weight.i])
            continue;
        const struct value *v = value_get(m, c.weight);
        uint32_t w = v->weight.i;
        fine =
            layer_holds(&c, &before->tensor[w], before->turned[w], value_constant(m, c.weight), &asked, why);
        if (!fine) str_printf(why, ", weight %s, after %s", v->name, pass);
        counts->layers++;
        counts->sparse += v->type.sparse.i != 0;
    }
    free(now);
    return fine;
}
