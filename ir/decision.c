#include "ir/decision.h"

#include <stdio.h>
#include <string.h>

static const char of_weight[] = "decision.weight.", of_value[] = "decision.value.";

/* Owned by the caller. */
static struct str key_of(const struct module *m, value_id subject) {
    struct str key = {0};
    const struct value *v = value_get(m, subject);
    str_add(&key, v->kind == VALUE_PARAMETER ? of_weight : of_value);
    str_add(&key, v->name);
    return key;
}

static struct metadata *find(const struct module *m, value_id subject) {
    struct str key = key_of(m, subject);
    struct metadata *found = NULL;
    for (uint32_t i = 0; i < m->metadata.count && !found; i++)
        if (!strcmp(m->metadata.at[i].key, str_text(&key))) found = &m->metadata.at[i];
    str_free(&key);
    return found;
}

static void append(struct module *m, value_id subject, const char *entries) {
    struct metadata *line = find(m, subject);
    if (line) {
        line->value = arena_printf(&m->arena, "%s; %s", line->value, entries);
        return;
    }
    struct str key = key_of(m, subject);
    module_add_metadata(m, str_text(&key), entries);
    str_free(&key);
}

/* -- writing -- */
void decision_record(struct module *m, value_id subject, const struct decision *d) {
    struct str text = {0};
    str_add(&text, d->pass);
    if (d->method) str_printf(&text, ", method = %s", d->method);
    if (d->unit)
        str_printf(&text, ", kept = %lld of %lld %s", (long long)d->kept, (long long)d->total, d->unit);
    for (uint32_t i = 0; i < d->rank; i++)
        str_printf(&text, "%s%lld", i ? "x" : ", shape = ", (long long)d->dim[i]);
    if (d->measured) str_printf(&text, ", error = %.3g", d->error > 0 ? d->error : 0);
    if (d->note) {
        str_add(&text, ", note = ");
        for (const char *c = d->note; *c; c++) str_add_char(&text, *c == ';' || *c == '"' ? ' ' : *c);
    }
    append(m, subject, str_text(&text));
    str_free(&text);
}

/* -- reading -- */
/* The end of a piece that `stop` ends: not within quotes, nor, for commas, within parentheses. */
static const char *piece_end(const char *at, char stop) {
    int depth = 0;
    bool quoted = false;
    for (; *at; at++) {
        if (*at == '"') quoted = !quoted;
        if (quoted) continue;
        if (*at == stop && (depth == 0 || stop == ';')) break;
        if (*at == '(') depth++;
        if (*at == ')' && depth > 0) depth--;
    }
    return at;
}

static const char *take_piece(struct arena *arena, const char **at, char stop) {
    while (**at == ' ') ++*at;
    const char *end = piece_end(*at, stop), *piece = arena_strndup(arena, *at, (size_t)(end - *at));
    *at = end + (*end == stop);
    return piece;
}

static bool read_shape(const char *text, struct decision *out) {
    for (out->rank = 0; out->rank < MAX_RANK; text++) {
        char *end;
        if (*text < '0' || *text > '9') return false;
        out->dim[out->rank++] = strtoll(text, &end, 10);
        text = end;
        if (*text != 'x') return !*text;
    }
    return false;
}

static bool read_kept(struct arena *arena, const char *text, struct decision *out) {
    long long kept, total;
    int length = 0;
    if (sscanf(text, "%18lld of %18lld %n", &kept, &total, &length) < 2 || !length || !text[length])
        return false;
    out->kept = kept;
    out->total = total;
    out->unit = arena_strdup(arena, text + length);
    return kept >= 0 && total >= kept;
}

static bool read_field(struct arena *arena, const char *text, struct decision *out) {
    const char *value = strstr(text, " = ");
    char *end;
    if (!value) return false;
    size_t length = (size_t)(value - text);
    value += 3;
#define IS(name) (length == strlen(name) && !memcmp(text, name, length))
    if (IS("method")) return *(out->method = value) != 0;
    if (IS("note")) return *(out->note = value) != 0;
    if (IS("kept")) return read_kept(arena, value, out);
    if (IS("shape")) return read_shape(value, out);
    if (!IS("error")) return true;
#undef IS
    out->error = strtod(value, &end);
    out->measured = true;
    return end > value && !*end && out->error >= 0;
}

/* A note runs to the end of the entry, whatever stands in it. */
static const char *take_field(struct arena *arena, const char **at) {
    while (**at == ' ') ++*at;
    if (strncmp(*at, "note = ", 7)) return take_piece(arena, at, ',');
    const char *note = arena_strdup(arena, *at);
    *at += strlen(*at);
    return note;
}

static bool read_entry(struct arena *arena, const char *at, struct decision *out) {
    *out = (struct decision){.pass = take_piece(arena, &at, ',')};
    if (!*out->pass) return false;
    while (*at)
        if (!read_field(arena, take_field(arena, &at), out)) return false;
    return true;
}

uint32_t decision_list(const struct module *m, value_id subject, struct arena *arena,
                       const struct decision **out) {
    const struct metadata *line = find(m, subject);
    uint32_t count = 0, most = 1;
    *out = NULL;
    if (!line) return 0;
    for (const char *c = line->value; *c; c++) most += *c == ';';
    struct decision *list = arena_array(arena, struct decision, most);
    for (const char *at = line->value; *at;)
        count += read_entry(arena, take_piece(arena, &at, ';'), &list[count]);
    *out = list;
    return count;
}

static bool is_decision(const char *key) {
    return !strncmp(key, of_weight, sizeof of_weight - 1) || !strncmp(key, of_value, sizeof of_value - 1);
}

bool decision_made_by(const struct module *m, const char *pass) {
    struct arena arena = {0};
    size_t length = strlen(pass);
    bool found = false;
    for (uint32_t i = 0; i < m->metadata.count && !found; i++) {
        if (!is_decision(m->metadata.at[i].key)) continue;
        for (const char *at = m->metadata.at[i].value; *at && !found;) {
            struct decision d;
            if (!read_entry(&arena, take_piece(&arena, &at, ';'), &d)) continue;
            found = !strncmp(d.pass, pass, length) && (!d.pass[length] || d.pass[length] == '(');
        }
    }
    arena_free(&arena);
    return found;
}

/* -- following the module -- */
static void drop(struct module *m, uint32_t i) {
    m->metadata.count--;
    memmove(&m->metadata.at[i], &m->metadata.at[i + 1], (m->metadata.count - i) * sizeof *m->metadata.at);
}

void decision_copy(struct module *m, value_id from, value_id to) {
    const struct metadata *line = find(m, from);
    if (line && !value_same(from, to)) append(m, to, line->value);
}

/* Whether what the key is about is still there. A value may have moved into the body of a fuse. */
static bool is_there(const struct module *m, const uint32_t *uses, const char *key) {
    bool weight = !strncmp(key, of_weight, sizeof of_weight - 1);
    const char *name = key + (weight ? sizeof of_weight : sizeof of_value) - 1;
    for (uint32_t i = 1; i < m->values.count; i++) {
        const struct value *v = &m->values.at[i];
        bool lives = weight ? v->kind == VALUE_PARAMETER && uses[i]
                            : v->kind == VALUE_RESULT && !op_get(m, v->op)->erased;
        if (lives && !strcmp(v->name, name)) return true;
    }
    return false;
}

void decision_sweep(struct module *m) {
    uint32_t *uses = NULL;
    for (uint32_t i = m->metadata.count; i-- > 0;) {
        if (!is_decision(m->metadata.at[i].key)) continue;
        if (!uses) uses = module_count_uses(m);
        if (!is_there(m, uses, m->metadata.at[i].key)) drop(m, i);
    }
    free(uses);
}
