/* Every row of the op table brings an example line. Each is read, verified, printed, read again and printed
 * again: both texts must be equal, and so must the modules' types. */
#include "frontend/read.h"
#include "ir/print.h"
#include "ir/verify.h"
#include "test/support/unit.h"

#include <stdlib.h>

/* The operands that examples use. */
static const char operands[] = "input x: f32[2, 3]\n"       /* a matrix */
                               "input c: bool[2, 3]\n"      /* a condition */
                               "input n: i64[2]\n"          /* indices */
                               "input m: f32[3, 4]\n"       /* for matmul */
                               "input w: f32[4, 3]\n"       /* for linear */
                               "input b: f32[4]\n"          /* its bias */
                               "input g: f32[3]\n"          /* one number a channel of x */
                               "input s: f32[1, 2, 8]\n"    /* a signal */
                               "input k: f32[2, 2, 3]\n"    /* its filter */
                               "input i: f32[1, 2, 4, 4]\n" /* an image */
                               "input f: f32[2, 2, 3, 3]\n" /* its filter */
                               "input t: f32[1, 4, 6]\n";   /* tokens */

static struct module *read(const char *text, struct diag *diag) {
    struct module *m = NULL;
    if (read_adz_text("example.adz", text, strlen(text), NULL, diag, &m) != STATUS_OK) return NULL;
    if (verify_module(m, true, diag) == STATUS_OK) return m;
    module_free(m);
    return NULL;
}

static bool uses_op(const struct module *m, enum op_kind kind) {
    for (uint32_t i = 1; i < m->ops.count; i++)
        if (m->ops.at[i].kind == kind) return true;
    return false;
}

static void check_example(enum op_kind kind) {
    const struct op_info *info = op_info(kind);
    struct str text = {0}, first = {0}, second = {0};
    struct diag diag = {0};
    int failures = unit_failures;
    str_printf(&text, "%s%s\noutput y\n", operands, info->example);
    struct module *m = read(str_text(&text), &diag), *again = NULL;
    if (CHECK(m)) {
        CHECK(uses_op(m, kind));
        print_module(m, &first);
        again = read(str_text(&first), &diag);
    }
    if (m && CHECK(again)) {
        print_module(again, &second);
        CHECK_TEXT(str_text(&second), str_text(&first));
        CHECK(again->ops.count == m->ops.count);
    }
    if (unit_failures > failures) {
        fprintf(stderr, "in the example of %s: %s\n%s", info->name, info->example, str_text(&first));
        diag_print(&diag, stderr);
    }
    module_free(m);
    module_free(again);
    diag_free(&diag);
    str_free(&text);
    str_free(&first);
    str_free(&second);
}

int main(void) {
    for (enum op_kind k = OP_NONE + 1; k < OP_COUNT; k++) check_example(k);
    return unit_status();
}
