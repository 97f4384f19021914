#include "test/support/toy.h"

#include "runtime/include/adze_model.h"

static const float weights[32] = {[0] = 2, [16] = 1};

struct toy_kernel {
    LLVMContextRef context;
    LLVMModuleRef module;
    LLVMBuilderRef b;
    LLVMValueRef function, index;
    LLVMBasicBlockRef head, body, end;
    LLVMTypeRef i32, f32, ptr;
};

static LLVMValueRef u32(const struct toy_kernel *k, uint32_t value) {
    return LLVMConstInt(k->i32, value, false);
}

/* Begins `void name(buf, dim, lo, hi)` with a loop whose body is open. */
static struct toy_kernel begin(LLVMModuleRef module, const char *name) {
    LLVMContextRef c = LLVMGetModuleContext(module);
    struct toy_kernel k = {.context = c,
                           .module = module,
                           .b = LLVMCreateBuilderInContext(c),
                           .i32 = LLVMInt32TypeInContext(c),
                           .f32 = LLVMFloatTypeInContext(c),
                           .ptr = LLVMPointerTypeInContext(c, 0)};
    LLVMTypeRef parameters[] = {k.ptr, k.ptr, k.i32, k.i32};
    k.function =
        LLVMAddFunction(module, name, LLVMFunctionType(LLVMVoidTypeInContext(c), parameters, 4, false));
    LLVMBasicBlockRef entry = LLVMAppendBasicBlockInContext(c, k.function, "entry");
    k.head = LLVMAppendBasicBlockInContext(c, k.function, "head");
    k.body = LLVMAppendBasicBlockInContext(c, k.function, "body");
    k.end = LLVMAppendBasicBlockInContext(c, k.function, "end");
    LLVMPositionBuilderAtEnd(k.b, entry);
    LLVMBuildBr(k.b, k.head);
    LLVMPositionBuilderAtEnd(k.b, k.head);
    k.index = LLVMBuildPhi(k.b, k.i32, "i");
    LLVMValueRef lo = LLVMGetParam(k.function, 2);
    LLVMAddIncoming(k.index, &lo, &entry, 1);
    LLVMValueRef more = LLVMBuildICmp(k.b, LLVMIntULT, k.index, LLVMGetParam(k.function, 3), "");
    LLVMBuildCondBr(k.b, more, k.body, k.end);
    LLVMPositionBuilderAtEnd(k.b, k.body);
    return k;
}

static void finish(struct toy_kernel *k) {
    LLVMValueRef next = LLVMBuildAdd(k->b, k->index, u32(k, 1), "");
    LLVMAddIncoming(k->index, &next, &k->body, 1);
    LLVMBuildBr(k->b, k->head);
    LLVMPositionBuilderAtEnd(k->b, k->end);
    LLVMBuildRetVoid(k->b);
    LLVMDisposeBuilder(k->b);
}

static LLVMValueRef buffer(const struct toy_kernel *k, uint32_t i) {
    LLVMValueRef at = u32(k, i);
    return LLVMBuildLoad2(k->b, k->ptr, LLVMBuildGEP2(k->b, k->ptr, LLVMGetParam(k->function, 0), &at, 1, ""),
                          "");
}

static LLVMValueRef element(const struct toy_kernel *k, uint32_t buf, LLVMValueRef index) {
    return LLVMBuildGEP2(k->b, k->f32, buffer(k, buf), &index, 1, "");
}

static void emit_scale(LLVMModuleRef module, bool call_memset) {
    struct toy_kernel k = begin(module, "scale"); /* x, w, t */
    if (call_memset) {
        LLVMTypeRef i8 = LLVMInt8TypeInContext(k.context), i64 = LLVMInt64TypeInContext(k.context);
        /* A size that is not known: LLVM makes a call of it. */
        LLVMValueRef n =
            LLVMBuildAnd(k.b, LLVMBuildZExt(k.b, k.index, i64, ""), LLVMConstInt(i64, 4, false), "");
        LLVMBuildMemSet(k.b, element(&k, 2, k.index), LLVMConstInt(i8, 0, false), n, 4);
    }
    LLVMValueRef x = LLVMBuildLoad2(k.b, k.f32, element(&k, 0, k.index), "x");
    LLVMValueRef w = LLVMBuildLoad2(k.b, k.f32, element(&k, 1, u32(&k, 0)), "w");
    LLVMBuildStore(k.b, LLVMBuildFMul(k.b, x, w, ""), element(&k, 2, k.index));
    finish(&k);
}

static void emit_shift(LLVMModuleRef module) {
    struct toy_kernel k = begin(module, "shift"); /* t, w, y */
    LLVMValueRef t = LLVMBuildLoad2(k.b, k.f32, element(&k, 0, k.index), "t");
    LLVMValueRef w = LLVMBuildLoad2(k.b, k.f32, element(&k, 1, u32(&k, 0)), "w");
    LLVMValueRef own = element(&k, 3, u32(&k, 0));
    LLVMBuildStore(k.b, LLVMBuildFAdd(k.b, t, w, ""), own);
    LLVMBuildStore(k.b, LLVMBuildLoad2(k.b, k.f32, own, ""), element(&k, 2, k.index));
    finish(&k);
}

enum status toy_emit(const struct toy_options *toy, struct emit_options *options, struct diag *diag) {
    static const struct program_operand scale[] = {
        {SPACE_PORT, 0, 0}, {SPACE_WEIGHTS, 0, 0}, {SPACE_SCRATCH, 0, 64}};
    static const struct program_operand shift[] = {
        {SPACE_SCRATCH, 0, 64}, {SPACE_WEIGHTS, 0, 64}, {SPACE_PORT, 1, 0}};
    static const struct program_expr_term n_terms[] = {{EXPR_SYMBOL, 0}};
    static const struct program_expr n_expr = {n_terms, 1};
    static const struct program_symbol n_symbol = {"n", 0, TOY_ELEMENTS};
    static const struct program_metadata metadata[] = {{"alphabet", "a\nb"}, {"empty", ""}};
    static const int64_t few_lo = 0, few_hi = 9, many_lo = 10, many_hi = TOY_ELEMENTS;

    struct target target;
    TRY(target_parse("x86-64", diag, &target));
    options->target = &target;
    LLVMContextRef context = LLVMContextCreate();
    LLVMModuleRef module = LLVMModuleCreateWithNameInContext("toy", context);
    emit_scale(module, toy->call_memset);
    emit_shift(module);

    program_dim n = toy->symbolic ? -1 : TOY_ELEMENTS;
    const struct program_port ports[] = {{"x", false, ADZE_F32, 1, &n, -1}, {"y", true, ADZE_F32, 1, &n, -1}};
    const struct program_step steps[] = {
        {.kernel = "scale", .name = "x * 2", .operands = scale, .n_operands = 3, .items = n, .grain = 16},
        {.kernel = "shift",
         .name = "+ 1",
         .operands = shift,
         .n_operands = 3,
         .dims = &n,
         .n_dims = 1,
         .items = n},
    };
    const struct program_variant one = {.target = target.name,
                                        .features = toy->features,
                                        .scratch_bytes = 64 + 4 * TOY_ELEMENTS,
                                        .worker_scratch_bytes = 4,
                                        .steps = steps,
                                        .n_steps = COUNT_OF(steps)};
    struct program_variant variants[] = {one, one};
    if (toy->symbolic) {
        variants[0].lo = &few_lo, variants[0].hi = &few_hi;
        variants[1].lo = &many_lo, variants[1].hi = &many_hi;
    }
    const struct program program = {
        .name = toy->name,
        .text = "model toy",
        .metadata = metadata,
        .n_metadata = COUNT_OF(metadata),
        .symbols = &n_symbol,
        .n_symbols = toy->symbolic ? 1 : 0,
        .exprs = &n_expr,
        .n_exprs = toy->symbolic ? 1 : 0,
        .ports = ports,
        .n_ports = COUNT_OF(ports),
        .variants = variants,
        .n_variants = toy->symbolic ? 2 : 1,
        .weights = weights,
        .weights_bytes = sizeof weights,
    };
    enum status status = codegen_emit(module, &program, options, diag);
    LLVMDisposeModule(module);
    LLVMContextDispose(context);
    options->target = NULL;
    return status;
}
