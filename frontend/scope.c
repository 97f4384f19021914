/* Scopes: what names mean, and what values are called. */
#include "frontend/elaborate.h"

#include <stdlib.h>
#include <string.h>

struct scope scope_make(enum scope_kind kind, struct scope *parent, const char *prefix, const char *suffix,
                        struct builder *builder) {
    return (struct scope){
        .kind = kind, .parent = parent, .prefix = prefix, .suffix = suffix, .builder = builder};
}

void scope_free(struct scope *scope) {
    map_free(&scope->names);
    vec_free(&scope->bindings);
}

static struct binding *own_binding(const struct scope *scope, const char *name) {
    uint32_t *index = map_get_str(&scope->names, name);
    return index ? &scope->bindings.at[*index] : NULL;
}

struct binding *scope_find(const struct scope *scope, const char *name) {
    bool constants_only = false;
    for (; scope; scope = scope->parent) {
        struct binding *found = own_binding(scope, name);
        if (found && (!constants_only || found->kind == BINDING_CONSTANT)) return found;
        constants_only = constants_only || scope->kind == SCOPE_FUSE;
    }
    return NULL;
}

void scope_offer(const struct scope *scope, struct near *near) {
    for (; scope; scope = scope->kind == SCOPE_FUSE ? NULL : scope->parent)
        for (uint32_t i = 0; i < scope->bindings.count; i++) near_offer(near, scope->bindings.at[i].name);
}

/* The binding around a repeat that an assignment in its body changes. */
static struct binding *carried_binding(const struct scope *scope, const char *name) {
    while (scope->kind == SCOPE_REPEAT) {
        scope = scope->parent;
        struct binding *found = own_binding(scope, name);
        if (found) return found;
    }
    return NULL;
}

enum status scope_bind(struct elab *e, struct scope *scope, const struct binding *binding) {
    struct binding *old = own_binding(scope, binding->name);
    if (old) {
        diag_error(e->diag, binding->loc, "'%s' is defined already", binding->name);
        if (old->loc.line) diag_note(e->diag, old->loc, "it was defined here");
        return STATUS_FAILED;
    }
    struct binding *carried = carried_binding(scope, binding->name);
    if (carried) {
        struct loc loc = carried->loc;
        *carried = *binding;
        carried->loc = loc;
        return STATUS_OK;
    }
    *map_put_str(&scope->names, binding->name, NULL) = scope->bindings.count;
    *vec_push(&scope->bindings) = *binding;
    return STATUS_OK;
}

const char *scope_value_name(struct elab *e, const struct scope *scope, const char *name) {
    if (!*scope->prefix && !*scope->suffix) return name;
    return arena_printf(&e->arena, "%s%s%s", scope->prefix, name, scope->suffix);
}

/* -- format names: f"conv{i + 1}", where {{ and }} stand for braces -- */
static const char *skip_blanks(const char *p) {
    return p + strspn(p, " ");
}

/* Reads `i`, `i + 1` or `i - 1` up to the closing brace; NULL after an error. */
static const char *format_index(struct elab *e, const struct scope *scope, const struct ast_name *name,
                                const char *p, struct str *out) {
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789";
    p = skip_blanks(p);
    size_t length = strspn(p, letters);
    char *word = arena_strndup(&e->arena, p, length);
    const struct binding *binding = scope_find(scope, word);
    if (!length || !binding || binding->kind != BINDING_CONSTANT || binding->constant.kind != CONSTANT_INT) {
        diag_error(e->diag, name->loc, "'{%s}' in a format string: expected the name of an integer", word);
        return NULL;
    }
    int64_t value = binding->constant.i;
    p = skip_blanks(p + length);
    if (*p == '+' || *p == '-') {
        bool minus = *p == '-';
        p = skip_blanks(p + 1);
        char digits[10] = {0};
        length = strspn(p, "0123456789");
        if (length && length < sizeof digits) {
            memcpy(digits, p, length);
            int64_t step = strtoll(digits, NULL, 10);
            if (!add_i64(value, minus ? -step : step, &value)) length = 0;
        }
        if (!length || length >= sizeof digits)
            p = "";
        else
            p = skip_blanks(p + length);
    }
    if (*p != '}') {
        diag_error(e->diag, name->loc,
                   "'{…}' in a format string holds a name, as in {i}, {i + 1} or {i - 1}");
        return NULL;
    }
    str_printf(out, "%lld", (long long)value);
    return p + 1;
}

static const char *format(struct elab *e, const struct scope *scope, const struct ast_name *name) {
    struct str out = {0};
    const char *p = name->text;
    while (p && *p) {
        if ((*p == '{' || *p == '}') && p[1] == *p) {
            str_add_char(&out, *p);
            p += 2;
        } else if (*p == '{') {
            p = format_index(e, scope, name, p + 1, &out);
        } else if (*p == '}') {
            diag_error(e->diag, name->loc, "a lone } in a format string; write }} for the character");
            p = NULL;
        } else {
            str_add_char(&out, *p++);
        }
    }
    const char *text = p ? arena_strdup(&e->arena, str_text(&out)) : NULL;
    str_free(&out);
    return text;
}

const char *name_text(struct elab *e, const struct scope *scope, const struct ast_name *name) {
    const char *text = name->format ? format(e, scope, name) : name->text;
    if (text && !*text) {
        diag_error(e->diag, name->loc, "an empty name");
        return NULL;
    }
    if (text && strlen(text) > MAX_NAME) {
        diag_error(e->diag, name->loc, "a name of more than %d bytes", MAX_NAME);
        return NULL;
    }
    return text;
}
