/* Growable arrays: `VEC(int) v = {0}; *vec_push(&v) = 3; v.at[0]; vec_free(&v);` */
#ifndef ADZE_IR_BASE_VEC_H
#define ADZE_IR_BASE_VEC_H

#include "ir/base/base.h"

#include <stdlib.h>
#include <string.h>

#define VEC(T)                                                                                               \
    struct {                                                                                                 \
        T *at;                                                                                               \
        uint32_t count, capacity;                                                                            \
    }

/* Address of a new, zeroed last element. Earlier element addresses may change. */
#define vec_push(v)                                                                                          \
    (vec_reserve_((void **)&(v)->at, &(v)->capacity, (v)->count, sizeof *(v)->at),                           \
     memset(&(v)->at[(v)->count], 0, sizeof *(v)->at), &(v)->at[(v)->count++])
#define vec_pop(v) ((v)->at[--(v)->count])
#define vec_last(v) ((v)->at[(v)->count - 1])
#define vec_clear(v) ((void)((v)->count = 0))
#define vec_free(v) (free((v)->at), (void)((v)->at = NULL), (void)((v)->count = (v)->capacity = 0))

/* Makes room for one more element. */
static inline void vec_reserve_(void **at, uint32_t *capacity, uint32_t count, size_t size) {
    if (count < *capacity) return;
    if (count > UINT32_MAX / 2 - 8) bug("vector of %u elements", count);
    *capacity = count < 8 ? 8 : count * 2;
    *at = xrealloc(*at, *capacity * size);
}

#endif
