/* The generator of random graphs has a rule for every op of the table, and what it makes is valid. */
#include "ir/verify.h"
#include "test/support/fuzz/gen.h"
#include "test/support/unit.h"

#include <stdlib.h>

static void test_every_op_has_a_rule(void) {
    for (enum op_kind k = OP_NONE + 1; k < OP_COUNT; k++)
        if (!gen_rule_of(k)) unit_fail(__FILE__, __LINE__, op_info(k)->name);
}

static void test_every_rule_makes_its_op(void) {
    uint32_t made[OP_COUNT] = {0};
    struct diag diag = {0};
    for (uint64_t seed = 1; seed <= 1500; seed++) {
        struct module *m = gen_module(seed, NULL);
        const struct region *root = region_get(m, m->root);
        CHECK(verify_module(m, true, &diag) == STATUS_OK);
        for (uint32_t i = 0; i < root->ops.count; i++) made[op_get(m, root->ops.at[i])->kind]++;
        module_free(m);
    }
    for (enum op_kind k = OP_NONE + 1; k < OP_COUNT; k++)
        if (!made[k] && gen_rule_of(k) != gen_made_by_passes) unit_fail(__FILE__, __LINE__, op_info(k)->name);
    diag_free(&diag);
}

int main(void) {
    test_every_op_has_a_rule();
    test_every_rule_makes_its_op();
    return unit_status();
}
