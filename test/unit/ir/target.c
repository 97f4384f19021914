/* Target names, features and what they imply. */
#include "ir/target.h"

#include "test/support/unit.h"

static struct target parse(const char *spec) {
    struct diag diag = {0};
    struct target target = {0};
    CHECK(target_parse(spec, &diag, &target) == STATUS_OK);
    diag_print(&diag, stderr);
    diag_free(&diag);
    return target;
}

static void refuse(const char *spec, const char *want) {
    struct diag diag = {0};
    struct target target;
    CHECK(target_parse(spec, &diag, &target) == STATUS_FAILED && diag.errors == 1);
    CHECK_TEXT(diag.list.at[0].text, want);
    diag_free(&diag);
}

static void test_names(void) {
    CHECK(parse("x86-64").features == 0);
    CHECK(parse("x86-64").vector_bytes == 16);
    CHECK(parse("x86-64-v2").features == cpu_close(CPU_LEVEL_2));
    struct target v3 = parse("x86-64-v3"), v4 = parse("x86-64-v4");
    CHECK(target_has(&v3, CPU_FMA | CPU_AVX2 | CPU_SSE4_2) && !target_has(&v3, CPU_AVX512F));
    CHECK(v3.vector_bytes == 32 && v3.vector_registers == 16 && v4.vector_bytes == 64 &&
          v4.vector_registers == 32);
    CHECK_TEXT(parse("x86-64-v3+avxvnni").name, "x86-64-v3+avxvnni");
    CHECK(parse("x86-64-v3+avxvnni").features == (v3.features | CPU_AVXVNNI));
    CHECK(parse("x86-64-v2+avx512f").features == cpu_close(CPU_LEVEL_2 | CPU_AVX512F));
    struct target dashed = parse("x86-64-v4+amx-int8-gfni"); /* a feature's name may hold a dash */
    CHECK(target_has(&dashed, CPU_AMX_INT8 | CPU_AMX_TILE) && !target_has(&dashed, CPU_GFNI));
    CHECK(parse("aarch64").arch == ARCH_AARCH64 && parse("riscv64").vector_bytes == 0);
    CHECK(parse("host").features == cpu_host());
    CHECK(cpu_close(cpu_host()) == cpu_host());
}

/* What a feature implies goes when the feature it needs goes. */
static void test_without(void) {
    struct target target = parse("x86-64-v4-fma");
    CHECK(!target_has(&target, CPU_FMA) && !target_has(&target, CPU_AVX512F) &&
          !target_has(&target, CPU_AVX512BW));
    CHECK(target_has(&target, CPU_AVX2) && target.vector_bytes == 32);
    target = parse("x86-64-v4+amx-int8-amx-tile");
    CHECK(!target_has(&target, CPU_AMX_INT8) && target_has(&target, CPU_AVX512F));
    CHECK(parse("x86-64-v3-sse3").features == cpu_close(CPU_CX16 | CPU_POPCNT | CPU_SAHF | CPU_BMI |
                                                        CPU_BMI2 | CPU_LZCNT | CPU_MOVBE | CPU_XSAVE));
}

static void test_errors(void) {
    refuse("x86-64-v5", "unknown target 'x86-64-v5'; did you mean 'x86-64-v2'?");
    refuse("", "unknown target ''");
    refuse("hosts", "unknown target 'hosts'");
    refuse("skylake", "unknown target 'skylake'");
    refuse("x86-64-v3+avxvni", "unknown CPU feature 'avxvni'; did you mean 'avxvnni'?");
    refuse("x86-64-v3+", "unknown CPU feature ''");
    refuse("aarch64+avx2", "'avx2' is a feature of x86-64, the target is aarch64");
    char longest[400];
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = 0;
    refuse(longest, "the target's name is longer than 95 bytes");
}

static void test_print(void) {
    struct str text = {0};
    cpu_print(CPU_AVX | CPU_FMA, "+", ",", &text);
    CHECK_TEXT(str_text(&text), "+avx,+fma");
    str_free(&text);
}

int main(void) {
    test_names();
    test_without();
    test_errors();
    test_print();
    return unit_status();
}
