/* Runs a compiled library on guarded memory: every buffer ends, then begins, at a protected page; inputs are
 * read-only; outputs and scratch memory hold poison; the bytes around a buffer in its pages are watched.
 *
 *     run    inputs  guard    workers and order of items            expected
 *     0      0       after    the calling thread alone              within the bound
 *     1      1       before   the calling thread alone              within the bound
 *     2      0       before   three workers, items from the end     the bytes of run 0
 *     3      0       after    two workers, odd items first          the bytes of run 0
 *
 * Last, runs 2 and 3 at once, each in a thread with memory of its own, several times.
 */
#include "test/support/fuzz/check.h"

#include "runtime/include/adze_runtime.h"
#include "test/support/fuzz/data.h"
#include "test/support/guard.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct run {
    uint32_t set, workers, order;
    enum guard_side side;
} runs[] = {{0, 1, 0, GUARD_AFTER}, {1, 1, 0, GUARD_BEFORE}, {0, 3, 1, GUARD_BEFORE}, {0, 2, 2, GUARD_AFTER}};

struct library {
    const struct adze_model *model;
    const struct module *m;
    const struct fuzz_expected *sets;
    struct tensor *first; /* outputs of run 0 */
    struct bound_counts *counts;
    struct str *why;
};

/* -- workers that take turns in a hostile order -- */
struct turns {
    uint32_t workers, order;
};

static void take_turns(void *pool, void (*body)(void *, uint32_t, uint32_t), void *ctx, uint32_t items) {
    const struct turns *t = pool;
    for (uint32_t i = 0; i < items; i++) {
        uint32_t odd = items / 2, item = items - 1 - i;
        if (t->order == 2) item = i < odd ? 2 * i + 1 : 2 * (i - odd);
        body(ctx, item, (i * 7 + 1) % t->workers);
    }
}

/* -- buffers -- */
enum { CANARY = 0x5a };

/* The bytes of the buffer's own pages that are not the buffer. */
static char *slack_of(const struct guard *g, size_t *bytes) {
    size_t page = g->map_bytes ? (size_t)sysconf(_SC_PAGESIZE) : 0;
    char *first = (char *)g->map + page, *last = (char *)g->map + g->map_bytes - page, *data = g->data;
    bool before = data > first;
    *bytes = before ? (size_t)(data - first) : (size_t)(last - (data + g->bytes));
    return before ? first : data + g->bytes;
}

static struct guard buffer(size_t bytes, enum guard_side side) {
    struct guard g = guard_make(bytes, side);
    size_t n;
    char *slack = slack_of(&g, &n);
    if (bytes) memset(slack, CANARY, n);
    guard_poison(&g);
    return g;
}

static bool slack_is_whole(const struct guard *g) {
    size_t n;
    const char *slack = slack_of(g, &n);
    for (size_t i = 0; g->bytes && i < n; i++)
        if (slack[i] != CANARY) return false;
    return true;
}

struct memory {
    uint32_t ports;
    struct guard *port, scratch;
    void **at;
};

static struct memory memory_make(const struct library *l, const struct run *run, size_t scratch) {
    struct memory memory = {.ports = l->model->ports};
    memory.port = xcalloc(memory.ports + 1, sizeof *memory.port);
    memory.at = xcalloc(memory.ports + 1, sizeof *memory.at);
    for (uint32_t i = 0; i < memory.ports; i++) {
        bool input = i < l->m->inputs.count;
        const struct tensor *in = input ? &l->sets[run->set].input[i] : NULL;
        struct tensor shape = input ? *in : l->sets[run->set].output[i - l->m->inputs.count].value;
        if (!input) shape.elem = value_get(l->m, l->m->outputs.at[i - l->m->inputs.count].value)->type.elem;
        size_t bytes = tensor_bytes(&shape);
        memory.port[i] = buffer(bytes, run->side);
        if (input && bytes) memcpy(memory.port[i].data, in->data, bytes);
        if (input) guard_read_only(&memory.port[i]);
        memory.at[i] = bytes ? memory.port[i].data : NULL;
    }
    memory.scratch = buffer(scratch, run->side);
    return memory;
}

static void memory_free(struct memory *memory) {
    for (uint32_t i = 0; i < memory->ports; i++) guard_free(&memory->port[i]);
    guard_free(&memory->scratch);
    free(memory->port);
    free(memory->at);
}

/* -- checks -- */
static enum fuzz_failure check_descriptor(const struct library *l) {
    const struct adze_model *model = l->model;
    const struct module *m = l->m;
    uint32_t inputs = m->inputs.count, outputs = m->outputs.count;
    if (adze_check_model(model) || model->ports != inputs + outputs) {
        str_printf(l->why, "%u ports, expected %u", model->ports, inputs + outputs);
        return FUZZ_LOAD;
    }
    for (uint32_t i = 0; i < model->ports; i++) {
        const struct adze_port *port = model->port[i];
        const char *name = i < inputs ? value_get(m, m->inputs.at[i])->name : m->outputs.at[i - inputs].name;
        const struct value *v = value_get(m, i < inputs ? m->inputs.at[i] : m->outputs.at[i - inputs].value);
        int64_t dim[MAX_RANK];
        check(type_static(&m->types, v->type, dim));
        const char *elem = adze_elem_name(port->elem);
        bool same = !strcmp(name, port->name) && port->rank == type_rank(&m->types, v->type) && elem &&
                    !strcmp(elem, elem_name(v->type.elem)) &&
                    (port->rank == 0 || !memcmp(dim, port->dim, port->rank * sizeof *dim));
        if (same) continue;
        str_printf(l->why, "port %u is %s of rank %u, expected %s", i, port->name, port->rank, name);
        return FUZZ_LOAD;
    }
    return FUZZ_FINE;
}

static enum fuzz_failure check_memory(const struct library *l, const struct memory *memory) {
    for (uint32_t i = 0; i < memory->ports; i++) {
        if (slack_is_whole(&memory->port[i])) continue;
        str_printf(l->why, "stores beside port %s", l->model->port[i]->name);
        return FUZZ_MEMORY;
    }
    if (slack_is_whole(&memory->scratch)) return FUZZ_FINE;
    str_add(l->why, "stores beside scratch memory");
    return FUZZ_MEMORY;
}

static struct tensor output_of(const struct library *l, const struct memory *memory, uint32_t i) {
    struct tensor got = l->sets[0].output[i].value;
    got.elem = value_get(l->m, l->m->outputs.at[i].value)->type.elem;
    got.data = memory->port[l->m->inputs.count + i].data;
    got.owned = false;
    return got;
}

static enum fuzz_failure check_outputs(struct library *l, const struct memory *memory, uint32_t at) {
    for (uint32_t i = 0; i < l->m->outputs.count; i++) {
        struct tensor got = output_of(l, memory, i);
        if (at > 1) {
            if (!tensor_bytes(&got) || !memcmp(l->first[i].data, got.data, tensor_bytes(&got))) continue;
            str_printf(l->why, "output %s: run %u gives other bytes than run 0",
                       l->model->port[l->m->inputs.count + i]->name, at);
            return FUZZ_REPEATS;
        }
        if (at == 0) l->first[i] = tensor_copy(&got);
        struct str why = {0};
        bool fine = bound_holds(&l->sets[runs[at].set].output[i], &got, l->counts, &why);
        if (!fine)
            str_printf(l->why, "inputs %u, output %s: %s", runs[at].set, l->m->outputs.at[i].name,
                       str_text(&why));
        str_free(&why);
        if (!fine) return FUZZ_MISMATCH;
    }
    return FUZZ_FINE;
}

static enum fuzz_failure run_once(struct library *l, uint32_t at, int32_t variant) {
    const struct run *run = &runs[at];
    size_t scratch;
    int code = l->model->scratch(variant, NULL, run->workers, &scratch);
    struct memory memory = memory_make(l, run, code ? 0 : scratch);
    struct turns turns = {run->workers, run->order};
    struct adze_exec exec = {
        .size = sizeof exec, .workers = run->workers, .pool = &turns, .parallel_for = take_turns};
    struct adze_call call = ADZE_CALL_INIT;
    call.variant = variant;
    call.port = memory.at;
    call.scratch = scratch ? memory.scratch.data : NULL;
    call.scratch_bytes = scratch;
    call.exec = run->order ? &exec : NULL;
    if (!code) code = l->model->run(&call);
    enum fuzz_failure failure = FUZZ_FINE;
    if (code) {
        str_printf(l->why, "run %u: %s", at, adze_error_text(code));
        failure = FUZZ_RUN;
    }
    if (!failure) failure = check_memory(l, &memory);
    if (!failure) failure = check_outputs(l, &memory, at);
    memory_free(&memory);
    return failure;
}

/* -- two callers at once -- */
enum { CALLS_AT_ONCE = 4 };

struct caller {
    struct library library;
    struct str why;
    uint32_t run;
    int32_t variant;
    enum fuzz_failure failure;
};

static void *call_again(void *ctx) {
    struct caller *c = ctx;
    for (uint32_t i = 0; i < CALLS_AT_ONCE && !c->failure; i++)
        c->failure = run_once(&c->library, c->run, c->variant);
    return NULL;
}

static enum fuzz_failure run_at_once(const struct library *l, int32_t variant) {
    struct caller caller[2];
    pthread_t thread;
    enum fuzz_failure failure = FUZZ_FINE;
    for (uint32_t i = 0; i < 2; i++) {
        caller[i] = (struct caller){.library = *l, .run = 2 + i, .variant = variant};
        caller[i].library.why = &caller[i].why;
    }
    if (pthread_create(&thread, NULL, call_again, &caller[1])) bug("no thread can be made");
    call_again(&caller[0]);
    pthread_join(thread, NULL);
    for (uint32_t i = 0; i < 2; i++) {
        if (caller[i].failure && !failure) {
            failure = caller[i].failure;
            str_printf(l->why, "two callers at once: %s", str_text(&caller[i].why));
        }
        str_free(&caller[i].why);
    }
    return failure;
}

enum fuzz_failure fuzz_run_library(const char *path, const struct module *m, const struct fuzz_expected *sets,
                                   struct bound_counts *counts, struct str *why) {
    struct adze_library *library;
    struct library l = {.m = m, .sets = sets, .counts = counts, .why = why};
    const char *words = NULL;
    int32_t variant = 0;
    int code = adze_library_open(path, &library, &l.model, &words);
    if (code) {
        str_printf(why, "%s: %s", adze_error_text(code), words ? words : "");
        return FUZZ_LOAD;
    }
    enum fuzz_failure failure = check_descriptor(&l);
    if (!failure && (code = l.model->select(NULL, &variant))) {
        str_printf(why, "select: %s", adze_error_text(code));
        failure = FUZZ_RUN;
    }
    l.first = xcalloc(m->outputs.count + 1, sizeof *l.first);
    for (uint32_t at = 0; at < COUNT_OF(runs) && !failure; at++) failure = run_once(&l, at, variant);
    if (!failure) failure = run_at_once(&l, variant);
    fuzz_free(l.first, m->outputs.count);
    adze_library_close(library);
    return failure;
}
