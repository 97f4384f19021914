/* C identifiers from any names, and the header that uses them, through a C and a C++ compiler. */
#include "codegen/c_name.h"

#include "codegen/header.h"
#include "runtime/include/adze_model.h"
#include "test/support/temporary.h"
#include "test/support/unit.h"

#include <stdlib.h>

static void check_name(const char *name, const char *want, struct c_names *names) {
    char *got = c_name(name, names);
    CHECK_TEXT(got, want);
    free(got);
}

static void test_spelling(void) {
    check_name("image", "image", NULL);
    check_name("resnet50-v1.7", "resnet50_v1_7", NULL);
    check_name("__x__y", "x_y", NULL);
    check_name("int", "int_", NULL);
    check_name("NULL", "NULL_", NULL);
    check_name("3d", "n3d", NULL);
    check_name("", "n", NULL);
    check_name("*/", "n", NULL);
    check_name("h\xc3\xa9", "hu00E9", NULL);
    check_name("\xff\xfe", "u00FFu00FE", NULL);
    check_name("\xf0\x9f\x99\x82", "u1F642", NULL);
    check_name("\xe2\x82", "u00E2u0082", NULL); /* cut short */
    char longest[400];
    memset(longest, 'a', sizeof longest - 1);
    longest[sizeof longest - 1] = 0;
    char *got = c_name(longest, NULL);
    CHECK(strlen(got) == 100);
    free(got);
}

static void test_uniqueness(void) {
    struct c_names names = {0};
    check_name("a.b", "a_b", &names);
    check_name("a-b", "a_b_2", &names);
    check_name("A b", "A_b_3", &names);
    check_name("a.b.2", "a_b_2_2", &names);
    check_name("int", "int_", &names);
    check_name("int_", "int_2", &names);
    c_names_free(&names);
}

static void test_header(void) {
    static const char *const hostile[] = {"int", "call",         "port",  "how",   "a-b",       "a.b",
                                          "A_B", "*/ int x; /*", "1",     "",      "h\xc3\xa9", "a\nb",
                                          "\\",  "NULL",         "linux", "class", "symbol"};
    enum { N = COUNT_OF(hostile) };
    static const program_dim dims[] = {2, 0};
    struct program_port ports[N];
    for (uint32_t i = 0; i < N; i++)
        ports[i] = (struct program_port){.name = hostile[i],
                                         .is_output = i >= N / 2,
                                         .elem = 1 + i % 13,
                                         .rank = i % 3,
                                         .dims = dims,
                                         .updates = i == N - 1 ? 0 : -1};
    const struct program_variant variant = {.target = "x86-64"};
    const struct program program = {
        .name = "*/ new\n\\", .ports = ports, .n_ports = N, .variants = &variant, .n_variants = 1};
    const struct program empty = {.name = "empty", .variants = &variant, .n_variants = 1};
    struct str text = {0};
    str_add(&text, "#include \"adze_model.h\"\n");
    header_print(&program, "hostile", 0, &text);
    header_print(&empty, "empty", 64, &text);
    str_add(&text, "int main(void) { return (int)(HOSTILE_SCRATCH_BYTES(1) + EMPTY_WEIGHTS_BYTES - 64); }\n");

    struct temporary folder = temporary_make();
    FILE *file = fopen(temporary_path(&folder, "header.c"), "w");
    if (!CHECK(file != NULL)) return;
    fputs(text.text, file);
    fclose(file);
    static const char *const compilers[] = {"gcc -std=c99 -x c", "gcc -std=gnu17 -x c",
                                            "g++ -std=c++11 -x c++", "g++ -std=gnu++20 -x c++"};
    for (size_t i = 0; i < COUNT_OF(compilers); i++) {
        const char *build = getenv("ADZE_BUILD");
        struct str command = {0};
        str_printf(
            &command,
            "%s -Wall -Wextra -Wpedantic -Wcast-qual -Werror -fsyntax-only -I'%s/include' '%s/header.c'",
            compilers[i], build ? build : "build", folder.folder);
        CHECK(system(command.text) == 0);
        str_free(&command);
    }
    str_free(&text);
    temporary_remove(&folder);
}

int main(void) {
    test_spelling();
    test_uniqueness();
    test_header();
    return unit_status();
}
