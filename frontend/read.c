#include "frontend/read.h"

#include "frontend/elaborate.h"
#include "ir/base/file.h"
#include "ir/verify.h"

#include <string.h>
#include <unistd.h>

/* The model's name if the text gives none: that of the file without folder and suffix. */
static char *default_name(const char *path, struct arena *arena) {
    const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
    const char *dot = strrchr(base, '.');
    char *name =
        dot && dot > base ? arena_strndup(arena, base, (size_t)(dot - base)) : arena_strdup(arena, base);
    return *name && strcmp(name, "<stdin>") ? name : arena_strdup(arena, "model");
}

static void free_elab(struct elab *e) {
    vec_free(&e->stmts);
    vec_free(&e->blocks);
    vec_free(&e->sources);
    vec_free(&e->included);
    map_free(&e->block_names);
    map_free(&e->weight_scopes);
    map_free(&e->symbols);
    arena_free(&e->arena);
}

enum status read_adz_text(const char *name, const char *text, size_t length,
                          const struct read_options *options, struct diag *diag, struct module **out) {
    static const struct read_options defaults = {0};
    struct elab e = {.diag = diag, .options = options ? options : &defaults};
    e.m = module_new(default_name(name, &e.arena));
    enum status status = elaborate(&e, name, text, length);
    if (status == STATUS_OK)
        *out = e.m;
    else
        module_free(e.m);
    free_elab(&e);
    return status;
}

enum status read_adz(const char *path, const struct read_options *options, struct diag *diag,
                     struct module **out) {
    struct file_view view;
    bool standard = !strcmp(path, "-");
    if (standard)
        TRY(file_view_of(STDIN_FILENO, "<stdin>", diag, &view));
    else
        TRY(file_open_view(path, diag, &view));
    enum status status =
        read_adz_text(standard ? "<stdin>" : path, (const char *)view.bytes, view.size, options, diag, out);
    file_close_view(&view);
    return status;
}

static enum status compare_texts(const struct str *first, const struct str *second, struct diag *diag) {
    const char *a = str_text(first), *b = str_text(second);
    uint32_t line = 1;
    while (*a && *a == *b) line += *a == '\n', a++, b++;
    if (*a == *b) return STATUS_OK;
    while (a > str_text(first) && a[-1] != '\n') a--, b--;
    return diag_error(diag, (struct loc){0},
                      "line %u of the printed model reads back differently: %.*s became %.*s", line,
                      (int)strcspn(a, "\n"), a, (int)strcspn(b, "\n"), b);
}

enum status check_reads_back(const struct module *m, struct diag *diag) {
    struct weight_source weights = weights_of_module(m);
    struct read_options options = {.weights = &weights};
    struct str first = {0}, second = {0};
    struct module *again = NULL;
    print_module(m, &first);
    enum status status = read_adz_text("<printed>", str_text(&first), first.length, &options, diag, &again);
    if (status == STATUS_OK) status = verify_module(again, true, diag);
    if (status == STATUS_OK) {
        print_module(again, &second);
        status = compare_texts(&first, &second, diag);
    }
    module_free(again);
    str_free(&first);
    str_free(&second);
    return status;
}
