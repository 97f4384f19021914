/* ONNX's own node tests (Debian: libonnx-testdata), imported and interpreted: none may be wrong, and what is
 * not supported is counted by its reason.
 *
 * Usage: onnx_nodes [--list] [FOLDER [WORD]]: the folder of the tests, and a word that names must contain;
 * the default is the package's. --list prints instead a line for each test: verdict, opset, op, name, reason,
 * between tabs. */
#include "test/support/node_test.h"
#include "test/support/unit.h"

#include <stdlib.h>
#include <string.h>

/* Tests of the package that passed when this was written; fewer are a regression. */
enum { AT_LEAST = 762 };

static const char *const verdict_texts[NODE_VERDICTS] = {"passed", "unsupported", "no tensors", "wrong"};

struct count {
    const char *what;
    unsigned count;
};

struct run {
    struct arena arena;
    bool list;
    unsigned verdicts[NODE_VERDICTS];
    struct map reasons;
    VEC(struct count) reason_counts;
};

/* The lines of the one diagnostic, without the nodes. */
static void count_reasons(struct run *run, const char *text) {
    for (const char *line = strchr(text, '\n'); line; line = strchr(line, '\n')) {
        line += strspn(line, "\n ");
        const char *colon = strstr(line, ": ");
        size_t length = colon ? (size_t)(colon - line) : strlen(line);
        bool is_new;
        uint32_t *index = map_put(&run->reasons, line, length, &is_new);
        if (is_new) {
            *index = run->reason_counts.count;
            vec_push(&run->reason_counts)->what = arena_strndup(&run->arena, line, length);
        }
        run->reason_counts.at[*index].count++;
    }
}

static int by_count(const void *a, const void *b) {
    const struct count *x = a, *y = b;
    return x->count != y->count ? (x->count < y->count) - (x->count > y->count) : strcmp(x->what, y->what);
}

static void report(struct run *run) {
    qsort(run->reason_counts.at, run->reason_counts.count, sizeof *run->reason_counts.at, by_count);
    for (uint32_t i = 0; i < run->reason_counts.count; i++)
        printf("%5u  %s\n", run->reason_counts.at[i].count, run->reason_counts.at[i].what);
    printf("passed %u, not supported %u, no tensors %u, wrong %u\n", run->verdicts[NODE_PASSED],
           run->verdicts[NODE_UNSUPPORTED], run->verdicts[NODE_NO_TENSORS], run->verdicts[NODE_WRONG]);
}

/* The reason on one line. */
static void print_row(const struct node_test *t, enum node_verdict verdict) {
    printf("%s\t%lld\t%s\t%s\t", verdict_texts[verdict], (long long)t->opset, t->op, t->name);
    for (const char *c = verdict == NODE_PASSED ? "" : t->why; *c; c++)
        putchar(*c == '\n' || *c == '\t' ? ' ' : *c);
    putchar('\n');
}

static void visit(void *ctx, const char *root, const char *name) {
    struct run *run = ctx;
    struct node_test *t = xcalloc(1, sizeof *t);
    enum node_verdict verdict = node_test_run(t, root, name, &run->arena);
    run->verdicts[verdict]++;
    if (run->list) print_row(t, verdict);
    if (verdict == NODE_WRONG) fprintf(stderr, "%s: %s\n", name, t->why);
    if (verdict == NODE_UNSUPPORTED) count_reasons(run, t->why);
    node_test_free(t);
    free(t);
}

int main(int argc, char **argv) {
    struct run run = {.list = argc > 1 && !strcmp(argv[1], "--list")};
    argc -= run.list, argv += run.list;
    if (!node_tests_visit(argc > 1 ? argv[1] : NODE_TESTS, argc > 2 ? argv[2] : NULL, visit, &run)) return 1;
    if (!run.list) report(&run);
    CHECK(run.verdicts[NODE_WRONG] == 0);
    CHECK(argc > 1 || run.verdicts[NODE_PASSED] >= AT_LEAST);
    map_free(&run.reasons);
    vec_free(&run.reason_counts);
    arena_free(&run.arena);
    return unit_status();
}
