#include "frontend/read.h"

#include "frontend/elaborate.h"
#include "ir/base/file.h"

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
