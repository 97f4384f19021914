#include "codegen/emit_module.h"

#include "codegen/target_machine.h"
#include "ir/base/vec.h"
#include "runtime/include/adze_model.h"

#include <llvm-c/Analysis.h>
#include <llvm-c/IRReader.h>
#include <llvm-c/Linker.h>
#include <string.h>

/* entry.ll and the parts for one architecture, embedded by the build. */
extern const char codegen_entry_ll[], codegen_entry_x86_ll[];

struct emitter {
    LLVMContextRef context;
    LLVMModuleRef module;
    const struct target *target;
    const struct program *program;
    LLVMTypeRef i8, i32, i64, ptr;
};

static LLVMValueRef u32(const struct emitter *e, uint32_t value) {
    return LLVMConstInt(e->i32, value, false);
}

static LLVMValueRef i64(const struct emitter *e, int64_t value) {
    return LLVMConstInt(e->i64, (uint64_t)value, true);
}

static LLVMValueRef record(const struct emitter *e, LLVMValueRef *fields, uint32_t n) {
    return LLVMConstStructInContext(e->context, fields, n, false);
}
#define RECORD(e, ...) record((e), (LLVMValueRef[]){__VA_ARGS__}, COUNT_OF(((LLVMValueRef[]){__VA_ARGS__})))

/* A constant of the module. Named ones are those that entry.ll declares. */
static LLVMValueRef constant(const struct emitter *e, const char *name, LLVMValueRef value, unsigned align) {
    LLVMValueRef global = LLVMAddGlobal(e->module, LLVMTypeOf(value), name);
    LLVMSetInitializer(global, value);
    LLVMSetGlobalConstant(global, true);
    if (name[0]) {
        LLVMSetVisibility(global, LLVMHiddenVisibility);
    } else {
        LLVMSetLinkage(global, LLVMPrivateLinkage);
        LLVMSetUnnamedAddress(global, LLVMGlobalUnnamedAddr);
    }
    if (align) LLVMSetAlignment(global, align);
    return global;
}

static LLVMValueRef bytes(const struct emitter *e, const char *text, size_t n) {
    return constant(e, "", LLVMConstStringInContext2(e->context, text, n, true), 1);
}

static LLVMValueRef string(const struct emitter *e, const char *text) {
    return bytes(e, text ? text : "", strlen(text ? text : "") + 1);
}

static LLVMValueRef table(const struct emitter *e, const char *name, LLVMTypeRef type, LLVMValueRef *rows,
                          uint32_t n) {
    return constant(e, name, LLVMConstArray2(type, rows, n), 0);
}

/* A table of 64-bit integers; null when it is empty. */
static LLVMValueRef integers(const struct emitter *e, const int64_t *values, uint32_t n) {
    if (n == 0) return LLVMConstPointerNull(e->ptr);
    VEC(LLVMValueRef) rows = {0};
    for (uint32_t i = 0; i < n; i++) *vec_push(&rows) = i64(e, values[i]);
    LLVMValueRef result = table(e, "", e->i64, rows.at, n);
    vec_free(&rows);
    return result;
}

/* The public form of a dimension: see adze_port.dim. */
static int64_t public_dim(const struct program *program, program_dim dim) {
    if (dim >= 0) return dim;
    const struct program_expr *expr = &program->exprs[-1 - dim];
    if (expr->n_terms != 1) return ADZE_COMPUTED;
    return expr->terms[0].op == EXPR_SYMBOL ? -1 - expr->terms[0].value : expr->terms[0].value;
}

static uint32_t elem_alignment(uint32_t elem) {
    switch (elem) {
    case ADZE_BOOL:
    case ADZE_I8:
    case ADZE_U8:
        return 1;
    case ADZE_I16:
    case ADZE_U16:
    case ADZE_F16:
    case ADZE_BF16:
        return 2;
    case ADZE_I32:
    case ADZE_U32:
    case ADZE_F32:
        return 4;
    case ADZE_I64:
    case ADZE_U64:
    case ADZE_F64:
        return 8;
    default:
        bug("a port of element type %u", elem);
    }
}

static LLVMValueRef emit_public_ports(const struct emitter *e) {
    VEC(LLVMValueRef) rows = {0};
    VEC(int64_t) dims = {0};
    for (uint32_t i = 0; i < e->program->n_ports; i++) {
        const struct program_port *port = &e->program->ports[i];
        vec_clear(&dims);
        for (uint32_t d = 0; d < port->rank; d++) *vec_push(&dims) = public_dim(e->program, port->dims[d]);
        LLVMValueRef row = RECORD(
            e, string(e, port->name), u32(e, port->is_output ? ADZE_OUTPUT : ADZE_INPUT), u32(e, port->elem),
            u32(e, port->rank), u32(e, (uint32_t)port->updates), integers(e, dims.at, port->rank));
        *vec_push(&rows) = constant(e, "", row, 0);
    }
    LLVMValueRef result = table(e, "", e->ptr, rows.at, rows.count);
    vec_free(&dims);
    vec_free(&rows);
    return result;
}

static LLVMValueRef emit_public_symbols(const struct emitter *e) {
    VEC(LLVMValueRef) rows = {0};
    for (uint32_t i = 0; i < e->program->n_symbols; i++) {
        const struct program_symbol *symbol = &e->program->symbols[i];
        *vec_push(&rows) =
            constant(e, "", RECORD(e, string(e, symbol->name), i64(e, symbol->lo), i64(e, symbol->hi)), 0);
    }
    LLVMValueRef result = table(e, "", e->ptr, rows.at, rows.count);
    vec_free(&rows);
    return result;
}

static LLVMValueRef emit_public_steps(const struct emitter *e, const struct program_variant *variant) {
    VEC(LLVMValueRef) rows = {0};
    for (uint32_t i = 0; i < variant->n_steps; i++) {
        const struct program_step *step = &variant->steps[i];
        *vec_push(&rows) = constant(
            e, "",
            RECORD(e, string(e, step->name), i64(e, (int64_t)step->operations), i64(e, (int64_t)step->bytes)),
            0);
    }
    LLVMValueRef result = table(e, "", e->ptr, rows.at, rows.count);
    vec_free(&rows);
    return result;
}

static LLVMValueRef emit_public_variants(const struct emitter *e) {
    VEC(LLVMValueRef) rows = {0};
    for (uint32_t i = 0; i < e->program->n_variants; i++) {
        const struct program_variant *variant = &e->program->variants[i];
        struct str features = {0};
        cpu_print(variant->features, "", ",", &features);
        LLVMValueRef row = RECORD(e, string(e, variant->target), string(e, str_text(&features)),
                                  integers(e, variant->lo, e->program->n_symbols),
                                  integers(e, variant->hi, e->program->n_symbols), u32(e, variant->n_steps),
                                  u32(e, 0), emit_public_steps(e, variant));
        *vec_push(&rows) = constant(e, "", row, 0);
        str_free(&features);
    }
    LLVMValueRef result = table(e, "", e->ptr, rows.at, rows.count);
    vec_free(&rows);
    return result;
}

static LLVMValueRef emit_metadata(const struct emitter *e) {
    struct str text = {0};
    for (uint32_t i = 0; i < e->program->n_metadata; i++) {
        const struct program_metadata *entry = &e->program->metadata[i];
        if (!entry->key[0]) continue; /* an empty key ends the list */
        str_add_bytes(&text, entry->key, strlen(entry->key) + 1);
        str_add_bytes(&text, entry->value, strlen(entry->value) + 1);
    }
    str_add_char(&text, 0);
    LLVMValueRef result = bytes(e, text.text, text.length);
    str_free(&text);
    return result;
}

static LLVMValueRef emit_hash(const struct emitter *e, const struct adze_weights_header *weights) {
    static const uint8_t none[32] = {0};
    const void *hash = weights ? weights->hash : none;
    return LLVMConstStringInContext2(e->context, hash, sizeof none, true);
}

/* struct adze_model. */
static void emit_descriptor(const struct emitter *e, const char *symbol,
                            const struct adze_weights_header *weights) {
    const struct program *p = e->program;
    LLVMValueRef fields[] = {
        u32(e, ADZE_ABI),
        u32(e, 0), /* the size, below */
        string(e, p->name),
        string(e, p->text),
        emit_metadata(e),
        u32(e, p->n_ports),
        u32(e, p->n_symbols),
        u32(e, p->n_variants),
        u32(e, 0),
        emit_public_ports(e),
        emit_public_symbols(e),
        emit_public_variants(e),
        i64(e, weights ? (int64_t)weights->bytes : 0),
        emit_hash(e, weights),
        LLVMGetNamedFunction(e->module, "adze.select"),
        LLVMGetNamedFunction(e->module, "adze.shape"),
        LLVMGetNamedFunction(e->module, "adze.scratch"),
        LLVMGetNamedFunction(e->module, "adze.run"),
    };
    LLVMValueRef draft = record(e, fields, COUNT_OF(fields));
    LLVMTargetDataRef layout = LLVMGetModuleDataLayout(e->module);
    fields[1] = u32(e, (uint32_t)LLVMABISizeOfType(layout, LLVMTypeOf(draft)));
    LLVMValueRef global = constant(e, symbol, record(e, fields, COUNT_OF(fields)), 0);
    LLVMSetVisibility(global, LLVMDefaultVisibility);
}

/* The rows of adze.ports. */
static void emit_ports(const struct emitter *e) {
    LLVMTypeRef type = LLVMStructTypeInContext(e->context, (LLVMTypeRef[]){e->ptr, e->i32, e->i32}, 3, false);
    VEC(LLVMValueRef) rows = {0};
    for (uint32_t i = 0; i < e->program->n_ports; i++) {
        const struct program_port *port = &e->program->ports[i];
        *vec_push(&rows) = RECORD(e, integers(e, port->dims, port->rank), u32(e, port->rank),
                                  u32(e, elem_alignment(port->elem)));
    }
    table(e, "adze.ports", type, rows.at, rows.count);
    vec_free(&rows);
}

static LLVMValueRef emit_operands(const struct emitter *e, const struct program_step *step) {
    VEC(LLVMValueRef) rows = {0};
    for (uint32_t i = 0; i < step->n_operands; i++) {
        const struct program_operand *operand = &step->operands[i];
        *vec_push(&rows) =
            RECORD(e, u32(e, operand->space), u32(e, operand->index), i64(e, (int64_t)operand->offset));
    }
    LLVMTypeRef type = LLVMStructTypeInContext(e->context, (LLVMTypeRef[]){e->i32, e->i32, e->i64}, 3, false);
    LLVMValueRef result = table(e, "", type, rows.at, rows.count);
    vec_free(&rows);
    return result;
}

static LLVMValueRef emit_steps(const struct emitter *e, const struct program_variant *variant) {
    LLVMTypeRef type = LLVMStructTypeInContext(
        e->context, (LLVMTypeRef[]){e->ptr, e->ptr, e->ptr, e->i64, e->i32, e->i32, e->i32}, 7, false);
    VEC(LLVMValueRef) rows = {0};
    for (uint32_t i = 0; i < variant->n_steps; i++) {
        const struct program_step *step = &variant->steps[i];
        LLVMValueRef kernel = LLVMGetNamedFunction(e->module, step->kernel);
        if (!kernel || LLVMIsDeclaration(kernel)) bug("no kernel '%s' in the module", step->kernel);
        if (LLVMCountParams(kernel) != 4) bug("'%s' has not the signature of a kernel", step->kernel);
        *vec_push(&rows) = RECORD(e, kernel, emit_operands(e, step), integers(e, step->dims, step->n_dims),
                                  i64(e, step->items), u32(e, step->n_operands), u32(e, step->n_dims),
                                  u32(e, step->grain ? step->grain : 1));
    }
    LLVMValueRef result = table(e, "", type, rows.at, rows.count);
    vec_free(&rows);
    return result;
}

/* What adze.cpu_ok looks at: the bits of one cpuid register make one row. Returns the table, and the state
 * the operating system has to save. */
static LLVMValueRef emit_cpu_rows(const struct emitter *e, uint64_t features, uint32_t *count, uint64_t *os) {
    struct {
        uint32_t leaf, subleaf, reg, mask;
    } merged[CPU_FEATURES];
    uint32_t n = 0;
    *os = 0;
    for (uint32_t i = 0; i < CPU_FEATURES; i++) {
        const struct cpu_feature *f = &cpu_features[i];
        if (f->os && (features & f->bit)) features |= CPU_XSAVE;
    }
    for (uint32_t i = 0; i < CPU_FEATURES; i++) {
        const struct cpu_feature *f = &cpu_features[i];
        if (!(features & f->bit)) continue;
        uint32_t at = 0;
        while (at < n &&
               (merged[at].leaf != f->leaf || merged[at].subleaf != f->subleaf || merged[at].reg != f->reg))
            at++;
        if (at == n) {
            merged[n].leaf = f->leaf, merged[n].subleaf = f->subleaf, merged[n].reg = f->reg,
            merged[n].mask = 0;
            n++;
        }
        merged[at].mask |= f->mask;
        *os |= f->os;
    }
    LLVMValueRef rows[CPU_FEATURES];
    for (uint32_t i = 0; i < n; i++)
        rows[i] = RECORD(e, u32(e, merged[i].leaf), u32(e, merged[i].subleaf), u32(e, merged[i].reg),
                         u32(e, merged[i].mask));
    *count = n;
    LLVMTypeRef type =
        LLVMStructTypeInContext(e->context, (LLVMTypeRef[]){e->i32, e->i32, e->i32, e->i32}, 4, false);
    return table(e, "", type, rows, n);
}

/* The rows of adze.variants. */
static void emit_variants(const struct emitter *e) {
    LLVMTypeRef type = LLVMStructTypeInContext(
        e->context, (LLVMTypeRef[]){e->ptr, e->ptr, e->ptr, e->i32, e->i32, e->i64, e->i64, e->i64, e->ptr},
        9, false);
    VEC(LLVMValueRef) rows = {0};
    for (uint32_t i = 0; i < e->program->n_variants; i++) {
        const struct program_variant *variant = &e->program->variants[i];
        uint32_t n_cpu = 0;
        uint64_t os = 0;
        LLVMValueRef cpu = emit_cpu_rows(e, variant->features, &n_cpu, &os);
        /* Worker scratch follows the shared arena, both on cache lines of their own. */
        int64_t shared = round_up((int64_t)variant->scratch_bytes, ADZE_ALIGN);
        int64_t worker = round_up((int64_t)variant->worker_scratch_bytes, ADZE_ALIGN);
        *vec_push(&rows) = RECORD(e, integers(e, variant->lo, e->program->n_symbols),
                                  integers(e, variant->hi, e->program->n_symbols), cpu, u32(e, n_cpu),
                                  u32(e, variant->n_steps), i64(e, (int64_t)os), i64(e, shared),
                                  i64(e, worker), emit_steps(e, variant));
    }
    table(e, "adze.variants", type, rows.at, rows.count);
    vec_free(&rows);
}

static void emit_counts(const struct emitter *e) {
    const struct program *p = e->program;
    uint32_t operands = 0, dims = 0;
    for (uint32_t v = 0; v < p->n_variants; v++) {
        for (uint32_t s = 0; s < p->variants[v].n_steps; s++) {
            const struct program_step *step = &p->variants[v].steps[s];
            if (step->n_operands > operands) operands = step->n_operands;
            if (step->n_dims > dims) dims = step->n_dims;
        }
    }
    constant(e, "adze.program",
             RECORD(e, u32(e, p->n_ports), u32(e, p->n_symbols), u32(e, p->n_variants), u32(e, p->n_exprs),
                    u32(e, operands), u32(e, dims)),
             0);
}

static void emit_weights(const struct emitter *e, const struct adze_weights_header *header) {
    const struct program *p = e->program;
    size_t size = header ? 0 : p->weights_bytes;
    constant(e, "adze.weights", LLVMConstDataArray(e->i8, size ? p->weights : "", size), ADZE_ALIGN);
    struct adze_weights_header none = {0};
    constant(e, "adze.weights_id",
             LLVMConstStringInContext2(e->context, (const char *)(header ? header : &none), 48, true), 8);
}

/* One postfix expression, by a stack of values. */
static LLVMValueRef emit_expr(const struct emitter *e, LLVMBuilderRef b, const struct program_expr *expr,
                              LLVMValueRef symbols) {
    VEC(LLVMValueRef) stack = {0};
    for (uint32_t i = 0; i < expr->n_terms; i++) {
        const struct program_expr_term *term = &expr->terms[i];
        LLVMValueRef x, y;
        switch (term->op) {
        case EXPR_CONST:
            *vec_push(&stack) = i64(e, term->value);
            break;
        case EXPR_SYMBOL:
            x = LLVMBuildGEP2(b, e->i64, symbols, (LLVMValueRef[]){i64(e, term->value)}, 1, "");
            *vec_push(&stack) = LLVMBuildLoad2(b, e->i64, x, "");
            break;
        case EXPR_ADD:
        case EXPR_MUL:
        case EXPR_FLOOR_DIV:
            check(stack.count >= 2);
            y = vec_pop(&stack);
            x = vec_pop(&stack);
            if (term->op == EXPR_ADD) {
                x = LLVMBuildAdd(b, x, y, "");
            } else if (term->op == EXPR_MUL) {
                x = LLVMBuildMul(b, x, y, "");
            } else { /* towards minus infinity: one less when a remainder is negative */
                LLVMValueRef rest = LLVMBuildSRem(b, x, y, "");
                LLVMValueRef less = LLVMBuildAShr(b, rest, i64(e, 63), "");
                x = LLVMBuildAdd(b, LLVMBuildSDiv(b, x, y, ""), less, "");
            }
            *vec_push(&stack) = x;
            break;
        }
    }
    check(stack.count == 1);
    LLVMValueRef result = stack.at[0];
    vec_free(&stack);
    return result;
}

/* adze.exprs: all expressions, one after the other. */
static void emit_exprs(const struct emitter *e) {
    LLVMTypeRef type =
        LLVMFunctionType(LLVMVoidTypeInContext(e->context), (LLVMTypeRef[]){e->ptr, e->ptr}, 2, false);
    LLVMValueRef function = LLVMAddFunction(e->module, "adze.exprs", type);
    LLVMSetVisibility(function, LLVMHiddenVisibility);
    target_attributes(function, e->target->arch, 0);
    LLVMBuilderRef b = LLVMCreateBuilderInContext(e->context);
    LLVMPositionBuilderAtEnd(b, LLVMAppendBasicBlockInContext(e->context, function, ""));
    for (uint32_t i = 0; i < e->program->n_exprs; i++) {
        LLVMValueRef value = emit_expr(e, b, &e->program->exprs[i], LLVMGetParam(function, 0));
        LLVMValueRef to =
            LLVMBuildGEP2(b, e->i64, LLVMGetParam(function, 1), (LLVMValueRef[]){i64(e, i)}, 1, "");
        LLVMBuildStore(b, value, to);
    }
    LLVMBuildRetVoid(b);
    LLVMDisposeBuilder(b);
}

/* What entry.ll leaves to the target. */
static void add_prefix(enum arch arch, struct str *text) {
    bool wide = arch != ARCH_WASM32;
    str_printf(text,
               "%%usize = type %s\n"
               "define hidden i64 @adze.usize(%%usize %%v) {\n %s\n ret i64 %%r\n}\n"
               "define hidden %%usize @adze.to_usize(i64 %%v) {\n %s\n ret %%usize %%r\n}\n",
               wide ? "i64" : "i32", wide ? "%r = or i64 %v, 0" : "%r = zext i32 %v to i64",
               wide ? "%r = or i64 %v, 0" : "%r = trunc i64 %v to i32");
    if (arch == ARCH_X86_64)
        str_add(text, codegen_entry_x86_ll);
    else /* nothing is asked beyond the baseline */
        str_add(text, "define hidden i1 @adze.cpu_ok(ptr %rows, i32 %n, i64 %os) { ret i1 true }\n");
}

static void set_nounwind(LLVMValueRef function) {
    static const char name[] = "nounwind";
    unsigned kind = LLVMGetEnumAttributeKindForName(name, sizeof name - 1);
    LLVMAddAttributeAtIndex(function, (LLVMAttributeIndex)LLVMAttributeFunctionIndex,
                            LLVMCreateEnumAttribute(LLVMGetValueContext(function), kind, 0));
}

static void link_entry(const struct emitter *e, LLVMTargetMachineRef machine) {
    struct str text = {0};
    add_prefix(e->target->arch, &text);
    str_add(&text, codegen_entry_ll);
    LLVMMemoryBufferRef buffer =
        LLVMCreateMemoryBufferWithMemoryRangeCopy(text.text, text.length, "entry.ll");
    str_free(&text);
    LLVMModuleRef entry;
    char *message = NULL;
    if (LLVMParseIRInContext(e->context, buffer, &entry, &message)) bug("%s", message);
    target_prepare_module(entry, machine);
    for (LLVMValueRef f = LLVMGetFirstFunction(entry); f; f = LLVMGetNextFunction(f))
        if (!LLVMIsDeclaration(f)) target_attributes(f, e->target->arch, 0);
    if (LLVMLinkModules2(e->module, entry)) bug("the entry points do not link into the module");
}

/* Hides everything but the descriptor, so that models can share a program. Internal memory functions still
 * serve the calls that LLVM makes up: those refer to them by name. */
static void internalize(const struct emitter *e, const char *symbol) {
    for (LLVMValueRef f = LLVMGetFirstFunction(e->module); f; f = LLVMGetNextFunction(f)) {
        if (LLVMIsDeclaration(f)) continue;
        LLVMSetVisibility(f, LLVMDefaultVisibility);
        LLVMSetLinkage(f, LLVMInternalLinkage);
        LLVMSetUnnamedAddress(f, LLVMGlobalUnnamedAddr);
        set_nounwind(f);
    }
    for (LLVMValueRef g = LLVMGetFirstGlobal(e->module); g; g = LLVMGetNextGlobal(g)) {
        size_t n;
        const char *name = LLVMGetValueName2(g, &n);
        if (LLVMIsDeclaration(g) || LLVMGetLinkage(g) != LLVMExternalLinkage) continue;
        if (strcmp(name, symbol) == 0) continue;
        LLVMSetVisibility(g, LLVMDefaultVisibility);
        LLVMSetLinkage(g, LLVMInternalLinkage);
    }
}

/* Keeps passes from dropping functions that only LLVM's own calls use. */
static void keep_memory_functions(const struct emitter *e) {
    static const char *const names[] = {"memset", "memcpy", "memmove"};
    LLVMValueRef used[COUNT_OF(names)];
    for (size_t i = 0; i < COUNT_OF(names); i++) used[i] = LLVMGetNamedFunction(e->module, names[i]);
    LLVMValueRef list = LLVMConstArray2(e->ptr, used, COUNT_OF(names));
    LLVMValueRef global = LLVMAddGlobal(e->module, LLVMTypeOf(list), "llvm.compiler.used");
    LLVMSetInitializer(global, list);
    LLVMSetLinkage(global, LLVMAppendingLinkage);
    LLVMSetSection(global, "llvm.metadata");
}

void emit_module(LLVMModuleRef module, LLVMTargetMachineRef machine, const struct target *target,
                 const struct program *program, const char *symbol,
                 const struct adze_weights_header *weights) {
    LLVMContextRef context = LLVMGetModuleContext(module);
    struct emitter e = {
        .context = context,
        .module = module,
        .target = target,
        .program = program,
        .i8 = LLVMInt8TypeInContext(context),
        .i32 = LLVMInt32TypeInContext(context),
        .i64 = LLVMInt64TypeInContext(context),
        .ptr = LLVMPointerTypeInContext(context, 0),
    };
    check(program->n_variants >= 1 && program->n_variants <= UINT16_MAX);
    target_prepare_module(module, machine);
    LLVMSetModuleIdentifier(module, program->name, strlen(program->name));
    LLVMSetSourceFileName(module, program->name, strlen(program->name));
    for (LLVMValueRef f = LLVMGetFirstFunction(module); f; f = LLVMGetNextFunction(f))
        if (!LLVMIsDeclaration(f) && !target_has_attributes(f))
            target_attributes(f, target->arch, target->features);
    emit_counts(&e);
    emit_ports(&e);
    emit_variants(&e);
    emit_exprs(&e);
    emit_weights(&e, weights);
    link_entry(&e, machine);
    emit_descriptor(&e, symbol, weights);
    internalize(&e, symbol);
    keep_memory_functions(&e);
    char *message = NULL;
    if (LLVMVerifyModule(module, LLVMReturnStatusAction, &message))
        bug("the module is not valid: %s", message);
    LLVMDisposeMessage(message);
}
