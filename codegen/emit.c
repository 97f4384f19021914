#include "codegen/emit.h"

#include "codegen/archive.h"
#include "codegen/c_name.h"
#include "codegen/emit_module.h"
#include "codegen/emit_object.h"
#include "codegen/header.h"
#include "codegen/link.h"
#include "codegen/target_machine.h"
#include "ir/base/file.h"
#include "runtime/hash.h"
#include "runtime/include/adze_model.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name, *suffix;
} kinds[OUTPUT_KINDS] = {
    [OUTPUT_SHARED] = {"shared", ".so"}, [OUTPUT_STATIC] = {"static", ".a"}, [OUTPUT_OBJECT] = {"obj", ".o"},
    [OUTPUT_EXE] = {"exe", ""},          [OUTPUT_LLVM] = {"llvm", ".ll"},    [OUTPUT_ASM] = {"asm", ".s"},
};

/* Code reaches constants within 2 GiB; some of that is the code. */
#define MAX_WEIGHTS_INSIDE (UINT64_C(15) << 27)

/* One emission. */
struct emission {
    LLVMModuleRef module;
    LLVMTargetMachineRef machine;
    const struct program *program;
    const struct emit_options *options;
    struct diag *diag;
    char *prefix; /* "lenet" */
    char *symbol; /* "lenet_model" */
};

static char *join(const char *a, const char *b) {
    struct str text = {0};
    str_add(&text, a);
    str_add(&text, b);
    return text.text;
}

char *emit_path(const char *stem, enum output_kind kind) {
    return join(stem, kinds[kind].suffix);
}

enum output_kind emit_kind_by_name(const char *name) {
    uint32_t kind = 0;
    while (kind < OUTPUT_KINDS && strcmp(kinds[kind].name, name) != 0) kind++;
    return (enum output_kind)kind;
}

static bool wants(const struct emission *e, enum output_kind kind) {
    return (e->options->kinds & OUTPUT_BIT(kind)) != 0;
}

static enum status write_text(const struct emission *e, enum output_kind kind, const char *text,
                              size_t size) {
    if (strcmp(e->options->stem, "-") == 0) {
        if (fwrite(text, 1, size, stdout) == size && fflush(stdout) == 0) return STATUS_OK;
        return diag_error(e->diag, (struct loc){0}, "cannot write to the standard output");
    }
    char *path = emit_path(e->options->stem, kind);
    enum status status = file_write(path, text, size, e->diag);
    free(path);
    return status;
}

static enum status write_llvm(const struct emission *e) {
    char *text = LLVMPrintModuleToString(e->module);
    enum status status = write_text(e, OUTPUT_LLVM, text, strlen(text));
    LLVMDisposeMessage(text);
    return status;
}

static enum status write_asm(const struct emission *e) {
    LLVMMemoryBufferRef text = NULL;
    TRY(emit_object(e->module, e->machine, LLVMAssemblyFile, e->diag, &text));
    enum status status = write_text(e, OUTPUT_ASM, LLVMGetBufferStart(text), LLVMGetBufferSize(text));
    LLVMDisposeMemoryBuffer(text);
    return status;
}

static enum status write_static(const struct emission *e, const void *object, size_t size) {
    char *path = emit_path(e->options->stem, OUTPUT_STATIC);
    struct file_writer writer;
    enum status status = file_create(path, FILE_MODE_DATA, e->diag, &writer);
    free(path);
    TRY(status);
    archive_write(&writer, "model.o", e->symbol, object, size);
    return file_commit(&writer, e->diag);
}

static const char *base_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static enum status link_to(const struct emission *e, enum output_kind kind, const char *object,
                           const struct file_writer *writer) {
    if (!writer->temporary)
        return diag_error(e->diag, (struct loc){0}, "cannot link to '%s': it is not a regular file",
                          writer->path);
    /* A path that begins with a dash would read as an option. */
    char *output = join(writer->temporary[0] == '-' ? "./" : "", writer->temporary);
    char *input = join(object[0] == '-' ? "./" : "", object);
    struct link_request request = {
        .object = input,
        .output = output,
        .symbol = e->symbol,
        .soname = base_name(writer->path),
        .runtime = e->options->runtime,
        .arch = e->options->target->arch,
    };
    enum status status =
        kind == OUTPUT_EXE ? link_executable(&request, e->diag) : link_shared(&request, e->diag);
    free(input);
    free(output);
    return status;
}

/* `object` is the path of a temporary file. */
static enum status write_linked(const struct emission *e, enum output_kind kind, const char *object) {
    char *path = emit_path(e->options->stem, kind);
    struct file_writer writer;
    enum status status = file_create(path, FILE_MODE_PROGRAM, e->diag, &writer);
    free(path);
    TRY(status);
    if (link_to(e, kind, object, &writer) != STATUS_OK) {
        file_abandon(&writer);
        return STATUS_FAILED;
    }
    return file_commit(&writer, e->diag);
}

/* The object goes through a temporary file beside the outputs, for the linker to read. */
static enum status write_all_linked(const struct emission *e, const void *object, size_t size) {
    char *path = join(e->options->stem, ".link.o");
    struct file_writer writer;
    enum status status = file_create(path, FILE_MODE_DATA, e->diag, &writer);
    free(path);
    TRY(status);
    file_put(&writer, object, size);
    if (fflush(writer.stream) || writer.error)
        status = diag_error(e->diag, (struct loc){0}, "cannot write a temporary file beside '%s': %s",
                            e->options->stem, strerror(writer.error ? writer.error : ENOSPC));
    if (status == STATUS_OK && wants(e, OUTPUT_SHARED))
        status = write_linked(e, OUTPUT_SHARED, writer.temporary);
    if (status == STATUS_OK && wants(e, OUTPUT_EXE)) status = write_linked(e, OUTPUT_EXE, writer.temporary);
    file_abandon(&writer);
    return status;
}

/* Nothing outside the model may be needed to run it. */
static void check_object(const void *object, size_t size) {
    struct str undefined = {0};
    object_undefined(object, size, &undefined);
    if (undefined.length) bug("the compiled model refers to symbols it does not define:\n%s", undefined.text);
    str_free(&undefined);
}

static enum status write_binaries(const struct emission *e) {
    const uint32_t linked = OUTPUT_BIT(OUTPUT_SHARED) | OUTPUT_BIT(OUTPUT_EXE);
    const uint32_t binaries = linked | OUTPUT_BIT(OUTPUT_STATIC) | OUTPUT_BIT(OUTPUT_OBJECT);
    if (!(e->options->kinds & binaries)) return STATUS_OK;
    LLVMMemoryBufferRef buffer = NULL;
    TRY(emit_object(e->module, e->machine, LLVMObjectFile, e->diag, &buffer));
    const void *object = LLVMGetBufferStart(buffer);
    size_t size = LLVMGetBufferSize(buffer);
    check_object(object, size);
    enum status status = STATUS_OK;
    if (wants(e, OUTPUT_OBJECT)) {
        char *path = emit_path(e->options->stem, OUTPUT_OBJECT);
        status = file_write(path, object, size, e->diag);
        free(path);
    }
    if (status == STATUS_OK && wants(e, OUTPUT_STATIC)) status = write_static(e, object, size);
    if (status == STATUS_OK && (e->options->kinds & linked)) status = write_all_linked(e, object, size);
    LLVMDisposeMemoryBuffer(buffer);
    return status;
}

static enum status write_weights(const struct emission *e, const struct adze_weights_header *header) {
    char *path = join(e->options->stem, ".weights");
    struct file_writer writer;
    enum status status = file_create(path, FILE_MODE_DATA, e->diag, &writer);
    free(path);
    TRY(status);
    file_put(&writer, header, sizeof *header);
    file_put(&writer, e->program->weights, e->program->weights_bytes);
    return file_commit(&writer, e->diag);
}

static enum status write_header(const struct emission *e, uint64_t weights_bytes) {
    struct str text = {0};
    header_print(e->program, e->prefix, weights_bytes, &text);
    char *path = join(e->options->stem, ".h");
    enum status status = file_write(path, text.text, text.length, e->diag);
    free(path);
    str_free(&text);
    return status;
}

static void fill_header(const struct program *program, struct adze_weights_header *header) {
    *header = (struct adze_weights_header){.magic = ADZE_WEIGHTS_MAGIC,
                                           .bytes = program->weights_bytes + sizeof *header};
    adze_hash(program->weights, program->weights_bytes, header->hash);
}

static enum status write_files(const struct emission *e, const struct adze_weights_header *weights) {
    if (wants(e, OUTPUT_LLVM)) TRY(write_llvm(e));
    if (wants(e, OUTPUT_ASM)) TRY(write_asm(e));
    if (strcmp(e->options->stem, "-") == 0) return STATUS_OK;
    if (weights) TRY(write_weights(e, weights));
    if (e->options->header) TRY(write_header(e, weights ? weights->bytes : 0));
    return write_binaries(e);
}

enum status codegen_emit(LLVMModuleRef module, const struct program *program,
                         const struct emit_options *options, struct diag *diag) {
    const uint32_t text = OUTPUT_BIT(OUTPUT_LLVM) | OUTPUT_BIT(OUTPUT_ASM);
    bool external = options->external_weights && program->weights_bytes > 0;
    if (strcmp(options->stem, "-") == 0 && (options->kinds & ~text))
        return diag_error(diag, (struct loc){0}, "only text (llvm, asm) can go to the standard output");
    if (!external && program->weights_bytes > MAX_WEIGHTS_INSIDE)
        return diag_error(diag, (struct loc){0},
                          "%llu MB of weights are too much to go inside the code; use --weights=external",
                          (unsigned long long)(program->weights_bytes / 1000000));
    struct adze_weights_header weights;
    if (external) fill_header(program, &weights);
    struct emission e = {.module = module,
                         .machine = target_machine(options->target),
                         .program = program,
                         .options = options,
                         .diag = diag,
                         .prefix = c_name(program->name, NULL)};
    e.symbol = join(e.prefix, "_model");
    emit_module(module, e.machine, options->target, program, e.symbol, external ? &weights : NULL);
    enum status status = write_files(&e, external ? &weights : NULL);
    LLVMDisposeTargetMachine(e.machine);
    free(e.symbol);
    free(e.prefix);
    return status;
}
