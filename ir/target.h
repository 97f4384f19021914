/* What passes and code generation must know of the CPU that a model is compiled for: plain data. */
#ifndef ADZE_IR_TARGET_H
#define ADZE_IR_TARGET_H

#include "ir/base/diag.h"
#include "ir/base/str.h"

/* Positions of the features in a set, in the order of cpu.def. */
enum cpu_feature_index {
#define CPU(id, name, implies, leaf, subleaf, reg, bit, os) CPU_INDEX_##id,
#include "ir/cpu.def"
#undef CPU
    CPU_FEATURES
};
_Static_assert(CPU_FEATURES <= 64, "a feature set is a uint64_t");

/* The features as bits of a set. */
#define CPU_BIT(id) (UINT64_C(1) << CPU_INDEX_##id)
#define CPU_SSE3 CPU_BIT(SSE3)
#define CPU_SSSE3 CPU_BIT(SSSE3)
#define CPU_CX16 CPU_BIT(CX16)
#define CPU_SSE4_1 CPU_BIT(SSE4_1)
#define CPU_SSE4_2 CPU_BIT(SSE4_2)
#define CPU_MOVBE CPU_BIT(MOVBE)
#define CPU_POPCNT CPU_BIT(POPCNT)
#define CPU_SAHF CPU_BIT(SAHF)
#define CPU_LZCNT CPU_BIT(LZCNT)
#define CPU_XSAVE CPU_BIT(XSAVE)
#define CPU_AVX CPU_BIT(AVX)
#define CPU_F16C CPU_BIT(F16C)
#define CPU_FMA CPU_BIT(FMA)
#define CPU_BMI CPU_BIT(BMI)
#define CPU_BMI2 CPU_BIT(BMI2)
#define CPU_AVX2 CPU_BIT(AVX2)
#define CPU_GFNI CPU_BIT(GFNI)
#define CPU_AVXVNNI CPU_BIT(AVXVNNI)
#define CPU_AVXVNNIINT8 CPU_BIT(AVXVNNIINT8)
#define CPU_AVX512F CPU_BIT(AVX512F)
#define CPU_AVX512DQ CPU_BIT(AVX512DQ)
#define CPU_AVX512IFMA CPU_BIT(AVX512IFMA)
#define CPU_AVX512CD CPU_BIT(AVX512CD)
#define CPU_AVX512BW CPU_BIT(AVX512BW)
#define CPU_AVX512VL CPU_BIT(AVX512VL)
#define CPU_AVX512VBMI CPU_BIT(AVX512VBMI)
#define CPU_AVX512VBMI2 CPU_BIT(AVX512VBMI2)
#define CPU_AVX512VNNI CPU_BIT(AVX512VNNI)
#define CPU_AVX512BITALG CPU_BIT(AVX512BITALG)
#define CPU_AVX512VPOPCNTDQ CPU_BIT(AVX512VPOPCNTDQ)
#define CPU_AVX512BF16 CPU_BIT(AVX512BF16)
#define CPU_AVX512FP16 CPU_BIT(AVX512FP16)
#define CPU_AMX_TILE CPU_BIT(AMX_TILE)
#define CPU_AMX_BF16 CPU_BIT(AMX_BF16)
#define CPU_AMX_INT8 CPU_BIT(AMX_INT8)

/* The feature sets of the x86-64 psABI's levels. */
#define CPU_LEVEL_2 (CPU_CX16 | CPU_POPCNT | CPU_SAHF | CPU_SSE3 | CPU_SSSE3 | CPU_SSE4_1 | CPU_SSE4_2)
#define CPU_LEVEL_3                                                                                          \
    (CPU_LEVEL_2 | CPU_AVX | CPU_AVX2 | CPU_BMI | CPU_BMI2 | CPU_F16C | CPU_FMA | CPU_LZCNT | CPU_MOVBE |    \
     CPU_XSAVE)
#define CPU_LEVEL_4 (CPU_LEVEL_3 | CPU_AVX512F | CPU_AVX512BW | CPU_AVX512CD | CPU_AVX512DQ | CPU_AVX512VL)

struct cpu_feature {
    const char *name;
    uint64_t bit;
    uint64_t implies;                      /* all that comes with it, itself included */
    uint32_t leaf, subleaf, reg, mask, os; /* see cpu.def */
};
/* [CPU_FEATURES] */
extern const struct cpu_feature cpu_features[];

/* `set` and all that its members imply. */
uint64_t cpu_close(uint64_t set);
/* What the machine this runs on has: closed, empty on another architecture than x86-64. */
uint64_t cpu_host(void);
/* The names of a set in the table's order, each with `prefix` before it and `separator` between them. */
void cpu_print(uint64_t set, const char *prefix, const char *separator, struct str *out);

enum arch { ARCH_X86_64, ARCH_AARCH64, ARCH_RISCV64, ARCH_WASM32 };

struct target {
    char name[96]; /* as the user wrote it: "x86-64-v3+avxvnni"; "host" */
    enum arch arch;
    uint64_t features;                       /* closed */
    uint32_t vector_bytes, vector_registers; /* that the features give; vector_bytes 0: not fixed */
};

struct target_row {
    const char *name, *summary;
    enum arch arch;
    uint64_t features;
    uint32_t vector_bytes, vector_registers;
};
extern const struct target_row target_rows[];
extern const uint32_t target_row_count;

/* Reads `host` or a row's name, each with `+feature` and `-feature` after it. Errors: an unknown name (with a
 * hint where it is nearly right), a feature of another architecture. */
MUST_USE enum status target_parse(const char *spec, struct diag *diag, struct target *out);
bool target_has(const struct target *target, uint64_t features);

/* What kernels are shaped by. Lanes: f32 lanes of the vectors they use. Caches: bytes of data that a kernel
 * may count on; a guess for all CPUs of the kind and no reading, so that the same flags give the same code on
 * any machine. */
static inline uint32_t target_lanes(const struct target *target) {
    return target->vector_bytes ? target->vector_bytes / 4 : 4;
}
static inline uint64_t target_l1_bytes(const struct target *target) {
    return target->arch == ARCH_AARCH64 ? 65536 : 32768;
}
static inline uint64_t target_l2_bytes(const struct target *target) {
    return target->vector_bytes >= 64 ? 1048576 : 524288;
}

#endif
