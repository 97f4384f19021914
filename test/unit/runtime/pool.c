/* The pool: every item once, no two workers with one index, from one thread and from several. */
#include "runtime/include/adze_runtime.h"
#include "test/support/unit.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

enum { MAX_ITEMS = 1000, MAX_WORKERS = 8 };

struct job {
    _Atomic uint32_t done[MAX_ITEMS];
    _Atomic uint32_t inside[MAX_WORKERS]; /* calls in progress of each worker */
    _Atomic uint32_t overlaps;
    uint32_t workers;
};

static void body(void *ctx, uint32_t item, uint32_t worker) {
    struct job *job = ctx;
    if (worker >= job->workers || atomic_fetch_add(&job->inside[worker], 1) != 0) job->overlaps++;
    job->done[item]++;
    atomic_fetch_sub(&job->inside[worker], 1);
}

static void run_job(const struct adze_exec *exec, uint32_t items) {
    struct job *job = calloc(1, sizeof *job);
    job->workers = exec->workers;
    exec->parallel_for(exec->pool, body, job, items);
    uint32_t wrong = job->overlaps;
    for (uint32_t i = 0; i < MAX_ITEMS; i++) wrong += job->done[i] != (i < items);
    CHECK(wrong == 0);
    free(job);
}

static void *run_jobs(void *exec) {
    for (uint32_t i = 0; i < 300; i++) run_job(exec, i * 7 % MAX_ITEMS);
    return NULL;
}

static void nested(void *ctx, uint32_t item, uint32_t worker) {
    (void)item, (void)worker;
    run_job(ctx, 50);
}

int main(void) {
    struct adze_pool *pool;
    struct adze_exec exec;
    CHECK(adze_pool_open(5000, &pool) == ADZE_BAD_ARGUMENT && pool == NULL);
    CHECK(adze_pool_open(0, &pool) == ADZE_OK);
    adze_pool_exec(pool, &exec);
    CHECK(exec.size == sizeof exec && exec.workers >= 1 && !exec.clock && !exec.ticks);
    adze_pool_close(pool);
    adze_pool_close(NULL);
    for (uint32_t workers = 1; workers <= MAX_WORKERS; workers = workers * 2 + (workers == 2)) {
        CHECK(adze_pool_open(workers, &pool) == ADZE_OK);
        adze_pool_exec(pool, &exec);
        run_job(&exec, 0);
        run_job(&exec, 1);
        run_jobs(&exec);
        usleep(20000); /* until the workers sleep */
        run_job(&exec, MAX_ITEMS);
        pthread_t other; /* two threads share a pool */
        CHECK(pthread_create(&other, NULL, run_jobs, &exec) == 0);
        run_jobs(&exec);
        pthread_join(other, NULL);
        exec.parallel_for(exec.pool, nested, &exec, 4);
        adze_pool_close(pool);
    }
    uint64_t before = adze_clock(NULL);
    CHECK(adze_clock(NULL) >= before);
    return unit_status();
}
