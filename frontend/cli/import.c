/* adze import: ONNX to text and weights. */
#include "frontend/cli/load.h"
#include "ir/module.h"

enum exit_code cmd_import(struct invocation *inv) {
    const char *path = inv->arguments.at[0];
    if (!has_suffix(path, ".onnx")) return usage_error(inv, "expected a file named .onnx, found %s", path);
    struct module *m;
    enum exit_code code = load_model(inv, path, &m);
    if (!code) code = save_model(inv, m, option_text(inv, "output", stem_of(inv, path)));
    module_free(m);
    return code;
}
