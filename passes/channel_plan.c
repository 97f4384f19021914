#include "passes/channel_plan.h"

#include "passes/select.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* `pattern` or `pattern = number`. */
struct rule {
    const char *pattern;
    double number;
    bool used, useful; /* it matches a group, one that is not left alone */
};

struct rules {
    const char *option;
    VEC(struct rule) list;
};

struct planner {
    const struct module *m;
    const struct channel_groups *groups;
    struct diag *diag;
    struct arena arena;
    value_id **names; /* by group: the values and weights whose names it goes by, up to 0 */
};

/* -- reading options -- */
static enum status number_of(struct planner *p, const char *option, const char *text, double *out) {
    char *end;
    *out = strtod(text, &end);
    while (isspace((unsigned char)*end)) end++;
    if (end != text && !*end && *out >= 0 && *out <= 1) return STATUS_OK;
    return diag_error(p->diag, (struct loc){0}, "prune-channels: %s is %s, expected 0 to 1", option, text);
}

static const char *trimmed(struct planner *p, const char *from, size_t length) {
    while (length && isspace((unsigned char)*from)) from++, length--;
    while (length && isspace((unsigned char)from[length - 1])) length--;
    return arena_strndup(&p->arena, from, length);
}

/* Names may have an equals sign, numbers none: the last one counts. */
static enum status add_rule(struct planner *p, struct rules *rules, const char *text, bool numbered) {
    struct rule r = {.pattern = text};
    const char *equals = numbered ? strrchr(text, '=') : NULL;
    if (numbered && !equals)
        return diag_error(p->diag, (struct loc){0},
                          "prune-channels: %s has %s, expected a pattern, = and a number", rules->option,
                          text);
    if (equals) {
        r.pattern = trimmed(p, text, (size_t)(equals - text));
        const char *what = arena_printf(&p->arena, "%s of %s", rules->option, r.pattern);
        TRY(number_of(p, what, trimmed(p, equals + 1, strlen(equals + 1)), &r.number));
    }
    *vec_push(&rules->list) = r;
    return STATUS_OK;
}

static enum status read_rules(struct planner *p, const struct pass_options *options, const char *option,
                              bool numbered, struct rules *out) {
    *out = (struct rules){.option = option};
    for (const char *at = pass_text(options, option); *at;) {
        size_t length = strcspn(at, ",");
        const char *text = trimmed(p, at, length);
        if (*text) TRY(add_rule(p, out, text, numbered));
        at += length + (at[length] == ',');
    }
    return STATUS_OK;
}

/* -- what groups are called -- */
static bool in_set(const struct channel_set *s, value_id v) {
    for (uint32_t i = 0; i < s->count; i++)
        if (value_same(s->member[i].value, v)) return true;
    return false;
}

/* A weight makes channels of a group if what is computed with it has them; else it reads them. */
static bool makes(const struct planner *p, const struct channel_set *s, value_id weight) {
    const struct region *root = region_get(p->m, p->m->root);
    for (uint32_t i = 0; i < root->ops.count; i++) {
        const struct op *op = op_get(p->m, root->ops.at[i]);
        for (uint32_t k = 0; k < op->operand_count; k++)
            for (uint32_t r = 0; value_same(op->operand[k], weight) && r < op->result_count; r++)
                if (in_set(s, op->result[r])) return true;
    }
    return false;
}

static void name_groups(struct planner *p) {
    p->names = arena_array(&p->arena, value_id *, p->groups->groups.count);
    for (uint32_t g = 0; g < p->groups->groups.count; g++) {
        const struct channel_set *s = &p->groups->sets.at[p->groups->groups.at[g].first_set];
        p->names[g] = arena_array(&p->arena, value_id, s->count + 1);
        uint32_t n = 0;
        for (uint32_t i = 0; i < s->count; i++) {
            value_id v = s->member[i].value;
            if (n && value_same(p->names[g][n - 1], v)) continue;
            if (value_get(p->m, v)->kind != VALUE_PARAMETER || makes(p, s, v)) p->names[g][n++] = v;
        }
        p->names[g][n] = (value_id){0};
    }
}

static bool matches(const struct planner *p, struct rule *r, uint32_t group) {
    for (const value_id *v = p->names[group]; v->i; v++)
        if (select_names(r->pattern, p->m, *v)) return r->used = true;
    return false;
}

static const char *group_name(const struct planner *p, uint32_t g) {
    for (const value_id *v = p->names[g]; v->i; v++)
        if (value_get(p->m, *v)->kind == VALUE_PARAMETER) return value_get(p->m, *v)->name;
    return value_get(p->m, p->names[g][0])->name;
}

/* -- which groups are of heads -- */
/* A product of two values for each channel: what the heads of an attention are, however it is written. */
static bool is_head_product(const struct planner *p, const struct channel_set *s, const struct op *op) {
    const struct op_info *info = op_info(op->kind);
    if (op_info_attr(info, ATTR_heads)) return in_set(s, op->operand[0]) && in_set(s, op->result[0]);
    if (info->class != CLASS_CONTRACTION || op->operand_count < 2) return false;
    for (uint32_t k = 0; k < 2; k++)
        if (value_get(p->m, op->operand[k])->kind != VALUE_RESULT || !in_set(s, op->operand[k])) return false;
    return in_set(s, op->result[0]);
}

static bool is_of_heads(const struct planner *p, uint32_t g) {
    const struct region *root = region_get(p->m, p->m->root);
    const struct channel_set *s = &p->groups->sets.at[p->groups->groups.at[g].first_set];
    for (uint32_t i = 0; i < root->ops.count; i++)
        if (is_head_product(p, s, op_get(p->m, root->ops.at[i]))) return true;
    return false;
}

/* -- the plan -- */
static enum status check_rules(struct planner *p, const struct rules *rules) {
    enum status status = STATUS_OK;
    for (uint32_t i = 0; i < rules->list.count; i++) {
        const struct rule *r = &rules->list.at[i];
        if (!r->used)
            status = diag_error(p->diag, p->m->loc,
                                "prune-channels: the pattern '%s' of %s matches no group that can be pruned",
                                r->pattern, rules->option);
        else if (!r->useful)
            status = diag_error(
                p->diag, p->m->loc,
                "prune-channels: the patterns conflict: every group that '%s' of %s means is left alone",
                r->pattern, rules->option);
    }
    return status;
}

/* Groups that `only` does not mean, or that `exclude` does. */
static enum status skip_groups(struct planner *p, const struct pass_options *options,
                               struct channel_quota *q) {
    struct rules only, exclude = {0};
    enum status status = read_rules(p, options, "only", false, &only);
    if (status == STATUS_OK) status = read_rules(p, options, "exclude", false, &exclude);
    for (uint32_t g = 0; g < p->groups->groups.count; g++) {
        bool meant = !only.list.count;
        for (uint32_t i = 0; i < only.list.count; i++) meant |= matches(p, &only.list.at[i], g);
        for (uint32_t i = 0; i < exclude.list.count; i++) q[g].skip |= matches(p, &exclude.list.at[i], g);
        for (uint32_t i = 0; i < only.list.count && !q[g].skip; i++)
            if (matches(p, &only.list.at[i], g)) only.list.at[i].useful = true;
        q[g].skip |= !meant;
    }
    for (uint32_t i = 0; i < exclude.list.count; i++) exclude.list.at[i].useful = true;
    if (status == STATUS_OK) status = check_rules(p, &only);
    if (status == STATUS_OK) status = check_rules(p, &exclude);
    vec_free(&only.list);
    vec_free(&exclude.list);
    return status;
}

/* Numbers of groups by pattern: *found[g] is the rule of group g, or NULL. */
static enum status numbers_by_pattern(struct planner *p, struct rules *rules, const struct channel_quota *q,
                                      const struct rule **found) {
    for (uint32_t g = 0; g < p->groups->groups.count; g++)
        for (uint32_t i = 0; i < rules->list.count; i++) {
            struct rule *r = &rules->list.at[i];
            if (!matches(p, r, g) || q[g].skip) continue;
            r->useful = true;
            if (found[g] && found[g]->number != r->number)
                return diag_error(
                    p->diag, p->m->loc,
                    "prune-channels: the patterns conflict: in %s, '%s' says %g and '%s' says %g, "
                    "and both mean the group of %s",
                    rules->option, found[g]->pattern, found[g]->number, r->pattern, r->number,
                    group_name(p, g));
            found[g] = r;
        }
    return check_rules(p, rules);
}

static enum status set_numbers(struct planner *p, const struct pass_options *options,
                               struct channel_quota *q) {
    uint32_t count = p->groups->groups.count;
    struct rules ratios, floors = {0};
    const struct rule **ratio = arena_array(&p->arena, const struct rule *, count),
                      **least = arena_array(&p->arena, const struct rule *, count);
    for (uint32_t g = 0; g < count; g++) ratio[g] = least[g] = NULL;
    enum status status = read_rules(p, options, "ratios", true, &ratios);
    if (status == STATUS_OK) status = read_rules(p, options, "floors", true, &floors);
    if (status == STATUS_OK) status = numbers_by_pattern(p, &ratios, q, ratio);
    if (status == STATUS_OK) status = numbers_by_pattern(p, &floors, q, least);
    for (uint32_t g = 0; g < count && status == STATUS_OK; g++) {
        if (ratio[g]) q[g].ratio = ratio[g]->number, q[g].own = true;
        if (least[g]) q[g].least = least[g]->number;
    }
    vec_free(&ratios.list);
    vec_free(&floors.list);
    return status;
}

static enum status fill(struct planner *p, const struct pass_options *options, struct channel_quota *q) {
    double ratio, least, heads = 0;
    const char *of_heads = pass_text(options, "heads");
    ratio = pass_float(options, "ratio");
    least = pass_float(options, "floor");
    if (!(ratio >= 0 && ratio <= 1))
        return diag_error(p->diag, (struct loc){0}, "prune-channels: ratio is %g, expected 0 to 1", ratio);
    if (!(least >= 0 && least <= 1))
        return diag_error(p->diag, (struct loc){0}, "prune-channels: floor is %g, expected 0 to 1", least);
    if (*of_heads) TRY(number_of(p, "heads", of_heads, &heads));
    for (uint32_t g = 0; g < p->groups->groups.count; g++) {
        q[g] = (struct channel_quota){.heads = is_of_heads(p, g), .ratio = ratio, .least = least};
        if (q[g].heads && *of_heads) q[g].ratio = heads, q[g].own = true;
    }
    TRY(skip_groups(p, options, q));
    return set_numbers(p, options, q);
}

enum status channel_plan_make(const struct module *m, const struct channel_groups *groups,
                              const struct pass_options *options, struct diag *diag,
                              struct channel_quota **out) {
    struct planner p = {.m = m, .groups = groups, .diag = diag};
    *out = xcalloc(groups->groups.count + 1, sizeof **out);
    name_groups(&p);
    enum status status = fill(&p, options, *out);
    arena_free(&p.arena);
    return status;
}

/* -- counts -- */
uint32_t channel_plan_least(const struct channel_quota *q, uint32_t sets) {
    int64_t least = max_i64((int64_t)ceil((double)sets * q->least), 1);
    return (uint32_t)min_i64(least, sets);
}

uint32_t channel_plan_kept(const struct channel_quota *q, const struct pass_options *options, uint32_t sets,
                           int64_t gone) {
    const struct pass_env *env = options->env;
    int64_t kept = sets - gone, lanes = env && env->target ? target_lanes(env->target) : 4, multiple = 1;
    while (!q->heads && pass_bool(options, "round") && multiple < lanes && multiple * 8 <= kept)
        multiple *= 2;
    kept = (kept + multiple / 2) / multiple * multiple;
    kept = max_i64(kept, channel_plan_least(q, sets));
    return (uint32_t)min_i64(kept, sets);
}
