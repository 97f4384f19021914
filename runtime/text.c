#include "runtime/include/adze_runtime.h"

#include <string.h>

const char *adze_error_text(int code) {
    switch ((enum adze_error)code) {
    case ADZE_OK:
        return "no error";
    case ADZE_WRONG_ABI:
        return "the model and its caller were built against different versions of adze_model.h";
    case ADZE_NO_CPU:
        return "this CPU lacks instructions that the model was compiled for";
    case ADZE_BAD_ARGUMENT:
        return "an argument is null, misaligned or out of bounds";
    case ADZE_OUT_OF_RANGE:
        return "the model was not compiled for these dimensions";
    case ADZE_BAD_SCRATCH:
        return "the scratch memory is missing, misaligned or too small";
    case ADZE_WRONG_WEIGHTS:
        return "the weights are missing or belong to another model";
    case ADZE_NO_MEMORY:
        return "there is not enough memory";
    case ADZE_NO_FILE:
        return "the file cannot be read";
    case ADZE_NOT_A_MODEL:
        return "the file is not a compiled model or a weights file, or is damaged";
    case ADZE_NO_THREAD:
        return "the system refused a thread";
    }
    return "an unknown error code";
}

const char *adze_metadata(const struct adze_model *model, const char *key) {
    const char *at = model->metadata;
    while (*at) {
        const char *value = at + strlen(at) + 1;
        if (strcmp(at, key) == 0) return value;
        at = value + strlen(value) + 1;
    }
    return NULL;
}

static const struct {
    const char *name;
    size_t bytes;
} elems[] = {
    [ADZE_BOOL] = {"bool", 1}, [ADZE_I8] = {"i8", 1},   [ADZE_I16] = {"i16", 2},   [ADZE_I32] = {"i32", 4},
    [ADZE_I64] = {"i64", 8},   [ADZE_U8] = {"u8", 1},   [ADZE_U16] = {"u16", 2},   [ADZE_U32] = {"u32", 4},
    [ADZE_U64] = {"u64", 8},   [ADZE_F16] = {"f16", 2}, [ADZE_BF16] = {"bf16", 2}, [ADZE_F32] = {"f32", 4},
    [ADZE_F64] = {"f64", 8},
};

size_t adze_elem_bytes(uint32_t elem) {
    return elem < sizeof elems / sizeof elems[0] ? elems[elem].bytes : 0;
}

const char *adze_elem_name(uint32_t elem) {
    return elem < sizeof elems / sizeof elems[0] ? elems[elem].name : NULL;
}

int adze_check_model(const struct adze_model *model) {
    return model->abi == ADZE_ABI && model->size >= sizeof *model ? ADZE_OK : ADZE_WRONG_ABI;
}
