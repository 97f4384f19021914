#include "codegen/gemm/dot.h"

static const struct dot rows[] = {
#define DOT(id, arch, need, a, b, acc, lanes, depth, registers, fused)                                       \
    {#id, ARCH_##arch, need, ELEM_##a, ELEM_##b, ELEM_##acc, lanes, depth, registers, fused},
#include "codegen/tiles.def"
#undef DOT
};

const struct dot *dot_for(const struct target *target, enum elem a, enum elem b, enum elem acc) {
    const struct dot *best = NULL;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct dot *d = &rows[i];
        if (d->arch == target->arch && d->a == a && d->b == b && d->acc == acc && target_has(target, d->need))
            best = d;
    }
    return best;
}
