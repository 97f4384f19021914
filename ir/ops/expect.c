#include "ir/ops/expect.h"

static const char *operand_name(const struct infer *infer, uint32_t i, char out[32]) {
    op_info_operand_name(op_info(infer->op->kind), i, out);
    return out;
}

enum status expect_elem(const struct infer *infer, uint32_t i, enum elem expected) {
    enum elem found = infer_operand(infer, i).elem;
    char name[32];
    if (found == expected) return STATUS_OK;
    return infer_error(infer, "operand %s is %s, expected %s", operand_name(infer, i, name), elem_name(found),
                       elem_name(expected));
}

enum status expect_same_elems(const struct infer *infer) {
    for (uint32_t i = 1; i < infer->op->operand_count; i++)
        if (infer_has(infer, i)) TRY(expect_elem(infer, i, infer_operand(infer, 0).elem));
    return STATUS_OK;
}

enum status expect_rank(const struct infer *infer, uint32_t i, uint32_t rank) {
    char name[32];
    if (infer_rank(infer, i) == rank) return STATUS_OK;
    struct str shape = {0};
    dims_print(&infer->m->types, infer_operand(infer, i).shape, &shape);
    enum status status = infer_error(infer, "operand %s has shape %s, expected rank %u",
                                     operand_name(infer, i, name), str_text(&shape), rank);
    str_free(&shape);
    return status;
}

enum status expect_extent(const struct infer *infer, uint32_t i, uint32_t axis, dim_id expected) {
    struct types *types = &infer->m->types;
    char name[32];
    if (dim_same(infer_dim(infer, i, axis), expected)) return STATUS_OK;
    struct str shape = {0}, want = {0};
    dims_print(types, infer_operand(infer, i).shape, &shape);
    dim_print(types, expected, &want);
    enum status status = infer_error(infer, "operand %s has shape %s, expected extent %s in dimension %u",
                                     operand_name(infer, i, name), str_text(&shape), str_text(&want), axis);
    str_free(&shape);
    str_free(&want);
    return status;
}

enum status expect_constant(const struct infer *infer, uint32_t i, uint32_t axis, int64_t *out) {
    struct types *types = &infer->m->types;
    char name[32];
    if (dim_is_const(types, infer_dim(infer, i, axis), out)) return STATUS_OK;
    struct str shape = {0};
    dims_print(types, infer_operand(infer, i).shape, &shape);
    enum status status =
        infer_error(infer, "operand %s has shape %s, expected a constant extent in dimension %u",
                    operand_name(infer, i, name), str_text(&shape), axis);
    str_free(&shape);
    return status;
}
