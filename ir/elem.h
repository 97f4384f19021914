/* Element types and sets of them. */
#ifndef ADZE_IR_ELEM_H
#define ADZE_IR_ELEM_H

#include "ir/base/base.h"

enum elem {
    ELEM_NONE,
#define ELEM(name, bytes, kind) ELEM_##name,
#include "ir/elem.def"
    ELEM_COUNT
};

enum elem_kind { ELEM_KIND_NONE, ELEM_KIND_BOOL, ELEM_KIND_UINT, ELEM_KIND_INT, ELEM_KIND_FLOAT };

/* Sets of element types, as bit masks. */
typedef uint32_t elem_set;
#define ELEM_BIT(e) (1u << (e))
enum {
    ELEMS_BOOL = ELEM_BIT(ELEM_bool),
    ELEMS_NIBBLE = ELEM_BIT(ELEM_i4) | ELEM_BIT(ELEM_u4),
    QUANTIZED_ELEMS = ELEM_BIT(ELEM_i8) | ELEM_BIT(ELEM_u8) | ELEM_BIT(ELEM_i16) | ELEM_BIT(ELEM_u16),
    ELEMS_UINT = ELEM_BIT(ELEM_u8) | ELEM_BIT(ELEM_u16) | ELEM_BIT(ELEM_u32) | ELEM_BIT(ELEM_u64),
    ELEMS_SINT = ELEM_BIT(ELEM_i8) | ELEM_BIT(ELEM_i16) | ELEM_BIT(ELEM_i32) | ELEM_BIT(ELEM_i64),
    ELEMS_INT = ELEMS_UINT | ELEMS_SINT,
    ELEMS_FLOAT = ELEM_BIT(ELEM_f16) | ELEM_BIT(ELEM_bf16) | ELEM_BIT(ELEM_f32) | ELEM_BIT(ELEM_f64),
    ELEMS_SIGNED = ELEMS_SINT | ELEMS_FLOAT,
    ELEMS_NUMERIC = ELEMS_INT | ELEMS_FLOAT,
    ELEMS_ANY = ELEMS_NUMERIC | ELEMS_BOOL,
};

const char *elem_name(enum elem elem);
size_t elem_bytes(enum elem elem);  /* in a tensor */
unsigned elem_bits(enum elem elem); /* that carry the value: 4 for i4 and u4, 1 for bool */
/* Range of an integer type of at most 32 bits. */
int64_t elem_min(enum elem elem);
int64_t elem_max(enum elem elem);
enum elem_kind elem_kind(enum elem elem);
enum elem elem_by_name(const char *name); /* ELEM_NONE if there is none */
static inline bool elem_in(enum elem elem, elem_set set) {
    return (set & ELEM_BIT(elem)) != 0;
}
static inline bool elem_is_float(enum elem elem) {
    return elem_in(elem, ELEMS_FLOAT);
}
static inline bool elem_is_int(enum elem elem) {
    return elem_in(elem, ELEMS_INT);
}

/* Exact widenings; rounding to nearest even on the way down, NaN stays NaN. */
float elem_f16_to_f32(uint16_t half);
float elem_bf16_to_f32(uint16_t half);
uint16_t elem_f32_to_f16(float value);
uint16_t elem_f32_to_bf16(float value);
uint16_t elem_f64_to_f16(double value); /* one rounding, not two */
uint16_t elem_f64_to_bf16(double value);

#endif
