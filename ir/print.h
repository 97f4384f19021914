/* The canonical printer: the text form with every type, format and attribute spelled out. print(parse(t)) = t
 * for printed t. */
#ifndef ADZE_IR_PRINT_H
#define ADZE_IR_PRINT_H

#include "ir/op.h"

void print_module(const struct module *m, struct str *out);
void print_op(const struct module *m, op_id op,
              struct str *out); /* one op as a line (a fuse with its body), for messages */
/* `name` as the language spells it: bare when it is an identifier and no reserved word, quoted otherwise. */
void print_name(struct str *out, const char *name);
bool print_is_bare_name(const char *name);
/* The elements as the language spells them: {1, 2, 3}; floats so that they read back exactly. */
void print_numbers(const struct tensor *tensor, struct str *out);

#endif
