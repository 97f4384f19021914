#include "codegen/link.h"

#include "ir/base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

enum { MAX_ARGUMENTS = 24, MAX_OUTPUT = 4000 };

struct command {
    const char *argument[MAX_ARGUMENTS];
    uint32_t count;
};

static void add(struct command *command, const char *argument) {
    check(command->count + 1 < MAX_ARGUMENTS);
    command->argument[command->count++] = argument;
}

/* All that comes out of a pipe, of which the first part is kept. */
static void read_all(int descriptor, struct str *out) {
    char chunk[1024];
    for (;;) {
        ssize_t n = read(descriptor, chunk, sizeof chunk);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) break;
        if (out->length < MAX_OUTPUT) str_add_bytes(out, chunk, (size_t)n);
    }
    while (out->length && out->text[out->length - 1] == '\n') out->text[--out->length] = 0;
}

/* Runs a command with its output collected. Returns 0 and the wait status, or why it could not be run. */
static int run(const struct command *command, struct str *output, int *wait_status) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC)) return errno;
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDERR_FILENO);
    pid_t child;
    char *const *arguments = (char *const *)(uintptr_t)command->argument;
    int error = posix_spawnp(&child, command->argument[0], &actions, NULL, arguments, environ);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    if (!error) {
        read_all(ends[0], output);
        while (waitpid(child, wait_status, 0) < 0 && errno == EINTR) {
        }
    }
    close(ends[0]);
    return error;
}

/* Tries a command; *found is false when there is no such program. */
static enum status try_link(const struct command *command, struct diag *diag, bool *found) {
    struct str output = {0};
    int wait_status = 0;
    int error = run(command, &output, &wait_status);
    enum status status = STATUS_OK;
    *found = error != ENOENT;
    if (error && *found) {
        status =
            diag_error(diag, (struct loc){0}, "cannot run %s: %s", command->argument[0], strerror(error));
    } else if (*found && (!WIFEXITED(wait_status) || WEXITSTATUS(wait_status) != 0)) {
        status = diag_error(diag, (struct loc){0}, "%s failed: %s", command->argument[0],
                            output.length ? output.text : "it says nothing");
    }
    str_free(&output);
    return status;
}

static bool is_host(enum arch arch) {
#if defined(__x86_64__)
    return arch == ARCH_X86_64;
#elif defined(__aarch64__)
    return arch == ARCH_AARCH64;
#elif defined(__riscv)
    return arch == ARCH_RISCV64;
#else
    return false;
#endif
}

/* adze_model is another name for the descriptor, unless it is its name already. */
static void add_alias(struct command *command, const struct link_request *request, const char *option,
                      struct str *text) {
    if (strcmp(request->symbol, "adze_model") == 0) return;
    str_printf(text, "%sadze_model=%s", option, request->symbol);
    add(command, text->text);
}

static void shared_by_ld(struct command *command, const char *linker, const struct link_request *request,
                         struct str *alias) {
    add(command, linker);
    add(command, "-shared");
    add(command, "-nostdlib");
    add(command, "-zdefs");
    add(command, "-znoexecstack");
    add(command, "-zrelro");
    add(command, "-znow");
    add(command, "--build-id=none");
    add(command, "--hash-style=gnu");
    add(command, "-soname");
    add(command, request->soname);
    add_alias(command, request, "--defsym=", alias);
    add(command, "-o");
    add(command, request->output);
    add(command, request->object);
}

static void shared_by_cc(struct command *command, const struct link_request *request, struct str *alias) {
    add(command, "cc");
    add(command, "-shared");
    add(command, "-nostdlib");
    add(command, "-nostartfiles");
    add(command, "-Wl,-zdefs,-znoexecstack,-zrelro,-znow,--build-id=none,--hash-style=gnu");
    add(command, "-Xlinker");
    add(command, "-soname");
    add(command, "-Xlinker");
    add(command, request->soname);
    add_alias(command, request, "-Wl,--defsym=", alias);
    add(command, "-o");
    add(command, request->output);
    add(command, request->object);
}

enum status link_shared(const struct link_request *request, struct diag *diag) {
    if (request->arch == ARCH_WASM32)
        return diag_error(diag, (struct loc){0}, "WebAssembly has no shared libraries; use --emit=obj");
    static const char *const linkers[] = {"ld.lld", "ld.lld-22", "cc", "ld"};
    for (size_t i = 0; i < COUNT_OF(linkers); i++) {
        bool is_cc = strcmp(linkers[i], "cc") == 0, is_lld = i < 2, found = false;
        if (!is_lld && !is_host(request->arch)) continue; /* the host's own know no other machine */
        struct command command = {0};
        struct str alias = {0};
        if (is_cc)
            shared_by_cc(&command, request, &alias);
        else
            shared_by_ld(&command, linkers[i], request, &alias);
        enum status status = try_link(&command, diag, &found);
        str_free(&alias);
        if (found) return status;
    }
    return diag_error(diag, (struct loc){0},
                      "no linker: a shared library needs ld.lld%s on the PATH (or --emit=static, --emit=obj)",
                      is_host(request->arch) ? ", cc or ld" : "");
}

/* Finds the runtime library where building or installing puts it: in a lib folder beside the bin folder that
 * this program is in. False, and the first place in *path, when it is not there. */
static bool find_runtime(struct str *path) {
    static const char *const places[] = {"lib", "lib64", "lib/x86_64-linux-gnu", "lib/aarch64-linux-gnu"};
    char self[4096];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    if (n < 0) n = 0;
    self[n] = 0;
    for (int up = 0; up < 2; up++) {
        char *slash = strrchr(self, '/');
        if (slash) *slash = 0;
    }
    for (size_t i = COUNT_OF(places); i-- > 0;) {
        str_free(path);
        *path = (struct str){0};
        str_printf(path, "%s/%s/libadze_runtime.a", self, places[i]);
        if (access(path->text, R_OK) == 0) return true;
    }
    return false;
}

static enum status link_with_cc(const struct link_request *request, const char *runtime, struct diag *diag) {
    struct command command = {0};
    struct str alias = {0};
    bool found = false;
    add(&command, "cc");
    add(&command, "-o");
    add(&command, request->output);
    add(&command, request->object);
    add(&command, runtime);
    add_alias(&command, request, "-Wl,--defsym=", &alias);
    add(&command, "-Wl,--build-id=none,-znoexecstack");
    add(&command, "-pthread");
    enum status status = try_link(&command, diag, &found);
    str_free(&alias);
    if (!found) return diag_error(diag, (struct loc){0}, "an executable needs cc, which is not on the PATH");
    return status;
}

enum status link_executable(const struct link_request *request, struct diag *diag) {
    if (!is_host(request->arch))
        return diag_error(diag, (struct loc){0},
                          "an executable can be made for this machine's architecture only");
    struct str beside = {0};
    bool found = request->runtime ? access(request->runtime, R_OK) == 0 : find_runtime(&beside);
    const char *runtime = request->runtime ? request->runtime : str_text(&beside);
    enum status status =
        found ? link_with_cc(request, runtime, diag)
              : diag_error(diag, (struct loc){0},
                           "an executable needs the runtime library, and %s cannot be read", runtime);
    str_free(&beside);
    return status;
}
