/* Forms of ops that kernels, plans and passes have special cases for: forms.def. */
#ifndef ADZE_TEST_FUZZ_FORMS_H
#define ADZE_TEST_FUZZ_FORMS_H

#include "ir/op.h"

enum form {
#define FORM(name, what) FORM_##name,
#include "test/support/fuzz/forms.def"
    FORMS
};
const char *form_what(enum form form);

/* What forms ask about a module of static shapes; `uses` is that of module_count_uses. */
struct form_context {
    const struct module *m;
    const uint32_t *uses;
};
bool form_holds(enum form form, const struct form_context *ctx, const struct op *op);

/* How the operands of an op that broadcasts meet. */
enum form_sides {
    SIDES_ALIKE,
    SIDES_FIRST,  /* the first operand repeats */
    SIDES_SECOND, /* another one repeats */
    SIDES_BOTH,   /* each of them does */
    SIDES_COUNT
};
const char *form_sides_name(enum form_sides sides);
/* False if the op does not broadcast several operands. */
bool form_sides_of(const struct module *m, const struct op *op, enum form_sides *sides);

#endif
