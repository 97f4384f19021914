#include "test/support/fuzz/shrink.h"

#include "ir/print.h"
#include "test/support/fuzz/edit.h"
#include "test/support/fuzz/isolate.h"

#include <stdlib.h>
#include <string.h>

struct shrinker {
    struct module *m; /* the smallest so far */
    const struct fuzz_config *config;
    enum fuzz_failure failure;
    unsigned tries;
    double cost;
};

static double cost_of(const struct module *m) {
    double cost = 0;
    const struct region *root = region_get(m, m->root);
    for (uint32_t i = 0; i < root->ops.count; i++)
        cost += 1e7 + 1e4 * op_get(m, root->ops.at[i])->operand_count;
    for (uint32_t i = 1; i < m->values.count; i++) {
        const struct value *v = &m->values.at[i];
        if (v->kind != VALUE_RESULT) cost += 1e4;
        cost += (double)type_count(&m->types, v->type);
    }
    struct str text = {0};
    print_module(m, &text);
    cost += 0.01 * (double)text.length + 2e4 * m->outputs.count;
    str_free(&text);
    return cost;
}

/* Takes the edited graph if it is smaller and fails alike. */
static bool attempt(struct shrinker *s, const struct edit *edit) {
    if (!s->tries) return false;
    struct diag diag = {0};
    struct module *m = edit_apply(s->m, edit, &diag);
    diag_free(&diag);
    if (!m) return false;
    double cost = cost_of(m);
    bool better = false;
    if (cost < s->cost) {
        s->tries--;
        struct fuzz_outcome outcome = fuzz_isolated(m, s->config, 20);
        better = outcome.failure == s->failure;
        fuzz_outcome_free(&outcome);
    }
    if (!better) {
        module_free(m);
        return false;
    }
    module_free(s->m);
    s->m = m;
    s->cost = cost;
    return true;
}

static bool fewer_outputs(struct shrinker *s) {
    uint32_t n = s->m->outputs.count;
    if (n < 2) return false;
    bool *drop = xcalloc(n, sizeof *drop), done = false;
    for (uint32_t i = 0; i < n && !done; i++) { /* one alone, then all but one */
        memset(drop, true, n);
        drop[i] = false;
        done = attempt(s, &(struct edit){.drop_output = drop});
    }
    for (uint32_t i = 0; i < n && !done; i++) {
        memset(drop, false, n);
        drop[i] = true;
        done = attempt(s, &(struct edit){.drop_output = drop});
    }
    free(drop);
    return done;
}

/* Cuts the graph at a value, or lets the users of a value read an operand of its op. */
static bool fewer_ops(struct shrinker *s) {
    const struct region *root = region_get(s->m, s->m->root);
    for (uint32_t i = root->ops.count; i-- > 0;) {
        const struct op *op = op_get(s->m, root->ops.at[i]);
        for (uint32_t r = 0; r < op->result_count; r++) {
            if (attempt(s, &(struct edit){.cut = op->result[r]})) return true;
            for (uint32_t k = 0; k < op->operand_count; k++) {
                if (!op->operand[k].i) continue;
                struct type x = value_get(s->m, op->operand[k])->type,
                            y = value_get(s->m, op->result[r])->type;
                if (type_same(x, y) &&
                    attempt(s, &(struct edit){.from = op->result[r], .to = op->operand[k]}))
                    return true;
            }
        }
    }
    return false;
}

static bool fewer_operands(struct shrinker *s) {
    const struct region *root = region_get(s->m, s->m->root);
    for (uint32_t i = 0; i < root->ops.count; i++)
        for (uint32_t k = 0; k < op_get(s->m, root->ops.at[i])->operand_count; k++)
            if (attempt(s, &(struct edit){.without = root->ops.at[i], .operand = k})) return true;
    return false;
}

static bool simpler_attributes(struct shrinker *s) {
    const struct region *root = region_get(s->m, s->m->root);
    for (uint32_t i = 0; i < root->ops.count; i++) {
        op_id id = root->ops.at[i];
        for (uint32_t k = 0; k < op_info_attrs(op_info(op_get(s->m, id)->kind)); k++)
            if (attempt(s, &(struct edit){.op = id, .attr = op_get(s->m, id)->attr[k].name})) return true;
    }
    return false;
}

static bool change_extent(struct shrinker *s, int64_t from, value_id leaf, uint32_t axis) {
    const int64_t smaller[] = {1, 2, from / 2, from - 1};
    for (size_t i = 0; i < COUNT_OF(smaller); i++)
        if (smaller[i] > 0 && smaller[i] < from &&
            attempt(s, &(struct edit){
                           .change_extent = true, .extent = {from, smaller[i]}, .leaf = leaf, .axis = axis}))
            return true;
    return false;
}

static bool smaller_extents(struct shrinker *s) {
    for (uint32_t one = 0; one < 2; one++) /* everywhere, then one leaf's */
        for (uint32_t i = 1; i < s->m->values.count; i++) {
            const struct value *v = &s->m->values.at[i];
            int64_t dim[MAX_RANK];
            if (v->kind == VALUE_RESULT || !type_static(&s->m->types, v->type, dim)) continue;
            for (uint32_t d = 0; d < type_rank(&s->m->types, v->type); d++)
                if (change_extent(s, dim[d], (value_id){one ? i : 0}, d)) return true;
        }
    return false;
}

struct module *fuzz_shrink(const struct module *m, const struct fuzz_config *config,
                           enum fuzz_failure failure, unsigned tries) {
    static bool (*const steps[])(struct shrinker *) = {fewer_outputs, fewer_ops, fewer_operands,
                                                       smaller_extents, simpler_attributes};
    struct shrinker s = {.m = module_clone(m), .config = config, .failure = failure, .tries = tries};
    s.cost = cost_of(m);
    if (!edit_possible(m)) return s.m;
    for (size_t i = 0; i < COUNT_OF(steps);) i = steps[i](&s) ? 0 : i + 1;
    return s.m;
}
