/* adze ops, passes, targets, formats: the compiler's tables, printed. */
#include "frontend/cli/command.h"
#include "frontend/cli/peak.h"
#include "ir/op.h"
#include "ir/target.h"
#include "passes/pass.h"

enum exit_code cmd_ops(struct invocation *inv) {
    if (option_given(inv, "markdown")) {
        struct str text = {0};
        op_table_markdown(&text);
        fputs(str_text(&text), stdout);
        str_free(&text);
        return EXIT_OK;
    }
    for (enum op_kind k = OP_NONE + 1; k < OP_COUNT; k++) {
        const struct op_info *info = op_info(k);
        printf("%-18s (%s)  %s\n", info->name, info->operands, info->summary);
    }
    return EXIT_OK;
}

enum exit_code cmd_passes(struct invocation *inv) {
    (void)inv;
    for (enum pass_kind k = PASS_NONE + 1; k < PASS_COUNT; k++) {
        const struct pass_info *info = pass_info(k);
        printf("%-16s %s\n", info->name, info->summary);
        for (const struct pass_option_spec *o = info->options; o->name; o++)
            printf("  %s = %s: %s\n", o->name, o->fallback, o->doc);
    }
    return EXIT_OK;
}

static enum exit_code print_peak(struct invocation *inv) {
    struct target host;
    if (target_parse("host", &inv->diag, &host) != STATUS_OK) return EXIT_INPUT;
    struct str features = {0};
    cpu_print(host.features, "", ",", &features);
    const char *isa;
    double peak = fma_peak(str_text(&features), &isa);
    printf("{\"isa\": \"%s\", \"gmacs\": %.1f}\n", isa, peak);
    str_free(&features);
    return EXIT_OK;
}

enum exit_code cmd_targets(struct invocation *inv) {
    if (option_given(inv, "peak")) return print_peak(inv);
    uint64_t host = cpu_host();
    for (uint32_t i = 0; i < target_row_count; i++) {
        const struct target_row *row = &target_rows[i];
        bool runs = row->arch == ARCH_X86_64 && (row->features & ~host) == 0 && host;
        printf("%-12s %s%s\n", row->name, row->summary, runs ? " (runs here)" : "");
    }
    struct target target;
    if (target_parse("host", &inv->diag, &target) != STATUS_OK) return EXIT_INPUT;
    struct str features = {0};
    cpu_print(target.features, "", " ", &features);
    printf("%-12s this machine: %s\n", "host", str_text(&features));
    str_free(&features);
    return EXIT_OK;
}

enum exit_code cmd_formats(struct invocation *inv) {
    static const struct {
        const char *name, *text, *components, *summary;
    } formats[] = {
#define FORMAT(id, text, components, summary) {#id, text, components, summary},
#include "ir/formats.def"
    };
    (void)inv;
    for (size_t i = 0; i < COUNT_OF(formats); i++)
        printf("%-8s %-28s %-28s %s\n", formats[i].name, formats[i].text, formats[i].components,
               formats[i].summary);
    return EXIT_OK;
}
