#include "ir/target.h"

#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

const struct cpu_feature cpu_features[] = {
#define CPU(id, name, implies, leaf, subleaf, reg, bit, os)                                                  \
    {name, CPU_##id, CPU_##id | (implies), leaf, subleaf, reg, UINT32_C(1) << (bit), os},
#include "ir/cpu.def"
#undef CPU
};

const struct target_row target_rows[] = {
#define TARGET(id, name, arch, features, vector_bytes, vector_registers, summary)                            \
    {name, summary, ARCH_##arch, features, vector_bytes, vector_registers},
#include "ir/targets.def"
#undef TARGET
};
const uint32_t target_row_count = COUNT_OF(target_rows);

uint64_t cpu_close(uint64_t set) {
    for (uint32_t i = CPU_FEATURES; i-- > 0;)
        if (set & cpu_features[i].bit) set |= cpu_features[i].implies;
    return set;
}

#if defined(__x86_64__)
static bool cpu_announces(const struct cpu_feature *feature, uint64_t os) {
    uint32_t reg[4];
    if ((os & feature->os) != feature->os) return false;
    if (__get_cpuid_max(feature->leaf & 0x80000000u, NULL) < feature->leaf) return false;
    __cpuid_count(feature->leaf, feature->subleaf, reg[0], reg[1], reg[2], reg[3]);
    return (reg[feature->reg] & feature->mask) != 0;
}

/* XCR0: the register state that the operating system saves; 0 when it saves none with xsave. */
static uint64_t enabled_state(void) {
    uint32_t a, b, c, d;
    __cpuid(1, a, b, c, d);
    if ((c & (UINT32_C(1) << 27)) == 0) return 0;
    __asm__ volatile("xgetbv" : "=a"(a), "=d"(d) : "c"(0));
    return (uint64_t)d << 32 | a;
}

uint64_t cpu_host(void) {
    uint64_t os = enabled_state(), set = 0;
    for (uint32_t i = 0; i < CPU_FEATURES; i++) {
        /* A hypervisor may hide a feature and show one that LLVM thinks implies it. */
        uint64_t implied = cpu_features[i].implies & ~cpu_features[i].bit;
        if ((set & implied) == implied && cpu_announces(&cpu_features[i], os)) set |= cpu_features[i].bit;
    }
    return set;
}
#else
uint64_t cpu_host(void) {
    return 0;
}
#endif

void cpu_print(uint64_t set, const char *prefix, const char *separator, struct str *out) {
    const char *between = "";
    for (uint32_t i = 0; i < CPU_FEATURES; i++) {
        if (!(set & cpu_features[i].bit)) continue;
        str_printf(out, "%s%s%s", between, prefix, cpu_features[i].name);
        between = separator;
    }
}

static enum arch host_arch(void) {
#if defined(__aarch64__)
    return ARCH_AARCH64;
#elif defined(__riscv)
    return ARCH_RISCV64;
#else
    return ARCH_X86_64;
#endif
}

static const struct target_row *find_row(const char *name, size_t length) {
    for (uint32_t i = 0; i < target_row_count; i++)
        if (strlen(target_rows[i].name) == length && memcmp(target_rows[i].name, name, length) == 0)
            return &target_rows[i];
    return NULL;
}

static const struct target_row *first_row_of(enum arch arch) {
    uint32_t i = 0;
    while (target_rows[i].arch != arch) i++;
    return &target_rows[i];
}

static const struct cpu_feature *find_feature(const char *name, size_t length) {
    for (uint32_t i = 0; i < CPU_FEATURES; i++)
        if (strlen(cpu_features[i].name) == length && memcmp(cpu_features[i].name, name, length) == 0)
            return &cpu_features[i];
    return NULL;
}

static enum status unknown(const char *what, const char *name, size_t length, const char *hint,
                           struct diag *diag) {
    const struct loc nowhere = {0};
    if (hint)
        return diag_error(diag, nowhere, "unknown %s '%.*s'; did you mean '%s'?", what, (int)length, name,
                          hint);
    return diag_error(diag, nowhere, "unknown %s '%.*s'", what, (int)length, name);
}

static enum status unknown_target(const char *name, size_t length, struct diag *diag) {
    char text[sizeof((struct target *)0)->name];
    const char *hint = NULL;
    memcpy(text, name, length);
    text[length] = 0;
    for (uint32_t i = 0; i < target_row_count && !hint; i++)
        if (str_distance(text, target_rows[i].name, 2) <= 2) hint = target_rows[i].name;
    return unknown("target", name, length, hint, diag);
}

static enum status unknown_feature(const char *name, size_t length, struct diag *diag) {
    char text[sizeof((struct target *)0)->name];
    const char *hint = NULL;
    memcpy(text, name, length);
    text[length] = 0;
    for (uint32_t i = 0; i < CPU_FEATURES && !hint; i++)
        if (str_distance(text, cpu_features[i].name, 2) <= 2) hint = cpu_features[i].name;
    return unknown("CPU feature", name, length, hint, diag);
}

/* The name at the start of `spec` is the longest one in the table, for names and feature lists both have '-'.
 */
static size_t name_length(const char *spec) {
    size_t best = 0;
    if (strncmp(spec, "host", 4) == 0 && (spec[4] == 0 || spec[4] == '+' || spec[4] == '-')) return 4;
    for (uint32_t i = 0; i < target_row_count; i++) {
        size_t n = strlen(target_rows[i].name);
        if (n > best && strncmp(spec, target_rows[i].name, n) == 0 && (spec[n] == 0 || strchr("+-", spec[n])))
            best = n;
    }
    return best ? best : strcspn(spec, "+");
}

/* A feature's name ends at the next sign that does not belong to it: "amx-int8" holds one. */
static size_t feature_length(const char *text) {
    size_t best = 0;
    for (uint32_t i = 0; i < CPU_FEATURES; i++) {
        size_t n = strlen(cpu_features[i].name);
        if (n > best && strncmp(text, cpu_features[i].name, n) == 0 &&
            (text[n] == 0 || strchr("+-", text[n])))
            best = n;
    }
    return best ? best : strcspn(text, "+");
}

/* Takes a feature away, and with it all that would bring it back. */
static uint64_t without(uint64_t set, uint64_t gone) {
    for (uint32_t i = 0; i < CPU_FEATURES; i++)
        if (cpu_close(cpu_features[i].bit) & gone) set &= ~cpu_features[i].bit;
    return set;
}

static void set_vectors(struct target *target, const struct target_row *row) {
    target->vector_bytes = row->vector_bytes;
    target->vector_registers = row->vector_registers;
    if (target->arch != ARCH_X86_64) return;
    bool wide = target_has(target, CPU_LEVEL_4 & ~CPU_LEVEL_3), avx = target_has(target, CPU_AVX);
    target->vector_bytes = wide ? 64 : avx ? 32 : 16;
    target->vector_registers = wide ? 32 : 16;
}

enum status target_parse(const char *spec, struct diag *diag, struct target *out) {
    size_t length = strlen(spec), at = name_length(spec);
    if (length >= sizeof out->name)
        return diag_error(diag, (struct loc){0}, "the target's name is longer than %zu bytes",
                          sizeof out->name - 1);
    bool host = at == 4 && memcmp(spec, "host", 4) == 0;
    const struct target_row *row = host ? first_row_of(host_arch()) : find_row(spec, at);
    if (!row) return unknown_target(spec, at, diag);
    *out = (struct target){.arch = row->arch, .features = cpu_close(host ? cpu_host() : row->features)};
    memcpy(out->name, spec, length + 1);
    while (spec[at]) {
        bool add = spec[at] == '+';
        const char *name = spec + at + 1;
        size_t n = feature_length(name);
        const struct cpu_feature *feature = find_feature(name, n);
        if (!feature && !add) return unknown_target(spec, strcspn(spec, "+"), diag); /* as x86-64-v9 is */
        if (!feature) return unknown_feature(name, n, diag);
        if (row->arch != ARCH_X86_64)
            return diag_error(diag, (struct loc){0}, "'%s' is a feature of x86-64, the target is %s",
                              feature->name, row->name);
        out->features = add ? out->features | cpu_close(feature->bit) : without(out->features, feature->bit);
        at += n + 1;
    }
    set_vectors(out, row);
    return STATUS_OK;
}

bool target_has(const struct target *target, uint64_t features) {
    return (target->features & features) == features;
}
