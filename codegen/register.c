#include "codegen/register.h"

#include "codegen/simd.h"
#include "codegen/vmath_convert.h"

static bool is_half(enum elem elem) {
    return elem == ELEM_f16 || elem == ELEM_bf16;
}

/* Does the target convert f16 in hardware? */
static bool has_f16(const struct emit *e) {
    if (e->target->arch == ARCH_AARCH64) return true;
    return e->target->arch == ARCH_X86_64 && target_has(e->target, CPU_F16C);
}

static LLVMTypeRef int_type(LLVMContextRef context, enum elem elem) {
    return LLVMIntTypeInContext(context, (unsigned)elem_bytes(elem) * 8);
}

LLVMTypeRef register_type(LLVMContextRef context, enum elem elem, unsigned lanes) {
    LLVMTypeRef type;
    if (elem == ELEM_f64)
        type = LLVMDoubleTypeInContext(context);
    else if (elem_is_float(elem))
        type = LLVMFloatTypeInContext(context);
    else if (elem == ELEM_bool)
        type = LLVMInt1TypeInContext(context);
    else
        type = int_type(context, elem);
    return simd_type(type, lanes);
}

LLVMTypeRef memory_type(LLVMContextRef context, enum elem elem, unsigned lanes) {
    if (is_half(elem) || elem == ELEM_bool) return simd_type(int_type(context, elem), lanes);
    return register_type(context, elem, lanes);
}

LLVMValueRef register_from_memory(struct emit *e, enum elem elem, LLVMValueRef value) {
    switch (elem) {
    case ELEM_bool:
        return LLVMBuildICmp(e->builder, LLVMIntNE, value, simd_i(LLVMTypeOf(value), 0), "");
    case ELEM_f16:
        return vmath_f16_to_f32(e->builder, value, has_f16(e));
    case ELEM_bf16:
        return vmath_bf16_to_f32(e->builder, value);
    default:
        return value;
    }
}

LLVMValueRef register_to_memory(struct emit *e, enum elem elem, LLVMValueRef value) {
    switch (elem) {
    case ELEM_bool:
        return LLVMBuildZExt(e->builder, value, simd_int_type(LLVMTypeOf(value), 8), "");
    case ELEM_f16:
        return vmath_f32_to_f16(e->builder, value, has_f16(e));
    case ELEM_bf16:
        return vmath_f32_to_bf16(e->builder, value);
    default:
        return value;
    }
}

LLVMValueRef register_round(struct emit *e, enum elem elem, LLVMValueRef value) {
    if (!is_half(elem)) return value;
    return register_from_memory(e, elem, register_to_memory(e, elem, value));
}

LLVMValueRef register_constant(struct emit *e, const struct tensor *tensor, int64_t i, unsigned lanes) {
    LLVMTypeRef type = register_type(e->context, tensor->elem, lanes);
    if (elem_is_float(tensor->elem)) return simd_f(type, tensor_get_f64(tensor, i));
    return simd_i(type, (uint64_t)tensor_get_i64(tensor, i));
}

LLVMValueRef register_number(struct emit *e, enum elem elem, double value, unsigned lanes) {
    struct tensor one = tensor_scalar_f64(elem, value);
    LLVMValueRef constant = register_constant(e, &one, 0, lanes);
    tensor_free(&one);
    return constant;
}

/* A double as a narrower float, rounded once. */
static LLVMValueRef narrow(struct emit *e, LLVMValueRef x, enum elem to, LLVMTypeRef type) {
    if (to == ELEM_f32) return LLVMBuildFPTrunc(e->builder, x, type, "");
    return register_round(e, to, vmath_f64_to_f32_odd(e->builder, x));
}

static LLVMValueRef float_to_float(struct emit *e, LLVMValueRef x, enum elem from, enum elem to,
                                   LLVMTypeRef type) {
    if (to == ELEM_f64) return from == ELEM_f64 ? x : LLVMBuildFPExt(e->builder, x, type, "");
    return from == ELEM_f64 ? narrow(e, x, to, type) : register_round(e, to, x);
}

static LLVMValueRef int_to_float(struct emit *e, LLVMValueRef x, bool is_signed, enum elem to,
                                 LLVMTypeRef type) {
    if (to == ELEM_f32 || to == ELEM_f64)
        return is_signed ? LLVMBuildSIToFP(e->builder, x, type, "")
                         : LLVMBuildUIToFP(e->builder, x, type, "");
    LLVMTypeRef wide = simd_with_elem(type, LLVMDoubleTypeInContext(e->context));
    return narrow(e, int_to_float(e, x, is_signed, ELEM_f64, wide), to, type);
}

LLVMValueRef register_cast(struct emit *e, LLVMValueRef x, enum elem from, enum elem to) {
    unsigned lanes = simd_lanes(LLVMTypeOf(x));
    LLVMTypeRef type = register_type(e->context, to, lanes);
    bool is_signed = elem_in(from, ELEMS_SINT);
    if (from == to) return x;
    if (from == ELEM_bool) {
        LLVMValueRef one = elem_is_float(to) ? simd_f(type, 1) : simd_i(type, 1);
        return LLVMBuildSelect(e->builder, x, one, LLVMConstNull(type), "");
    }
    if (to == ELEM_bool)
        return elem_is_float(from) ? LLVMBuildFCmp(e->builder, LLVMRealUNE, x, simd_f(LLVMTypeOf(x), 0), "")
                                   : LLVMBuildICmp(e->builder, LLVMIntNE, x, simd_i(LLVMTypeOf(x), 0), "");
    if (elem_is_float(from) && elem_is_float(to)) return float_to_float(e, x, from, to, type);
    if (elem_is_float(from))
        return vmath_float_to_int(e->builder, x, simd_bits(type), elem_in(to, ELEMS_SINT));
    if (elem_is_float(to)) return int_to_float(e, x, is_signed, to, type);
    return LLVMBuildIntCast2(e->builder, x, type, is_signed, "");
}

LLVMValueRef literal_pointer(struct emit *e, const struct tensor *literal) {
    LLVMTypeRef elem = memory_type(e->context, literal->elem, 1);
    LLVMValueRef bytes = LLVMConstStringInContext2(e->context, literal->data, tensor_bytes(literal), 1);
    LLVMValueRef global = LLVMAddGlobal(e->module, LLVMTypeOf(bytes), "literal");
    LLVMSetInitializer(global, bytes);
    LLVMSetGlobalConstant(global, 1);
    LLVMSetLinkage(global, LLVMPrivateLinkage);
    LLVMSetUnnamedAddress(global, LLVMGlobalUnnamedAddr);
    LLVMSetAlignment(global, simd_bits(elem) / 8);
    return global;
}
