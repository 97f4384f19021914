#include "codegen/kernel.h"
#define S(f) __attribute__((weak)) enum emit_result f(struct emit *e, op_id op, const char *s, struct kernel *k, const char **w) { (void)e;(void)op;(void)s;(void)k; *w = "stub"; return EMIT_DECLINED; }
S(emit_reduction) S(emit_generic)
