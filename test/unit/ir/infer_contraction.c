/* Types of contractions' results: symbolic extents, and what is refused. */
#include "test/support/op_apply.h"
#include "test/support/op_samples.h"
#include "test/support/unit.h"

static void linear(void) {
    const char *ok[] = {"f16[batch, seq, 64]", "f16[10, 64]", "f16[10]"};
    CHECK_TEXT(op_infer_text(OP_linear, ok, 3, NULL, 0), "f16[batch, seq, 10]");
    const char *symbolic[] = {"f32[batch, k]", "f32[n, k]"};
    CHECK_TEXT(op_infer_text(OP_linear, symbolic, 2, NULL, 0), "f32[batch, n]");
    const char *depth[] = {"f32[batch, 64]", "f32[10, 65]"};
    CHECK_TEXT(op_infer_text(OP_linear, depth, 2, NULL, 0),
               "linear: operand w has shape [10, 65], expected extent 64 in dimension 1");
    const char *bias[] = {"f32[batch, 64]", "f32[10, 64]", "f32[64]"};
    CHECK_TEXT(op_infer_text(OP_linear, bias, 3, NULL, 0),
               "linear: operand b has shape [64], expected extent 10 in dimension 0");
    const char *elems[] = {"f32[batch, 64]", "i32[10, 64]"};
    CHECK_TEXT(op_infer_text(OP_linear, elems, 2, NULL, 0), "linear: operand w is i32, expected f32");
    const char *stored[] = {"f32[batch, 64]", "f16[10, 64]", "bf16[10]"};
    CHECK_TEXT(op_infer_text(OP_linear, stored, 3, NULL, 0), "f32[batch, 10]");
    const char *scalar[] = {"f32[]", "f32[10, 64]"};
    CHECK_TEXT(op_infer_text(OP_linear, scalar, 2, NULL, 0),
               "linear: operand x is a scalar, expected rank 1 to 8");
    const char *rank[] = {"f32[64]", "f32[2, 10, 64]"};
    CHECK_TEXT(op_infer_text(OP_linear, rank, 2, NULL, 0),
               "linear: operand w has shape [2, 10, 64], expected rank 2");
}

static void matmul(void) {
    CHECK_TEXT(op_infer_text(OP_matmul, (const char *[]){"f32[batch, 1, m, 4]", "f32[3, 4, n]"}, 2, NULL, 0),
               "f32[batch, 3, m, n]");
    CHECK_TEXT(op_infer_text(OP_matmul, (const char *[]){"f32[4]", "f32[4]"}, 2, NULL, 0), "f32[]");
    CHECK_TEXT(op_infer_text(OP_matmul, (const char *[]){"i8[2, 4]", "i8[5, 2]"}, 2, NULL, 0),
               "matmul: operand b has shape [5, 2], expected extent 4 in dimension 0");
    CHECK_TEXT(op_infer_text(OP_matmul, (const char *[]){"f32[2, 3, 4]", "f32[5, 4, 3]"}, 2, NULL, 0),
               "matmul: operand b [5, 4, 3] does not broadcast: extent 5, expected 2 or 1");
    CHECK_TEXT(op_infer_text(OP_matmul, (const char *[]){"f32[]", "f32[4, 3]"}, 2, NULL, 0),
               "matmul: operand a is a scalar, expected rank 1 to 8");
}

#define CONV2D(x, w, ...)                                                                                    \
    op_infer_text(OP_conv2d, (const char *[]){x, w}, 2, (const struct attr[]){__VA_ARGS__},                  \
                  sizeof((const struct attr[]){__VA_ARGS__}) / sizeof(struct attr))
#define DECONV2D(x, w, ...)                                                                                  \
    op_infer_text(OP_conv_transpose2d, (const char *[]){x, w}, 2, (const struct attr[]){__VA_ARGS__},        \
                  sizeof((const struct attr[]){__VA_ARGS__}) / sizeof(struct attr))

static void conv(void) {
    CHECK_TEXT(CONV2D("f32[n, 3, h, w]", "f32[8, 3, 3, 3]", INTS(pad, 1, 1, 1, 1)), "f32[n, 8, h, w]");
    CHECK_TEXT(CONV2D("f32[n, 3, h*4, 224]", "f32[8, 3, 7, 7]", INTS(pad, 3, 3, 3, 3), INTS(stride, 2, 2)),
               "f32[n, 8, 2 * h, 112]");
    CHECK_TEXT(CONV2D("f32[n, c, 5, 5]", "f32[8, c, 1, 1]", INT(groups, 1)), "f32[n, 8, 5, 5]");
    CHECK_TEXT(CONV2D("f32[n, 4, 5, 5]", "f32[8, 2, 1, 1]", INT(groups, 2)), "f32[n, 8, 5, 5]");
    CHECK_TEXT(CONV2D("f32[n, 5, 5, 5]", "f32[8, 2, 1, 1]", INT(groups, 2)),
               "conv2d: operand x has 5 channels, expected a multiple of groups = 2");
    CHECK_TEXT(CONV2D("f32[n, 4, 5, 5]", "f32[7, 2, 1, 1]", INT(groups, 2)),
               "conv2d: operand w has 7 channels, expected a multiple of groups = 2");
    CHECK_TEXT(CONV2D("f32[n, c, 5, 5]", "f32[8, 2, 1, 1]", INT(groups, 2)),
               "conv2d: operand x has shape [n, c, 5, 5], expected a constant extent in dimension 1");
    CHECK_TEXT(CONV2D("f32[n, 4, 5, 5]", "f32[8, 2, 1, 1]", INT(groups, 0)),
               "conv2d: groups is 0, expected at least 1");
    CHECK_TEXT(CONV2D("f32[n, 3, 5, 5]", "f32[8, 4, 1, 1]", INT(groups, 1)),
               "conv2d: operand w has shape [8, 4, 1, 1], expected extent 3 in dimension 1");
    CHECK_TEXT(CONV2D("f32[n, 3, 5, 5]", "f32[8, 3, 7, 1]", INT(groups, 1)),
               "conv2d: a window of extent 7 does not fit into an extent of 5 (padding 0 + 0)");
    CHECK_TEXT(CONV2D("f32[n, 3, 5, 5]", "f32[8, 3, 3, 3]", INTS(stride, 1, 0)),
               "conv2d: stride[1] is 0, expected 1 to 1073741824");
    CHECK_TEXT(CONV2D("f32[n, 3, 5, 5]", "f32[8, 3, 3, 3]", INTS(pad, 0, 0, -1, 0)),
               "conv2d: pad[2] is -1, expected 0 to 1073741824");
    CHECK_TEXT(CONV2D("f32[n, 3, 5, 5]", "f32[8, 3, 0, 3]", INT(groups, 1)),
               "conv2d: the window's extent is 0, expected 1 to 1073741824");
    CHECK_TEXT(CONV2D("f32[n, 3, 5, 5]", "f32[8, 3, k, 3]", INT(groups, 1)),
               "conv2d: operand w has shape [8, 3, k, 3], expected a constant extent in dimension 2");
    CHECK_TEXT(CONV2D("f32[n, 3, 5]", "f32[8, 3, 3, 3]", INT(groups, 1)),
               "conv2d: operand x has shape [n, 3, 5], expected rank 4");
    CHECK_TEXT(CONV2D("f32[n, 3, 9223372036854775807, 5]", "f32[8, 3, 3, 3]", INTS(pad, 1, 1, 9, 1)),
               "conv2d: the result's extent overflows");
    CHECK_TEXT(CONV2D("i8[n, 3, 5, 5]", "i8[8, 3, 3, 3]", INT(groups, 1)),
               "conv2d: operand x is i8, expected one of f16, bf16, f32, f64");
}

static void conv_transpose(void) {
    CHECK_TEXT(DECONV2D("f32[n, 3, h, w]", "f32[3, 8, 2, 2]", INTS(stride, 2, 2)), "f32[n, 8, 2 * h, 2 * w]");
    CHECK_TEXT(DECONV2D("f32[n, 4, 5, 5]", "f32[4, 3, 3, 3]", INT(groups, 2), INTS(output_pad, 0, 1)),
               "f32[n, 6, 7, 8]");
    CHECK_TEXT(DECONV2D("f32[n, 4, 5, 5]", "f32[5, 3, 3, 3]", INT(groups, 1)),
               "conv_transpose2d: operand w has shape [5, 3, 3, 3], expected extent 4 in dimension 0");
    CHECK_TEXT(DECONV2D("f32[n, 4, 1, 5]", "f32[4, 3, 1, 3]", INTS(pad, 2, 0, 2, 0)),
               "conv_transpose2d: padding leaves a result of extent -3");
    CHECK_TEXT(DECONV2D("f32[n, 4, 5, 5]", "f32[4, 3, 3, 3]", INTS(output_pad, 0, -1)),
               "conv_transpose2d: output_pad[1] is -1, expected 0 to 1073741824");
    CHECK_TEXT(DECONV2D("f32[n, 4, 9223372036854775807, 5]", "f32[4, 3, 3, 3]", INTS(stride, 2, 1)),
               "conv_transpose2d: the result's extent overflows");
}

int main(void) {
    linear();
    matmul();
    conv();
    conv_transpose();
    return unit_status();
}
