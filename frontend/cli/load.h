/* What commands share: reading a model, fixing its shapes, writing it, running pipelines on it. */
#ifndef ADZE_FRONTEND_CLI_LOAD_H
#define ADZE_FRONTEND_CLI_LOAD_H

#include "frontend/cli/command.h"
#include "frontend/tensorfile/tensorfile.h"
#include "ir/module.h"
#include "ir/target.h"

/* Reads MODEL by its suffix (.onnx, otherwise text; "-": text from standard input) with the options --shape,
 * --dim and --bind, and verifies it. EXIT_USAGE for options that cannot be read, EXIT_INPUT with diagnostics
 * otherwise. */
enum exit_code load_model(struct invocation *inv, const char *path, struct module **out);

/* STEM.adz and STEM.safetensors, or the text on standard output when stem is "-". */
enum exit_code save_model(struct invocation *inv, struct module *m, const char *stem);

/* The weights of a module at some time, in the invocation's arena. `-o -` writes none: with `since`,
 * print_changed_weights says in a comment on standard output which of those that a file should hold have
 * changed after that. */
struct weights_seen {
    const struct weight_seen *at;
    uint32_t count;
};
struct weights_seen see_weights(struct invocation *inv, const struct module *m);
void print_changed_weights(const struct module *m, const struct weights_seen *since);

/* Runs `passes` with the options of the group PASSES; prints remarks if asked to. `meant` (may be NULL) is a
 * clone of the module: each time a pass has decided to change what is computed (see ir/decision.h), it is
 * replaced by one of what came of it, so that at the end it is what the compiled model has to agree with. */
enum exit_code run_passes(struct invocation *inv, struct module *m, const char *passes,
                          const struct target *target, struct module **meant);

/* Runs the default pipeline for this machine and writes STEM.so. */
enum exit_code compile_for_host(struct invocation *inv, struct module *m, const char *stem);

/* `path` without a known suffix (.adz .onnx .so .a .o .safetensors .h .ll .s .npz .npy), in the invocation's
 * arena. */
const char *stem_of(struct invocation *inv, const char *path);

/* Splits NAME=VALUE at the `=` that leaves the longest name that known(ctx, name) accepts; *name and *value
 * are in the invocation's arena. False if no prefix is accepted. */
bool split_assignment(struct invocation *inv, const char *text, bool (*known)(void *ctx, const char *name),
                      void *ctx, const char **name, const char **value);

/* Reads the arguments from `first` on as NAME=FILE.npy (or one FILE.npy when there is one input) for the
 * given inputs. Tensors are owned by the caller; inputs that were not given stay zeroed. */
enum exit_code read_inputs(struct invocation *inv, uint32_t first, const char *const *names, uint32_t count,
                           struct tensor *out);

bool has_suffix(const char *text, const char *suffix);

#endif
