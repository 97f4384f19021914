#include "ir/ops/chunk.h"

#include <string.h>

#define LOAD(T, convert)                                                                                     \
    do {                                                                                                     \
        const T *at = (const T *)from->data + start;                                                         \
        for (int64_t i = 0; i < count; i++) out[i] = convert(at[i]);                                         \
    } while (0)
#define STORE(T, convert)                                                                                    \
    do {                                                                                                     \
        T *at = (T *)to->data + start;                                                                       \
        for (int64_t i = 0; i < count; i++) at[i] = (T)convert(in[i]);                                       \
    } while (0)

void chunk_load_f64(const struct tensor *from, int64_t start, int64_t count, double *out) {
    if (!count) return;
    switch (from->elem) {
    case ELEM_f64:
        memcpy(out, (const double *)from->data + start, (size_t)count * sizeof *out);
        break;
    case ELEM_f32:
        LOAD(float, (double));
        break;
    case ELEM_f16:
        LOAD(uint16_t, (double)elem_f16_to_f32);
        break;
    case ELEM_bf16:
        LOAD(uint16_t, (double)elem_bf16_to_f32);
        break;
    default:
        bug("%s read as a float", elem_name(from->elem));
    }
}

void chunk_load_i64(const struct tensor *from, int64_t start, int64_t count, int64_t *out) {
    if (!count) return;
    switch (from->elem) {
    case ELEM_bool:
        LOAD(uint8_t, 0 !=);
        break;
    case ELEM_u8:
        LOAD(uint8_t, );
        break;
    case ELEM_u16:
        LOAD(uint16_t, );
        break;
    case ELEM_u32:
        LOAD(uint32_t, );
        break;
    case ELEM_u64:
    case ELEM_i64:
        memcpy(out, (const int64_t *)from->data + start, (size_t)count * sizeof *out);
        break;
    case ELEM_i8:
        LOAD(int8_t, );
        break;
    case ELEM_i16:
        LOAD(int16_t, );
        break;
    case ELEM_i32:
        LOAD(int32_t, );
        break;
    default:
        bug("%s read as an integer", elem_name(from->elem));
    }
}

void chunk_store_f64(struct tensor *to, int64_t start, int64_t count, const double *in) {
    if (!count) return;
    switch (to->elem) {
    case ELEM_f64:
        memcpy((double *)to->data + start, in, (size_t)count * sizeof *in);
        break;
    case ELEM_f32:
        STORE(float, );
        break;
    case ELEM_f16:
        STORE(uint16_t, elem_f64_to_f16);
        break;
    case ELEM_bf16:
        STORE(uint16_t, elem_f64_to_bf16);
        break;
    default:
        bug("a float written as %s", elem_name(to->elem));
    }
}

void chunk_store_i64(struct tensor *to, int64_t start, int64_t count, const int64_t *in) {
    if (!count) return;
    switch (to->elem) {
    case ELEM_bool:
        STORE(uint8_t, 0 !=);
        break;
    case ELEM_u8:
    case ELEM_i8:
        STORE(uint8_t, );
        break; /* truncation is the same for both signs */
    case ELEM_u16:
    case ELEM_i16:
        STORE(uint16_t, );
        break;
    case ELEM_u32:
    case ELEM_i32:
        STORE(uint32_t, );
        break;
    case ELEM_u64:
    case ELEM_i64:
        memcpy((int64_t *)to->data + start, in, (size_t)count * sizeof *in);
        break;
    default:
        bug("an integer written as %s", elem_name(to->elem));
    }
}
