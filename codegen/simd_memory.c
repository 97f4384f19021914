#include "codegen/simd_memory.h"

#include <stddef.h>

static unsigned elem_align(LLVMTypeRef type) {
    unsigned bits = simd_bits(type);
    return bits < 8 ? 1 : bits / 8;
}

static LLVMTypeRef pointer_type(LLVMTypeRef like) {
    return LLVMPointerTypeInContext(LLVMGetTypeContext(like), 0);
}

LLVMValueRef simd_address(LLVMBuilderRef b, LLVMTypeRef elem, LLVMValueRef base, LLVMValueRef offset) {
    return LLVMBuildGEP2(b, elem, base, &offset, 1, "");
}

/* LLVM 22 for x86 makes a masked store of one known lane a scalar one, and when a truncation was merged into
 * it before, the scalar has the width from before the truncation: it writes past the lane. So one lane is a
 * scalar from the start.
 *
 * What a mask says: how many lanes are set, and the only one if it is one; false for masks that are not
 * constant. */
static bool constant_mask(LLVMValueRef mask, unsigned *count, unsigned *lane) {
    if (!LLVMIsConstant(mask)) return false;
    *count = 0;
    for (unsigned i = 0; i < simd_lanes(LLVMTypeOf(mask)); i++) {
        LLVMValueRef bit = LLVMGetAggregateElement(mask, i);
        if (!bit || !LLVMIsAConstantInt(bit)) return false;
        if (LLVMConstIntGetZExtValue(bit) == 0) continue;
        *lane = i;
        ++*count;
    }
    return true;
}

static LLVMValueRef lane_number(LLVMTypeRef like, unsigned i) {
    return LLVMConstInt(LLVMInt32TypeInContext(LLVMGetTypeContext(like)), i, 0);
}

static LLVMValueRef lane_address(LLVMBuilderRef b, LLVMTypeRef elem, LLVMValueRef address, unsigned lane) {
    LLVMValueRef offset = lane_number(elem, lane);
    return LLVMBuildGEP2(b, elem, address, &offset, 1, "");
}

LLVMValueRef simd_load(LLVMBuilderRef b, LLVMTypeRef type, LLVMValueRef address, LLVMValueRef mask) {
    if (!mask) {
        LLVMValueRef v = LLVMBuildLoad2(b, type, address, "");
        LLVMSetAlignment(v, elem_align(type));
        return v;
    }
    unsigned count, lane;
    if (constant_mask(mask, &count, &lane) && count == 1) {
        LLVMTypeRef elem = simd_elem(type);
        LLVMValueRef x = simd_load(b, elem, lane_address(b, elem, address, lane), NULL);
        return LLVMBuildInsertElement(b, LLVMConstNull(type), x, lane_number(type, lane), "");
    }
    LLVMTypeRef overload[] = {type, LLVMTypeOf(address)};
    LLVMValueRef args[] = {address, mask, LLVMConstNull(type)};
    LLVMValueRef call = simd_intrinsic(b, "llvm.masked.load", overload, 2, args, 3);
    LLVMSetInstrParamAlignment(call, 1, elem_align(type));
    return call;
}

void simd_store(LLVMBuilderRef b, LLVMValueRef value, LLVMValueRef address, LLVMValueRef mask) {
    LLVMTypeRef type = LLVMTypeOf(value);
    if (!mask) {
        LLVMSetAlignment(LLVMBuildStore(b, value, address), elem_align(type));
        return;
    }
    unsigned count, lane;
    if (constant_mask(mask, &count, &lane) && count == 1) {
        simd_store(b, simd_lane(b, value, lane), lane_address(b, simd_elem(type), address, lane), NULL);
        return;
    }
    LLVMTypeRef overload[] = {type, LLVMTypeOf(address)};
    LLVMValueRef args[] = {value, address, mask};
    LLVMValueRef call = simd_intrinsic(b, "llvm.masked.store", overload, 2, args, 3);
    LLVMSetInstrParamAlignment(call, 2, elem_align(type));
}

LLVMValueRef simd_gather(LLVMBuilderRef b, LLVMTypeRef type, LLVMValueRef base, LLVMValueRef offsets,
                         LLVMValueRef mask) {
    unsigned lanes = simd_lanes(type);
    LLVMTypeRef elem = simd_elem(type);
    if (mask) {
        LLVMTypeRef overload[] = {type, simd_type(pointer_type(type), lanes)};
        LLVMValueRef args[] = {LLVMBuildGEP2(b, elem, base, &offsets, 1, ""), mask, LLVMConstNull(type)};
        LLVMValueRef call = simd_intrinsic(b, "llvm.masked.gather", overload, 2, args, 3);
        LLVMSetInstrParamAlignment(call, 1, elem_align(type));
        return call;
    }
    LLVMValueRef v = LLVMGetPoison(type);
    for (unsigned i = 0; i < lanes; i++) {
        LLVMValueRef x = simd_load(b, elem, simd_address(b, elem, base, simd_lane(b, offsets, i)), NULL);
        if (lanes == 1) return x;
        v = LLVMBuildInsertElement(b, v, x,
                                   LLVMConstInt(LLVMInt32TypeInContext(LLVMGetTypeContext(type)), i, 0), "");
    }
    return v;
}

void simd_scatter(LLVMBuilderRef b, LLVMValueRef value, LLVMValueRef base, LLVMValueRef offsets,
                  LLVMValueRef mask) {
    LLVMTypeRef type = LLVMTypeOf(value), elem = simd_elem(type);
    unsigned lanes = simd_lanes(type);
    if (mask) {
        LLVMTypeRef overload[] = {type, simd_type(pointer_type(type), lanes)};
        LLVMValueRef args[] = {value, LLVMBuildGEP2(b, elem, base, &offsets, 1, ""), mask};
        LLVMValueRef call = simd_intrinsic(b, "llvm.masked.scatter", overload, 2, args, 3);
        LLVMSetInstrParamAlignment(call, 2, elem_align(type));
        return;
    }
    for (unsigned i = 0; i < lanes; i++)
        simd_store(b, simd_lane(b, value, i), simd_address(b, elem, base, simd_lane(b, offsets, i)), NULL);
}

LLVMValueRef simd_first_lanes(LLVMBuilderRef b, LLVMValueRef count, unsigned lanes) {
    LLVMTypeRef i64 = LLVMTypeOf(count), i32 = LLVMInt32TypeInContext(LLVMGetTypeContext(i64));
    LLVMValueRef low = LLVMConstNull(i64), high = simd_i(i64, lanes);
    count = LLVMBuildSelect(b, LLVMBuildICmp(b, LLVMIntSLT, count, low, ""), low, count, "");
    count = LLVMBuildSelect(b, LLVMBuildICmp(b, LLVMIntSGT, count, high, ""), high, count, "");
    LLVMValueRef all = simd_splat(b, LLVMBuildTrunc(b, count, i32, ""), lanes);
    return LLVMBuildICmp(b, LLVMIntSLT, simd_iota(simd_type(i32, lanes), 0, 1), all, "");
}
