/* C identifiers from names that may hold anything. */
#ifndef ADZE_CODEGEN_C_NAME_H
#define ADZE_CODEGEN_C_NAME_H

#include "ir/base/map.h"
#include "ir/base/str.h"

/* Names given out so far. A zeroed struct is empty. */
struct c_names {
    struct map taken; /* in lower case: constants are spelled in upper case */
};

/* An identifier for C and C++ that reminds of `name` (UTF-8): letters and digits stay, other ASCII characters
 * become _, others uXXXX (their code point); never reserved, a keyword, or longer than 100 characters. With
 * `names` it differs, case aside, from all that were given out before. Freed by the caller. */
char *c_name(const char *name, struct c_names *names);
void c_names_free(struct c_names *names);

#endif
