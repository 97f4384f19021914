#include "frontend/near.h"

#include "ir/op.h"

#include <string.h>

/* Up to a third of the letters may differ, two of four (letters that changed places count twice); a single
 * letter is too little to go by. */
struct near near_to(const char *wanted) {
    size_t length = strlen(wanted);
    unsigned most = length < 2    ? 0
                    : length < 4  ? 1
                    : length < 8  ? 2
                    : length > 30 ? 10
                                  : (unsigned)length / 3;
    return (struct near){wanted, NULL, most + 1};
}

void near_offer(struct near *near, const char *candidate) {
    unsigned distance = str_distance(near->wanted, candidate, near->distance);
    if (distance >= near->distance) return;
    near->distance = distance;
    near->best = candidate;
}

void near_offer_ops(struct near *near) {
    for (enum op_kind k = OP_NONE + 1; k < OP_COUNT; k++) near_offer(near, op_info(k)->name);
}

const char *near_hint(const struct near *near, struct arena *arena) {
    return near->best ? arena_printf(arena, "; did you mean '%s'?", near->best) : "";
}
