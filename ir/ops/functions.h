/* Every function that the op table names, declared from the table itself: a row without its functions does
 * not link. Their contracts are in op.h. */
#ifndef ADZE_IR_OPS_FUNCTIONS_H
#define ADZE_IR_OPS_FUNCTIONS_H

#include "ir/op.h"

#include <math.h>

#define OP(id, class, traits, operands, results, elems, attrs, infer_fn, eval_fn, channels_fn, footprint_fn, \
           expand_fn, ...)                                                                                   \
    enum status infer_fn(struct infer *);                                                                    \
    enum status eval_fn(const struct eval *);                                                                \
    void channels_fn(struct channel_map *);                                                                  \
    void footprint_fn(const struct module *, const struct op *, uint32_t, const struct box *, struct box *); \
    enum status expand_fn(struct builder *, const struct op *, value_id *);
#include "ir/ops.def"

#endif
