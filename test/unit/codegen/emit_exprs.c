/* Dimensions that are expressions over symbols: shape() computes them, ports show what they are. */
#include "codegen/emit.h"
#include "runtime/include/adze_runtime.h"
#include "test/support/temporary.h"
#include "test/support/unit.h"

#include <llvm-c/Core.h>
#include <stdlib.h>

enum { HI = 40 };

static struct temporary folder;

static const struct adze_model *compile(const struct program *program, struct adze_library **library) {
    struct diag diag = {0};
    struct target target;
    LLVMContextRef context = LLVMContextCreate();
    LLVMModuleRef module = LLVMModuleCreateWithNameInContext("exprs", context);
    struct emit_options options = {.kinds = OUTPUT_BIT(OUTPUT_SHARED),
                                   .target = &target,
                                   .stem = temporary_path(&folder, "exprs"),
                                   .header = true};
    CHECK(target_parse("x86-64", &diag, &target) == STATUS_OK);
    CHECK(codegen_emit(module, program, &options, &diag) == STATUS_OK);
    diag_print(&diag, stderr);
    diag_free(&diag);
    LLVMDisposeModule(module);
    LLVMContextDispose(context);
    const struct adze_model *model;
    if (!CHECK(adze_library_open(temporary_path(&folder, "exprs.so"), library, &model, NULL) == ADZE_OK))
        exit(1);
    return model;
}

static int64_t floor_half(int64_t value) {
    return value >= 0 ? value / 2 : -((1 - value) / 2);
}

int main(void) {
    /* n; 3; n * m; floor((n - 7) / 2) + 4 */
    static const struct program_expr_term symbol[] = {{EXPR_SYMBOL, 0}}, three[] = {{EXPR_CONST, 3}},
                                          product[] = {{EXPR_SYMBOL, 0}, {EXPR_SYMBOL, 1}, {EXPR_MUL, 0}},
                                          halves[] = {{EXPR_SYMBOL, 0}, {EXPR_CONST, -7},    {EXPR_ADD, 0},
                                                      {EXPR_CONST, 2},  {EXPR_FLOOR_DIV, 0}, {EXPR_CONST, 4},
                                                      {EXPR_ADD, 0}};
    static const struct program_expr exprs[] = {{symbol, 1}, {three, 1}, {product, 3}, {halves, 7}};
    static const struct program_symbol symbols[] = {{"n", 0, HI}, {"m", 1, HI}};
    static const program_dim dims[] = {-1, 5, -2, -3, -4};
    static const struct program_port ports[] = {{"x", false, ADZE_F32, 5, dims, -1},
                                                {"y", true, ADZE_U8, 0, NULL, 0}};
    static const int64_t lo[] = {0, 1}, hi[] = {HI, HI};
    static const struct program_variant variant = {.target = "x86-64", .lo = lo, .hi = hi};
    static const struct program program = {.name = "exprs",
                                           .symbols = symbols,
                                           .n_symbols = 2,
                                           .exprs = exprs,
                                           .n_exprs = 4,
                                           .ports = ports,
                                           .n_ports = 2,
                                           .variants = &variant,
                                           .n_variants = 1};
    struct adze_library *library;
    folder = temporary_make();
    const struct adze_model *model = compile(&program, &library);
    const int64_t *public_dim = model->port[0]->dim;
    CHECK(public_dim[0] == -1 && public_dim[1] == 5 && public_dim[2] == 3);
    CHECK(public_dim[3] == ADZE_COMPUTED && public_dim[4] == ADZE_COMPUTED);
    CHECK(model->port[1]->updates == 0 && model->port[1]->rank == 0);
    CHECK_TEXT(model->symbol[1]->name, "m");
    CHECK_TEXT(model->text, "");
    CHECK_TEXT(model->metadata, "");
    for (int64_t n = 0; n <= HI; n++) {
        int64_t values[] = {n, 11}, got[5] = {0};
        CHECK(model->shape(0, values, got) == ADZE_OK);
        CHECK(got[0] == n && got[1] == 5 && got[2] == 3 && got[3] == 11 * n &&
              got[4] == floor_half(n - 7) + 4);
    }
    /* Only an empty port may be null; a port of rank 0 has one element. */
    int64_t values[] = {0, 1};
    uint8_t y = 0;
    void *port[] = {NULL, &y};
    struct adze_call call = ADZE_CALL_INIT;
    call.symbols = values;
    call.port = port;
    CHECK(model->run(&call) == ADZE_OK);
    port[1] = NULL;
    CHECK(model->run(&call) == ADZE_BAD_ARGUMENT);
    port[1] = &y;
    values[0] = 1;
    CHECK(model->run(&call) == ADZE_BAD_ARGUMENT);
    values[1] = 0;
    CHECK(model->run(&call) == ADZE_OUT_OF_RANGE);
    adze_library_close(library);
    temporary_remove(&folder);
    return unit_status();
}
