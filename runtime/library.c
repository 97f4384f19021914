#include "runtime/include/adze_runtime.h"

#include <dlfcn.h>
#include <stdlib.h>

struct adze_library {
    void *handle;
};

int adze_library_open(const char *path, struct adze_library **library, const struct adze_model **model,
                      const char **why) {
    *library = NULL;
    *model = NULL;
    if (why) *why = "";
    void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!handle) {
        if (why) *why = dlerror();
        return ADZE_NO_FILE;
    }
    const struct adze_model *found = dlsym(handle, "adze_model");
    int code = found ? adze_check_model(found) : ADZE_NOT_A_MODEL;
    struct adze_library *result = code == ADZE_OK ? malloc(sizeof *result) : NULL;
    if (code == ADZE_OK && !result) code = ADZE_NO_MEMORY;
    if (code != ADZE_OK) {
        if (why && !found) *why = "it does not define adze_model";
        dlclose(handle);
        return code;
    }
    result->handle = handle;
    *library = result;
    *model = found;
    return ADZE_OK;
}

void adze_library_close(struct adze_library *library) {
    if (!library) return;
    dlclose(library->handle);
    free(library);
}
