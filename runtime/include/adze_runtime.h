/* adze_runtime.h: conveniences around compiled models, in libadze_runtime.a. A model needs none of them.
 *
 *     struct adze_session *session;
 *     int code = adze_open(&lenet_model, NULL, 2, &session);         // two workers
 *     if (code == ADZE_OK) code = lenet_run(adze_session_call(session), image, logits);
 *     if (code != ADZE_OK) fprintf(stderr, "%s\n", adze_error_text(code));
 *     adze_close(session);
 *
 * Functions that can fail return an enum adze_error.
 */
#ifndef ADZE_RUNTIME_H
#define ADZE_RUNTIME_H

#include "adze_model.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What a code means, in English; never null. */
const char *adze_error_text(int code);

/* The value of a key of the model's metadata, or null. */
const char *adze_metadata(const struct adze_model *model, const char *key);

/* Of an enum adze_elem: bytes of one element, and a name such as "f32"; 0 and null for other numbers. */
size_t adze_elem_bytes(uint32_t elem);
const char *adze_elem_name(uint32_t elem);

/* Whether this library understands the model's descriptor: ADZE_OK or ADZE_WRONG_ABI. */
int adze_check_model(const struct adze_model *model);

/* ---- Threads ---- */

/* A pool of workers: the thread that asks for work and workers - 1 threads, which spin for some microseconds
 * after each job and then sleep. Several threads may share a pool: while one job runs, another one is done by
 * the thread that asked. Workers: 1 to 1024; 0 stands for the CPUs this process may run on. */
struct adze_pool;
int adze_pool_open(uint32_t workers, struct adze_pool **pool);
void adze_pool_close(struct adze_pool *pool); /* null is ignored */
/* Fills in exec, but for `ticks` and `clock`, which are null. Valid while the pool is. */
void adze_pool_exec(struct adze_pool *pool, struct adze_exec *exec);

/* Nanoseconds of a clock that never goes back, for adze_exec.clock. */
uint64_t adze_clock(void *ignored);

/* ---- Weights files ---- */

/* Maps a weights file and checks all of it against the model: ADZE_NO_FILE, ADZE_NOT_A_MODEL (damaged),
 * ADZE_WRONG_WEIGHTS (of another model). */
int adze_weights_open(const struct adze_model *model, const char *path, const void **weights);
void adze_weights_close(const struct adze_model *model, const void *weights); /* null is ignored */
/* The same check of a file in memory. */
int adze_weights_check(const struct adze_model *model, const void *file, size_t bytes);

/* ---- Libraries ---- */

/* Loads a shared library and finds its model. *why, when not null, points to the loader's words after a
 * failure (valid until this thread calls the loader again). */
struct adze_library;
int adze_library_open(const char *path, struct adze_library **library, const struct adze_model **model,
                      const char **why);
void adze_library_close(struct adze_library *library); /* null is ignored */

/* ---- Sessions ---- */

/* All that a run needs besides ports: weights (the path is used only when they are external; null: none),
 * scratch memory for the largest variant, a pool. One session serves one run at a time. */
struct adze_session;
int adze_open(const struct adze_model *model, const char *weights_path, uint32_t workers,
              struct adze_session **session);
void adze_close(struct adze_session *session); /* null is ignored */
/* A call that lacks only port and symbols, to copy and complete or to hand to NAME_run. Where the model has
 * no symbols the variant is selected already. */
const struct adze_call *adze_session_call(const struct adze_session *session);

#ifdef __cplusplus
}
#endif

#endif
