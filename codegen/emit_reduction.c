#include "codegen/emit_reduction.h"

enum emit_result emit_reduction(struct emit *e, op_id op, const char *symbol, struct kernel *out,
                                const char **why_not) {
    enum op_class class = op_info(op_get(e->m, op)->kind)->class;
    if (class == CLASS_NORMALIZATION) return emit_normalization(e, op, symbol, out, why_not);
    *why_not = "an op that does not reduce";
    if (class != CLASS_REDUCTION) return EMIT_DECLINED;
    if (op_get(e->m, op)->kind == OP_topk) return emit_top(e, op, symbol, out, why_not);
    enum emit_result result = emit_pool(e, op, symbol, out, why_not);
    return result == EMIT_DECLINED ? emit_reduce(e, op, symbol, out, why_not) : result;
}
