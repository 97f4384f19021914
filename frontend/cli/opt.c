/* adze opt: IR in, IR out. */
#include "frontend/cli/load.h"
#include "ir/module.h"

#include <string.h>

enum exit_code cmd_opt(struct invocation *inv) {
    struct target target;
    if (target_parse(option_text(inv, "target", "host"), &inv->diag, &target) != STATUS_OK) return EXIT_INPUT;
    struct module *m;
    enum exit_code code = load_model(inv, inv->arguments.at[0], &m);
    const char *passes = option_text(inv, "passes", NULL);
    const char *output = option_text(inv, "output", "-");
    if (!code && passes) {
        struct weights_seen before = see_weights(inv, m);
        code = run_passes(inv, m, passes, &target, NULL);
        if (!code && !strcmp(output, "-")) print_changed_weights(m, &before);
    }
    if (!code) code = save_model(inv, m, output);
    module_free(m);
    return code;
}
