#include "ir/elem.h"

#include <math.h>
#include <string.h>

static const struct {
    const char *name;
    size_t bytes;
    enum elem_kind kind;
} table[ELEM_COUNT] = {
#define ELEM(name, bytes, kind) [ELEM_##name] = {#name, bytes, ELEM_KIND_##kind},
#include "ir/elem.def"
};

const char *elem_name(enum elem elem) {
    return elem == ELEM_NONE ? "none" : table[elem].name;
}
size_t elem_bytes(enum elem elem) {
    return table[elem].bytes;
}
unsigned elem_bits(enum elem elem) {
    if (elem == ELEM_bool) return 1;
    return elem_in(elem, ELEMS_NIBBLE) ? 4 : (unsigned)(8 * elem_bytes(elem));
}
int64_t elem_min(enum elem elem) {
    return elem_kind(elem) == ELEM_KIND_INT ? -((int64_t)1 << (elem_bits(elem) - 1)) : 0;
}
int64_t elem_max(enum elem elem) {
    return ((int64_t)1 << (elem_bits(elem) - (elem_kind(elem) == ELEM_KIND_INT))) - 1;
}
enum elem_kind elem_kind(enum elem elem) {
    return table[elem].kind;
}

enum elem elem_by_name(const char *name) {
    for (enum elem e = ELEM_NONE + 1; e < ELEM_COUNT; e++)
        if (!strcmp(table[e].name, name)) return e;
    return ELEM_NONE;
}

static float float_of_bits(uint32_t bits) {
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

float elem_bf16_to_f32(uint16_t half) {
    return float_of_bits((uint32_t)half << 16);
}

float elem_f16_to_f32(uint16_t half) {
    uint32_t sign = (uint32_t)(half & 0x8000) << 16, exponent = half >> 10 & 31, mantissa = half & 1023;
    if (exponent == 31) return float_of_bits(sign | 0x7F800000 | mantissa << 13);
    if (exponent) return float_of_bits(sign | (exponent + 112) << 23 | mantissa << 13);
    float tiny = ldexpf((float)mantissa, -24);
    return sign ? -tiny : tiny;
}

/* Rounds a finite magnitude to a binary format with `precision` bits of significand (the hidden one
 * included), least exponent `emin` of a normal number and bias `bias`; the carry out of the significand runs
 * into the exponent field as it should. */
static uint32_t round_to(double magnitude, int precision, int emin, int bias) {
    int exponent;
    frexp(magnitude, &exponent);
    exponent -= 1; /* magnitude = 1.xxx * 2^exponent */
    if (exponent < emin) exponent = emin;
    double units = nearbyint(ldexp(magnitude, precision - 1 - exponent));
    double hidden = ldexp(1, precision - 1);
    uint32_t field = (uint32_t)(exponent + bias);
    if (units < hidden) return (uint32_t)units; /* subnormal or zero: exponent field 0 */
    return (field << (precision - 1)) + (uint32_t)(units - hidden);
}

uint16_t elem_f64_to_f16(double value) {
    uint16_t sign = signbit(value) ? 0x8000 : 0;
    if (isnan(value)) return (uint16_t)(sign | 0x7E00);
    double magnitude = fabs(value);
    if (magnitude >= 65520.0) return (uint16_t)(sign | 0x7C00);
    return (uint16_t)(sign | round_to(magnitude, 11, -14, 15));
}

uint16_t elem_f64_to_bf16(double value) {
    uint16_t sign = signbit(value) ? 0x8000 : 0;
    if (isnan(value)) return (uint16_t)(sign | 0x7FC0);
    double magnitude = fabs(value);
    if (magnitude >= ldexp(1 - ldexp(1, -9), 128)) return (uint16_t)(sign | 0x7F80);
    return (uint16_t)(sign | round_to(magnitude, 8, -126, 127));
}

uint16_t elem_f32_to_f16(float value) {
    return elem_f64_to_f16((double)value);
}
uint16_t elem_f32_to_bf16(float value) {
    return elem_f64_to_bf16((double)value);
}
