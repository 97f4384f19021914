#include "ir/ops/move.h"

#include <string.h>

/* One dimension of a walk. */
struct axis {
    int64_t extent, from, to;
};

/* Drops dimensions of extent 1 and joins neighbours that are contiguous on both sides, so that the innermost
 * run is as long as it can be. Returns the number of dimensions left, 0 if there is nothing to copy. */
static uint32_t simplify(const struct strided *from, const struct strided *to, uint32_t rank,
                         const int64_t *extent, struct axis *axis) {
    uint32_t count = 0;
    axis[count++] = (struct axis){1, 0, 0};
    for (uint32_t i = 0; i < rank; i++) {
        if (extent[i] == 0) return 0;
        if (extent[i] == 1) continue;
        struct axis *last = &axis[count - 1];
        struct axis next = {extent[i], from->stride[i], to->stride[i]};
        if (last->extent == 1)
            *last = next;
        else if (last->from == next.from * next.extent && last->to == next.to * next.extent)
            *last = (struct axis){last->extent * next.extent, next.from, next.to};
        else
            axis[count++] = next;
    }
    return count;
}

static void copy_run(unsigned char *to, const unsigned char *from, const struct axis *run, size_t size) {
    if (run->from == 1 && run->to == 1) {
        memcpy(to, from, (size_t)run->extent * size);
        return;
    }
    int64_t step_from = run->from * (int64_t)size, step_to = run->to * (int64_t)size;
    for (int64_t i = 0; i < run->extent; i++) {
        switch (size) { /* constant sizes become moves */
        case 1:
            *to = *from;
            break;
        case 2:
            memcpy(to, from, 2);
            break;
        case 4:
            memcpy(to, from, 4);
            break;
        default:
            memcpy(to, from, 8);
            break;
        }
        if (i + 1 < run->extent) from += step_from, to += step_to; /* never forms an address outside */
    }
}

void move_strided(const struct tensor *in, const struct strided *from, struct tensor *out,
                  const struct strided *to, uint32_t rank, const int64_t *extent) {
    check(rank <= MAX_RANK && elem_bytes(in->elem) == elem_bytes(out->elem));
    struct axis axis[MAX_RANK + 1];
    uint32_t count = simplify(from, to, rank, extent, axis);
    if (!count) return;
    size_t size = elem_bytes(in->elem);
    const struct axis *run = &axis[count - 1];
    int64_t index[MAX_RANK + 1] = {0}, at_from = from->base, at_to = to->base;
    for (;;) {
        copy_run((unsigned char *)out->data + (size_t)at_to * size,
                 (const unsigned char *)in->data + (size_t)at_from * size, run, size);
        uint32_t d = count - 1;
        for (;; index[d] = 0) {
            if (d-- == 0) return;
            at_from += axis[d].from;
            at_to += axis[d].to;
            if (++index[d] < axis[d].extent) break;
            at_from -= axis[d].from * axis[d].extent;
            at_to -= axis[d].to * axis[d].extent;
        }
    }
}

struct mapped {
    const struct tensor *in;
    int64_t *const *map;
    const unsigned char *fill;
    uint32_t rank;
    size_t size;
    int64_t in_stride[MAX_RANK]; /* bytes */
};

/* Writes dimension d and all inside it; from is NULL where an outer index asked for the fill. */
static unsigned char *map_dimension(const struct mapped *w, uint32_t d, const unsigned char *from,
                                    unsigned char *to, const int64_t *extent) {
    if (d == w->rank) {
        memcpy(to, from ? from : w->fill, w->size);
        return to + w->size;
    }
    for (int64_t i = 0; i < extent[d]; i++) {
        int64_t index = w->map[d][i];
        to = map_dimension(w, d + 1, from && index >= 0 ? from + index * w->in_stride[d] : NULL, to, extent);
    }
    return to;
}

void move_mapped(const struct tensor *in, int64_t *const *map, const void *fill, struct tensor *out) {
    check(in->rank == out->rank && elem_bytes(in->elem) == elem_bytes(out->elem));
    if (!tensor_count(out)) return;
    struct mapped w = {in, map, fill, in->rank, elem_bytes(in->elem), {0}};
    int64_t step = (int64_t)w.size;
    for (uint32_t d = in->rank; d-- > 0; step *= in->dim[d]) w.in_stride[d] = step;
    /* An operand without elements has no address to start from; then every element is the fill. */
    static const unsigned char nothing[8];
    map_dimension(&w, 0, in->data ? in->data : nothing, out->data, out->dim);
}
