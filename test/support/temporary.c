#include "test/support/temporary.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void fail(const char *what) {
    perror(what);
    abort();
}

static char *join(const char *folder, const char *name) {
    size_t bytes = strlen(folder) + strlen(name) + 2;
    char *path = malloc(bytes);
    if (!path) fail("malloc");
    snprintf(path, bytes, "%s/%s", folder, name);
    return path;
}

struct temporary temporary_make(void) {
    const char *parent = getenv("TMPDIR");
    struct temporary result = {.folder = join(parent ? parent : P_tmpdir, "adze-test-XXXXXX")};
    if (!mkdtemp(result.folder)) fail("mkdtemp");
    return result;
}

const char *temporary_path(struct temporary *temporary, const char *name) {
    temporary->paths = realloc(temporary->paths, (temporary->count + 1) * sizeof *temporary->paths);
    if (!temporary->paths) fail("realloc");
    return temporary->paths[temporary->count++] = join(temporary->folder, name);
}

void temporary_remove(struct temporary *temporary) {
    DIR *folder = opendir(temporary->folder);
    if (!folder) fail("opendir");
    for (struct dirent *entry; (entry = readdir(folder));) {
        char *path = join(temporary->folder, entry->d_name);
        unlink(path);
        free(path);
    }
    closedir(folder);
    rmdir(temporary->folder);
    while (temporary->count) free(temporary->paths[--temporary->count]);
    free(temporary->paths);
    free(temporary->folder);
}
