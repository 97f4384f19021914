/* What codegen_emit writes is linked into programs as a user would: two models in one program in C and in
 * C++, the example of the header, an executable; and by every linker. */
#include "test/support/temporary.h"
#include "test/support/toy.h"
#include "test/support/unit.h"

#include "runtime/npy.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static struct temporary folder;
static char include[4096], runtime[4096];

static const char *path(const char *name) {
    return temporary_path(&folder, name);
}

static enum status try_emit(const struct toy_options *toy, struct emit_options options, struct diag *diag) {
    options.runtime = runtime;
    options.header = true;
    if (!options.stem) options.stem = path(toy->name);
    return toy_emit(toy, &options, diag);
}

static void emit(const struct toy_options *toy, struct emit_options options) {
    struct diag diag = {0};
    CHECK(try_emit(toy, options, &diag) == STATUS_OK);
    diag_print(&diag, stderr);
    diag_free(&diag);
}

static void write_file(const char *name, const char *text) {
    FILE *file = fopen(path(name), "w");
    if (!CHECK(file != NULL)) exit(1);
    fputs(text, file);
    CHECK(fclose(file) == 0);
}

/* Runs a shell command in the folder; true when it exits with 0. */
static bool shell(const char *command) {
    struct str line = {0};
    str_printf(&line, "cd '%s' && %s", folder.folder, command);
    bool ok = system(line.text) == 0;
    if (!ok) fprintf(stderr, "failed: %s\n", command);
    str_free(&line);
    return ok;
}

static bool compile(const char *compiler, const char *rest) {
    struct str line = {0};
    str_printf(&line, "%s -Wall -Wextra -Wpedantic -Werror -I'%s' %s '%s' -pthread", compiler, include, rest,
               runtime);
    bool ok = shell(line.text);
    str_free(&line);
    return ok;
}

static bool same_bytes(const char *a, const char *b) {
    struct str line = {0};
    str_printf(&line, "cmp %s %s", a, b);
    bool ok = shell(line.text);
    str_free(&line);
    return ok;
}

static const char two_models[] = "#include \"one.h\"\n#include \"two.h\"\n#include <stdlib.h>\n"
                                 "static float x[ONE_X_ELEMENTS], y[ONE_Y_ELEMENTS];\n"
                                 "int main(void) {\n"
                                 "    struct adze_call how = ADZE_CALL_INIT;\n"
                                 "    how.scratch_bytes = ONE_SCRATCH_BYTES(1);\n"
                                 "    how.scratch = aligned_alloc(ADZE_ALIGN, how.scratch_bytes);\n"
                                 "    x[0] = 1;\n"
                                 "    if (one_run(&how, x, y) || y[0] != 3) return 1;\n"
                                 "    if (two_run(&how, y, x) || x[0] != 7) return 2;\n"
                                 "    if (one_run(NULL, x, y) != ADZE_BAD_SCRATCH) return 3;\n"
                                 "    free(how.scratch);\n"
                                 "    return one_model.ports == 2 && &one_model != &two_model ? 0 : 4;\n"
                                 "}\n";

static void test_two_models(void) {
    emit(&(struct toy_options){.name = "one", .call_memset = true},
         (struct emit_options){.kinds = OUTPUT_BIT(OUTPUT_STATIC) | OUTPUT_BIT(OUTPUT_OBJECT) |
                                        OUTPUT_BIT(OUTPUT_SHARED)});
    emit(&(struct toy_options){.name = "two", .call_memset = true},
         (struct emit_options){.kinds = OUTPUT_BIT(OUTPUT_OBJECT) | OUTPUT_BIT(OUTPUT_SHARED)});
    write_file("both.c", two_models);
    CHECK(compile("gcc -std=c11", "both.c one.a two.o -o both && ./both"));
    CHECK(compile("g++ -std=c++11 -x c++", "both.c -x none one.a two.o -o both && ./both"));
    CHECK(compile("gcc -std=c17", "both.c one.so two.so -Wl,-rpath,. -o both && ./both"));
}

static void test_symbols(void) {
    CHECK(shell("test \"$(nm -g --defined-only one.o | cut -c20-)\" = one_model"));
    CHECK(shell("test -z \"$(nm -u one.o)\""));
    CHECK(shell("test -z \"$(nm -D -u one.so)\""));
    CHECK(shell("nm -D --defined-only one.so | grep -q adze_model"));
    CHECK(shell("ldd one.so | grep -q 'statically linked'"));
    CHECK(shell("nm one.o | grep -q 't memset'"));
}

static void test_reproducible(void) {
    struct emit_options options = {.kinds = OUTPUT_BIT(OUTPUT_STATIC) | OUTPUT_BIT(OUTPUT_OBJECT),
                                   .stem = path("again")};
    emit(&(struct toy_options){.name = "one", .call_memset = true}, options);
    CHECK(same_bytes("one.o", "again.o"));
    CHECK(same_bytes("one.a", "again.a"));
    CHECK(same_bytes("one.h", "again.h"));
}

/* The example in the header of a model, as a program. */
static void compile_example(const char *name, const char *link) {
    struct str command = {0};
    str_printf(&command,
               "{ echo '#include \"%s.h\"'; echo '#include <adze_runtime.h>'; echo '#include <stdlib.h>';"
               " echo 'int main(void) {';"
               " sed -n '/^ [*] Example.*:/,/^ [*][/]/s/^ [*]     //p' %s.h; echo '}'; } > example.c",
               name, name);
    CHECK(shell(command.text));
    CHECK(shell("grep -q _run example.c"));
    CHECK(compile("gcc -std=c11", link));
    CHECK(shell("./example"));
    str_free(&command);
}

static void test_examples(void) {
    compile_example("one", "example.c one.a -o example");
    emit(&(struct toy_options){.name = "free", .symbolic = true},
         (struct emit_options){.kinds = OUTPUT_BIT(OUTPUT_STATIC), .external_weights = true});
    compile_example("free", "example.c free.a -o example");
}

static void test_assembly(void) {
    emit(&(struct toy_options){.name = "text"},
         (struct emit_options){.kinds = OUTPUT_BIT(OUTPUT_ASM) | OUTPUT_BIT(OUTPUT_LLVM)});
    CHECK(shell("cc -c text.s -o text.o && nm text.o | grep -q 'text_model'"));
    CHECK(shell("grep -q 'define internal void @scale' text.ll"));
}

static void test_executable(void) {
    emit(&(struct toy_options){.name = "prog"}, (struct emit_options){.kinds = OUTPUT_BIT(OUTPUT_EXE)});
    static float x[TOY_ELEMENTS] = {4, 5};
    struct npy in = {.elem = ADZE_F32, .rank = 1, .dim = {TOY_ELEMENTS}, .bytes = sizeof x, .data = x}, out;
    CHECK(adze_npy_write(path("in.npy"), &in) == NULL);
    CHECK(shell("./prog x=in.npy y=out.npy --threads=2"));
    const char *wrong = adze_npy_read(path("out.npy"), &out);
    CHECK(wrong == NULL && out.rank == 1 && out.dim[0] == TOY_ELEMENTS && ((float *)out.data)[1] == 11);
    adze_npy_free(&out);
    CHECK(shell("./prog x=in.npy -o res && cmp res.y.npy out.npy"));
    CHECK(shell("./prog --help | grep -q 'input   x: f32\\[1000\\]'"));
    CHECK(shell("./prog 2>err; test $? = 2 && grep -q 'no file' err"));
    CHECK(shell("./prog z=in.npy 2>err; test $? = 2 && grep -q \"'z=in.npy'\" err"));
    CHECK(shell("./prog x=none.npy 2>err; test $? = 1 && grep -q 'No such file' err"));
    CHECK(shell("head -c 1000 in.npy > cut.npy; ./prog x=cut.npy 2>err; test $? = 1 && grep -q 'size' err"));
    in.dim[0] = 10, in.bytes = 40;
    CHECK(adze_npy_write(path("short.npy"), &in) == NULL);
    CHECK(shell(
        "./prog x=short.npy 2>err; test $? = 1 && grep -q 'dimension 0 is 10, the model takes 1000' err"));
    in.elem = ADZE_I32;
    CHECK(adze_npy_write(path("ints.npy"), &in) == NULL);
    CHECK(shell("./prog x=ints.npy 2>err; test $? = 1 && grep -q 'holds i32' err"));

    emit(&(struct toy_options){.name = "sym", .symbolic = true},
         (struct emit_options){.kinds = OUTPUT_BIT(OUTPUT_EXE), .external_weights = true});
    in.elem = ADZE_F32;
    CHECK(adze_npy_write(path("short.npy"), &in) == NULL);
    CHECK(shell("./sym x=short.npy -o s --weights=sym.weights"));
    wrong = adze_npy_read(path("s.y.npy"), &out);
    CHECK(wrong == NULL && out.rank == 1 && out.dim[0] == 10 && ((float *)out.data)[1] == 11);
    adze_npy_free(&out);
    CHECK(shell("./sym x=short.npy 2>err; test $? = 2 && grep -q 'needs --weights' err"));
    CHECK(shell("./sym x=short.npy --weights=in.npy 2>err; test $? = 1"));
}

/* Emits with nothing on the PATH but the given programs. */
static enum status emit_with(const char *programs, struct emit_options options, struct diag *diag) {
    char *old = strdup(getenv("PATH"));
    struct str command = {0};
    str_printf(&command, "rm -rf bin && mkdir bin && for p in %s; do ln -s \"$(command -v $p)\" bin/; done",
               programs);
    CHECK(shell(command.text));
    setenv("PATH", path("bin"), 1);
    enum status status = try_emit(&(struct toy_options){.name = "linked"}, options, diag);
    setenv("PATH", old, 1);
    free(old);
    str_free(&command);
    return status;
}

static void test_linkers(void) {
    static const char *const programs[] = {"ld.lld", "cc ld as", "ld"};
    for (size_t i = 0; i < COUNT_OF(programs); i++) {
        struct diag diag = {0};
        struct emit_options options = {.kinds = OUTPUT_BIT(OUTPUT_SHARED)};
        CHECK(emit_with(programs[i], options, &diag) == STATUS_OK);
        diag_print(&diag, stderr);
        diag_free(&diag);
        CHECK(shell(
            "nm -D --defined-only linked.so | grep -q adze_model && test -z \"$(nm -D -u linked.so)\""));
        CHECK(shell("ldd linked.so | grep -q 'statically linked' && rm linked.so"));
    }
    struct diag diag = {0};
    CHECK(emit_with("ls", (struct emit_options){.kinds = OUTPUT_BIT(OUTPUT_SHARED)}, &diag) == STATUS_FAILED);
    CHECK(diag.errors == 1 && strstr(diag.list.at[0].text, "no linker"));
    CHECK(emit_with("ls", (struct emit_options){.kinds = OUTPUT_BIT(OUTPUT_EXE)}, &diag) == STATUS_FAILED);
    CHECK(diag.errors == 2 && strstr(diag.list.at[1].text, "needs cc"));
    diag_free(&diag);
    CHECK(shell("rm -r bin && ! ls linked* 2>/dev/null | grep -v '[.]h$'"));
}

static void test_no_runtime(void) {
    struct diag diag = {0};
    struct emit_options options = {.kinds = OUTPUT_BIT(OUTPUT_EXE), .stem = path("bare")};
    CHECK(toy_emit(&(struct toy_options){.name = "bare"}, &options, &diag) == STATUS_FAILED);
    CHECK(diag.errors == 1 && strstr(diag.list.at[0].text, "libadze_runtime.a cannot be read"));
    diag_free(&diag);
}

static void test_unwritable(void) {
    static const enum output_kind kinds[] = {OUTPUT_SHARED, OUTPUT_STATIC, OUTPUT_OBJECT,
                                             OUTPUT_EXE,    OUTPUT_LLVM,   OUTPUT_ASM};
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        struct diag diag = {0};
        struct emit_options options = {.kinds = OUTPUT_BIT(kinds[i]), .stem = path("no/such/folder/x")};
        CHECK(try_emit(&(struct toy_options){.name = "lost"}, options, &diag) == STATUS_FAILED);
        CHECK(diag.errors == 1 && strstr(diag.list.at[0].text, "no/such/folder/x"));
        diag_free(&diag);
    }
    struct diag diag = {0};
    CHECK(mkdir(path("taken.so"), 0700) == 0);
    struct emit_options options = {.kinds = OUTPUT_BIT(OUTPUT_SHARED), .stem = path("taken")};
    CHECK(try_emit(&(struct toy_options){.name = "lost"}, options, &diag) == STATUS_FAILED &&
          diag.errors == 1);
    CHECK(rmdir(path("taken.so")) == 0);
    options = (struct emit_options){.kinds = OUTPUT_BIT(OUTPUT_SHARED), .stem = "-"};
    CHECK(try_emit(&(struct toy_options){.name = "lost"}, options, &diag) == STATUS_FAILED &&
          diag.errors == 2);
    diag_free(&diag);
    CHECK(shell("! ls | grep -E 'lost|tmp'"));
}

int main(void) {
    const char *build = getenv("ADZE_BUILD");
    char *here = realpath(build ? build : "build", NULL);
    if (!CHECK(here != NULL)) return 1;
    snprintf(include, sizeof include, "%s/include", here);
    snprintf(runtime, sizeof runtime, "%s/lib/libadze_runtime.a", here);
    folder = temporary_make();
    test_two_models();
    test_symbols();
    test_reproducible();
    test_examples();
    test_assembly();
    test_executable();
    test_linkers();
    test_no_runtime();
    test_unwritable();
    temporary_remove(&folder);
    free(here);
    return unit_status();
}
