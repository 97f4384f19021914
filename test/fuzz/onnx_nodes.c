/* ONNX's own node tests, compiled: each that the interpreter passes goes through everything that random
 * graphs go through (test/support/fuzz/check.h), on the test's own inputs and on these backwards.
 *
 * Usage: onnx_nodes [--all] [--part=K/N] [FOLDER [WORD]]: the folder of the tests, and a word that names must
 * contain; the default is the package's. Targets take turns, and so do plain layouts; --all: every one.
 * --part: every Nth test from the Kth on. */
#include "test/support/fuzz/isolate.h"
#include "test/support/fuzz/targets.h"
#include "test/support/node_test.h"

#include <stdlib.h>
#include <string.h>

enum { SECONDS = 120, PLAIN_EVERY = 4 };

struct run {
    struct arena arena;
    struct fuzz_targets targets;
    char *plain;
    bool all;
    unsigned part, parts, seen, tests, runs, failures;
};

static void check_once(struct run *run, const struct node_test *t, const char *target, bool plain) {
    struct tensor in[NODE_TEST_PORTS] = {0};
    node_test_feed(t, t->m, in);
    struct fuzz_config config = {
        .target = target, .pipeline = plain ? run->plain : NULL, .seed = 1, .inputs = in};
    struct fuzz_outcome outcome = fuzz_isolated(t->m, &config, SECONDS);
    run->runs++;
    if (outcome.failure) {
        run->failures++;
        printf("%s (%s%s): %s: %s\n", t->name, target, plain ? ", plain layouts" : "",
               fuzz_failure_text(outcome.failure), str_text(&outcome.text));
        fflush(stdout);
    }
    fuzz_outcome_free(&outcome);
}

static void visit(void *ctx, const char *root, const char *name) {
    struct run *run = ctx;
    if (run->seen++ % run->parts != run->part) return;
    struct node_test *t = xcalloc(1, sizeof *t);
    if (node_test_run(t, root, name, &run->arena) == NODE_PASSED) {
        unsigned turn = run->tests++;
        uint32_t targets = run->targets.count;
        for (uint32_t i = 0; i < (run->all ? targets : 1); i++)
            for (int plain = 0; plain < (run->all ? 2 : 1); plain++)
                check_once(run, t, run->targets.name[(turn + i) % targets],
                           run->all ? plain : turn % PLAIN_EVERY == 0);
    }
    node_test_free(t);
    free(t);
}

int main(int argc, char **argv) {
    struct run run = {.parts = 1};
    fuzz_want_one_thread(argv);
    for (; argc > 1 && !strncmp(argv[1], "--", 2); argc--, argv++) {
        if (!strcmp(argv[1], "--all")) {
            run.all = true;
        } else if (sscanf(argv[1], "--part=%u/%u", &run.part, &run.parts) != 2 || run.part >= run.parts) {
            fprintf(stderr, "usage: onnx_nodes [--all] [--part=K/N] [FOLDER [WORD]]\n");
            return 2;
        }
    }
    run.targets = fuzz_targets_here();
    run.plain = fuzz_plain_pipeline();
    if (!node_tests_visit(argc > 1 ? argv[1] : NODE_TESTS, argc > 2 ? argv[2] : NULL, visit, &run)) return 1;
    printf("%u node tests compiled, %u runs, %u failures\n", run.tests, run.runs, run.failures);
    free(run.plain);
    arena_free(&run.arena);
    return run.failures || !run.tests;
}
