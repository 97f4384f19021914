/* ONNX's node tests: a folder each, with a model, inputs and what it has to give (model.onnx,
 * test_data_set_0/input_0.pb, output_0.pb, …). */
#ifndef ADZE_TEST_SUPPORT_NODE_TEST_H
#define ADZE_TEST_SUPPORT_NODE_TEST_H

#include "frontend/onnx/import.h"

/* Of the Debian package libonnx-testdata. */
#define NODE_TESTS "/usr/share/libonnx-testdata/data/node"

enum { NODE_TEST_PORTS = 64 };

enum node_verdict { NODE_PASSED, NODE_UNSUPPORTED, NODE_NO_TENSORS, NODE_WRONG, NODE_VERDICTS };

struct node_test {
    const char *name, *folder; /* the folder's path */
    struct named_tensor in[NODE_TEST_PORTS];
    struct tensor want[NODE_TEST_PORTS];
    uint32_t in_count, want_count;
    const char *op; /* of a model with one node; else "" */
    int64_t opset;
    const char *why;  /* what is wrong, or not supported */
    struct module *m; /* of a test that passed */
    struct arena *arena;
};

/* Imports the test in ROOT/NAME, interprets it and compares. Inputs that have to be constants (axes, shapes,
 * scales) are bound. `name` and the arena outlive the test, which is freed by node_test_free whatever the
 * verdict. */
enum node_verdict node_test_run(struct node_test *t, const char *root, const char *name, struct arena *arena);
void node_test_free(struct node_test *t);
/* What the inputs of a module made of the test are fed, in their order: room for NODE_TEST_PORTS; the tensors
 * stay the test's. */
void node_test_feed(const struct node_test *t, const struct module *m, struct tensor *in);

/* Calls visit for each test below `root` whose name contains `word` (NULL: all), in order; false if there is
 * no such folder. */
bool node_tests_visit(const char *root, const char *word,
                      void (*visit)(void *ctx, const char *root, const char *name), void *ctx);

#endif
