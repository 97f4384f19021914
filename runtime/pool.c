/* The pool: a job is published by opening a gate; workers that come while it is open take items from a
 * counter until none is left. When the poster finds none left it closes the gate and waits for those inside,
 * and only for those: a worker that the system has not woken in time misses the job and holds nobody up.
 *
 * A worker that finds no new job spins, so that the next step of a model finds it awake, then sleeps. */
#include "runtime/include/adze_runtime.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

enum { MAX_WORKERS = 1024, SPINS = 4000, LINE = 64 };

/* The gate: number of the job, whether it is open, how many workers are inside. */
#define GATE_OPEN (UINT64_C(1) << 31)
#define GATE_INSIDE (GATE_OPEN - 1)
#define GATE_JOB(gate) ((uint32_t)((gate) >> 32))

struct adze_pool {
    /* Of the job; written while the gate is closed and nobody inside. */
    void (*body)(void *ctx, uint32_t item, uint32_t worker);
    void *ctx;
    uint32_t items;
    _Alignas(LINE) _Atomic uint64_t next; /* item */
    _Alignas(LINE) _Atomic uint64_t gate;
    _Alignas(LINE) _Atomic uint32_t sleepers;
    atomic_flag busy;
    _Atomic int stop;
    pthread_mutex_t lock; /* for sleeping only */
    pthread_cond_t wake;
    uint32_t workers;
    uint32_t threads; /* started: workers - 1 */
    struct worker {
        struct adze_pool *pool;
        pthread_t thread;
        uint32_t index;
    } * worker;
};

static inline void relax(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static void take_items(struct adze_pool *pool, uint32_t worker) {
    for (;;) {
        uint64_t item = atomic_fetch_add_explicit(&pool->next, 1, memory_order_relaxed);
        if (item >= pool->items) return;
        pool->body(pool->ctx, (uint32_t)item, worker);
    }
}

static int has_news(const struct adze_pool *pool, uint64_t gate, uint32_t seen) {
    return ((gate & GATE_OPEN) && GATE_JOB(gate) != seen) || atomic_load(&pool->stop);
}

/* Returns when there is an open job that this worker has not seen, or the pool stops. */
static uint64_t await_job(struct adze_pool *pool, uint32_t seen) {
    uint64_t gate;
    for (unsigned i = 0; i < SPINS; i++) {
        gate = atomic_load_explicit(&pool->gate, memory_order_relaxed);
        if (has_news(pool, gate, seen)) return gate;
        relax();
    }
    /* The poster opens the gate before it looks for sleepers, a sleeper does the reverse: one of the two sees
     * the other. */
    pthread_mutex_lock(&pool->lock);
    atomic_fetch_add(&pool->sleepers, 1);
    while (gate = atomic_load(&pool->gate), !has_news(pool, gate, seen))
        pthread_cond_wait(&pool->wake, &pool->lock);
    atomic_fetch_sub(&pool->sleepers, 1);
    pthread_mutex_unlock(&pool->lock);
    return gate;
}

static void *work(void *argument) {
    struct worker *self = argument;
    struct adze_pool *pool = self->pool;
    uint32_t seen = 0;
    for (;;) {
        uint64_t gate = await_job(pool, seen);
        if (atomic_load(&pool->stop)) return NULL;
        if (!atomic_compare_exchange_weak_explicit(&pool->gate, &gate, gate + 1, memory_order_acquire,
                                                   memory_order_relaxed))
            continue;
        seen = GATE_JOB(gate);
        take_items(pool, self->index);
        atomic_fetch_sub_explicit(&pool->gate, 1, memory_order_release);
    }
}

static void wake_sleepers(struct adze_pool *pool) {
    if (atomic_load(&pool->sleepers) == 0) return;
    pthread_mutex_lock(&pool->lock);
    pthread_cond_broadcast(&pool->wake);
    pthread_mutex_unlock(&pool->lock);
}

static void close_gate(struct adze_pool *pool) {
    atomic_fetch_and_explicit(&pool->gate, ~GATE_OPEN, memory_order_relaxed);
    for (unsigned i = 0; atomic_load_explicit(&pool->gate, memory_order_acquire) & GATE_INSIDE; i++) {
        if (i < SPINS)
            relax();
        else
            sched_yield(); /* more workers than CPUs: let them run */
    }
}

static void parallel_for(void *argument, void (*body)(void *ctx, uint32_t item, uint32_t worker), void *ctx,
                         uint32_t items) {
    struct adze_pool *pool = argument;
    if (pool->threads == 0 || items < 2 ||
        atomic_flag_test_and_set_explicit(&pool->busy, memory_order_acquire)) {
        for (uint32_t i = 0; i < items; i++) body(ctx, i, 0);
        return;
    }
    pool->body = body;
    pool->ctx = ctx;
    pool->items = items;
    atomic_store_explicit(&pool->next, 0, memory_order_relaxed);
    uint64_t job = GATE_JOB(atomic_load_explicit(&pool->gate, memory_order_relaxed)) + UINT64_C(1);
    atomic_store(&pool->gate, (job & UINT32_MAX) << 32 | GATE_OPEN);
    wake_sleepers(pool);
    take_items(pool, 0);
    close_gate(pool);
    atomic_flag_clear_explicit(&pool->busy, memory_order_release);
}

static uint32_t usable_cpus(void) {
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set)) return 1;
    int n = CPU_COUNT(&set);
    return n < 1 ? 1 : n > MAX_WORKERS ? MAX_WORKERS : (uint32_t)n;
}

int adze_pool_open(uint32_t workers, struct adze_pool **out) {
    *out = NULL;
    if (workers == 0) workers = usable_cpus();
    if (workers > MAX_WORKERS) return ADZE_BAD_ARGUMENT;
    struct adze_pool *pool = aligned_alloc(LINE, sizeof *pool);
    struct worker *worker = calloc(workers, sizeof *worker);
    if (!pool || !worker) {
        free(pool);
        free(worker);
        return ADZE_NO_MEMORY;
    }
    *pool = (struct adze_pool){.workers = workers, .worker = worker, .busy = ATOMIC_FLAG_INIT};
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->wake, NULL);
    for (uint32_t i = 1; i < workers; i++) {
        worker[i] = (struct worker){.pool = pool, .index = i};
        if (pthread_create(&worker[i].thread, NULL, work, &worker[i])) {
            adze_pool_close(pool);
            return ADZE_NO_THREAD;
        }
        pool->threads++;
    }
    *out = pool;
    return ADZE_OK;
}

void adze_pool_close(struct adze_pool *pool) {
    if (!pool) return;
    atomic_store(&pool->stop, 1);
    wake_sleepers(pool);
    for (uint32_t i = 1; i <= pool->threads; i++) pthread_join(pool->worker[i].thread, NULL);
    pthread_mutex_destroy(&pool->lock);
    pthread_cond_destroy(&pool->wake);
    free(pool->worker);
    free(pool);
}

void adze_pool_exec(struct adze_pool *pool, struct adze_exec *exec) {
    *exec = (struct adze_exec){
        .size = sizeof *exec, .workers = pool->workers, .pool = pool, .parallel_for = parallel_for};
}

uint64_t adze_clock(void *ignored) {
    struct timespec now;
    (void)ignored;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}
