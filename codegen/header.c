#include "codegen/header.h"

#include "codegen/c_name.h"
#include "ir/base/vec.h"
#include "runtime/include/adze_model.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

struct names {
    const char *prefix; /* "lenet" */
    char *upper;        /* "LENET" */
    char **port;        /* [n_ports] parameter names, unlike each other whatever their case */
    char **symbol;      /* [n_symbols] likewise */
};

static char *upper_case(const char *text) {
    size_t n = strlen(text) + 1;
    char *copy = xmalloc(n);
    for (size_t i = 0; i < n; i++) copy[i] = (char)toupper((unsigned char)text[i]);
    return copy;
}

static struct names name_all(const struct program *p, const char *prefix) {
    static const char *const taken[] = {"how", "call", "port", "symbol", "scratch", "weights", "code"};
    struct names names = {.prefix = prefix, .upper = upper_case(prefix)};
    struct c_names given = {0};
    for (size_t i = 0; i < COUNT_OF(taken); i++) free(c_name(taken[i], &given));
    names.port = xcalloc(p->n_ports + 1, sizeof *names.port);
    names.symbol = xcalloc(p->n_symbols + 1, sizeof *names.symbol);
    for (uint32_t i = 0; i < p->n_ports; i++) names.port[i] = c_name(p->ports[i].name, &given);
    for (uint32_t i = 0; i < p->n_symbols; i++) names.symbol[i] = c_name(p->symbols[i].name, &given);
    c_names_free(&given);
    return names;
}

static void free_names(const struct program *p, struct names *names) {
    for (uint32_t i = 0; i < p->n_ports; i++) free(names->port[i]);
    for (uint32_t i = 0; i < p->n_symbols; i++) free(names->symbol[i]);
    free(names->port);
    free(names->symbol);
    free(names->upper);
}

/* A name inside a comment: nothing in it ends the comment, opens another or breaks the line. */
static void comment(struct str *out, const char *text) {
    for (const char *at = text; *at; at++) {
        unsigned char c = (unsigned char)*at;
        bool star_slash = at > text && ((at[-1] == '*' && c == '/') || (at[-1] == '/' && c == '*'));
        if (star_slash) str_add_char(out, ' ');
        str_add_char(out, c < 0x20 || c == 0x7f || c == '\\' ? '?' : (char)c);
    }
}

static const char *c_type(uint32_t elem) {
    switch (elem) {
    case ADZE_I8:
        return "int8_t";
    case ADZE_I16:
        return "int16_t";
    case ADZE_I32:
        return "int32_t";
    case ADZE_I64:
        return "int64_t";
    case ADZE_BOOL:
    case ADZE_U8:
        return "uint8_t";
    case ADZE_U16:
    case ADZE_F16:
    case ADZE_BF16:
        return "uint16_t";
    case ADZE_U32:
        return "uint32_t";
    case ADZE_U64:
        return "uint64_t";
    case ADZE_F32:
        return "float";
    case ADZE_F64:
        return "double";
    default:
        bug("a port of element type %u", elem);
    }
}

static const char *elem_text(uint32_t elem) {
    static const char *const text[] = {
        [ADZE_BOOL] = "bool, a byte of 0 or 1",
        [ADZE_I8] = "i8",
        [ADZE_I16] = "i16",
        [ADZE_I32] = "i32",
        [ADZE_I64] = "i64",
        [ADZE_U8] = "u8",
        [ADZE_U16] = "u16",
        [ADZE_U32] = "u32",
        [ADZE_U64] = "u64",
        [ADZE_F16] = "f16, the bits of an IEEE half",
        [ADZE_BF16] = "bf16, the upper half of an f32",
        [ADZE_F32] = "f32",
        [ADZE_F64] = "f64",
    };
    return text[elem];
}

/* The value of a dimension when every symbol is at its upper bound. */
static int64_t upper_bound(const struct program *p, program_dim dim) {
    if (dim >= 0) return dim;
    const struct program_expr *expr = &p->exprs[-1 - dim];
    VEC(int64_t) stack = {0};
    for (uint32_t i = 0; i < expr->n_terms; i++) {
        const struct program_expr_term *term = &expr->terms[i];
        if (term->op == EXPR_CONST || term->op == EXPR_SYMBOL) {
            *vec_push(&stack) = term->op == EXPR_CONST ? term->value : p->symbols[term->value].hi;
            continue;
        }
        int64_t y = vec_pop(&stack), *x = &vec_last(&stack);
        bool fits = true;
        if (term->op == EXPR_ADD) fits = add_i64(*x, y, x);
        if (term->op == EXPR_MUL) fits = mul_i64(*x, y, x);
        if (term->op == EXPR_FLOOR_DIV) *x = floor_div(*x, y);
        check(fits);
    }
    int64_t value = stack.at[0];
    vec_free(&stack);
    return value;
}

static bool is_fixed(const struct program_port *port) {
    for (uint32_t d = 0; d < port->rank; d++)
        if (port->dims[d] < 0) return false;
    return true;
}

static int64_t elements(const struct program *p, const struct program_port *port) {
    int64_t count = 1;
    for (uint32_t d = 0; d < port->rank; d++) check(mul_i64(count, upper_bound(p, port->dims[d]), &count));
    return count;
}

static void print_expr(const struct program *p, const struct program_expr *expr, struct str *out) {
    static const char *const sign[] = {[EXPR_ADD] = "+", [EXPR_MUL] = "*", [EXPR_FLOOR_DIV] = "/"};
    for (uint32_t i = 0; i < expr->n_terms; i++) {
        const struct program_expr_term *term = &expr->terms[i];
        if (i) str_add(out, " ");
        if (term->op == EXPR_CONST)
            str_printf(out, "%lld", (long long)term->value);
        else if (term->op == EXPR_SYMBOL)
            comment(out, p->symbols[term->value].name);
        else
            str_add(out, sign[term->op]);
    }
}

static void print_port(const struct program *p, const struct names *names, uint32_t i, struct str *out) {
    const struct program_port *port = &p->ports[i];
    str_printf(out, "\n/* %s \"", port->is_output ? "Output" : "Input");
    comment(out, port->name);
    str_printf(out, "\": %s, [", elem_text(port->elem));
    for (uint32_t d = 0; d < port->rank; d++) {
        if (d) str_add(out, ", ");
        if (port->dims[d] >= 0)
            str_printf(out, "%lld", (long long)port->dims[d]);
        else
            print_expr(p, &p->exprs[-1 - port->dims[d]], out);
    }
    str_add(out, "]");
    if (port->updates >= 0) {
        str_add(out, "; may be given the memory of \"");
        comment(out, p->ports[port->updates].name);
        str_add(out, "\"");
    }
    str_add(out, " */\n");
    char *upper = upper_case(names->port[i]);
    str_printf(out, "#define %s_%s_%s %lld\n", names->upper, upper,
               is_fixed(port) ? "ELEMENTS" : "MAX_ELEMENTS", (long long)elements(p, port));
    free(upper);
}

void header_scratch(const struct program *program, uint64_t *shared, uint64_t *worker) {
    *shared = *worker = 0;
    for (uint32_t i = 0; i < program->n_variants; i++) {
        const struct program_variant *v = &program->variants[i];
        uint64_t s = (uint64_t)round_up((int64_t)v->scratch_bytes, ADZE_ALIGN);
        uint64_t w = (uint64_t)round_up((int64_t)v->worker_scratch_bytes, ADZE_ALIGN);
        if (s > *shared) *shared = s;
        if (w > *worker) *worker = w;
    }
}

static void print_sizes(const struct program *p, const struct names *names, uint64_t weights_bytes,
                        struct str *out) {
    uint64_t shared, worker;
    header_scratch(p, &shared, &worker);
    str_printf(out,
               "\n/* Bytes of scratch memory that a run with so many workers needs (one without a pool). */\n"
               "#define %s_SCRATCH_BYTES(workers) ((size_t)%llu + (size_t)(workers) * %llu)\n",
               names->upper, (unsigned long long)shared, (unsigned long long)worker);
    if (weights_bytes)
        str_printf(out,
                   "\n/* Bytes of the weights file, which adze_call.weights has to hold. */\n"
                   "#define %s_WEIGHTS_BYTES %llu\n",
                   names->upper, (unsigned long long)weights_bytes);
}

static void print_parameters(const struct program *p, const struct names *names, struct str *out) {
    str_printf(out, "static inline int %s_run(const struct adze_call *how", names->prefix);
    for (uint32_t i = 0; i < p->n_symbols; i++) str_printf(out, ", int64_t %s", names->symbol[i]);
    for (uint32_t i = 0; i < p->n_ports; i++) {
        const struct program_port *port = &p->ports[i];
        str_printf(out, ",\n        %s%s *%s", port->is_output ? "" : "const ", c_type(port->elem),
                   names->port[i]);
    }
    str_add(out, ") {\n");
}

static void print_run(const struct program *p, const struct names *names, struct str *out) {
    print_parameters(p, names, out);
    str_add(out, "    struct adze_call call = ADZE_CALL_INIT;\n    if (how) call = *how;\n");
    if (p->n_symbols) {
        str_add(out, "    const int64_t symbol[] = {");
        for (uint32_t i = 0; i < p->n_symbols; i++) str_printf(out, "%s%s", i ? ", " : "", names->symbol[i]);
        str_add(out, "};\n    call.symbols = symbol;\n");
    }
    if (p->n_ports) {
        str_add(out, "    void *const port[] = {");
        for (uint32_t i = 0; i < p->n_ports; i++)
            str_printf(out, p->ports[i].is_output ? "%s%s" : "%s(void *)(uintptr_t)%s", i ? ", " : "",
                       names->port[i]);
        str_add(out, "};\n    call.port = port;\n");
    }
    str_printf(out, "    return %s_model.run(&call);\n}\n", names->prefix);
}

static void print_example(const struct program *p, const struct names *names, bool weights, struct str *out) {
    static const char margin[] = " *     ";
    str_printf(out, " * Example%s:\n *\n", weights ? ", with the runtime library" : "");
    for (uint32_t i = 0; i < p->n_ports; i++) {
        const struct program_port *port = &p->ports[i];
        char *upper = upper_case(names->port[i]);
        str_printf(out, "%sstatic %s %s[%s_%s_%sELEMENTS + 1];\n", margin, c_type(port->elem), names->port[i],
                   names->upper, upper, is_fixed(port) ? "" : "MAX_");
        free(upper);
    }
    str_printf(out, "%sstruct adze_call how = ADZE_CALL_INIT;\n", margin);
    str_printf(out, "%show.scratch_bytes = %s_SCRATCH_BYTES(1);\n", margin, names->upper);
    str_printf(out, "%show.scratch = aligned_alloc(ADZE_ALIGN, how.scratch_bytes);\n", margin);
    if (weights)
        str_printf(out,
                   "%sif (adze_weights_open(&%s_model, \"%s.weights\", &how.weights) != ADZE_OK) exit(1);\n",
                   margin, names->prefix, names->prefix);
    if (p->n_symbols == 0) /* once, so that no run has to look at the CPU again */
        str_printf(out, "%sif (%s_model.select(NULL, &how.variant) != ADZE_OK) exit(1);\n", margin,
                   names->prefix);
    str_printf(out, "%sint code = %s_run(&how", margin, names->prefix);
    for (uint32_t i = 0; i < p->n_symbols; i++) str_printf(out, ", %lld", (long long)p->symbols[i].hi);
    for (uint32_t i = 0; i < p->n_ports; i++) str_printf(out, ", %s", names->port[i]);
    str_printf(out, ");\n");
    str_printf(out, "%sif (code != ADZE_OK) exit(code);\n", margin);
    str_printf(out, "%sfree(how.scratch);\n", margin);
}

static const char contract[] =
    "\n"
    "/* Runs the model once. `how` says the rest of what adze_model.h describes (scratch memory, pool, "
    "external\n"
    " * weights, variant; its port and symbols are not looked at); null stands for ADZE_CALL_INIT, which is "
    "enough\n"
    " * for a model without scratch memory and external weights.\n"
    " *\n"
    " * - Arrays are dense and row-major and hold as many elements as the shapes above say; each is aligned "
    "to its\n"
    " *   element type. Scratch memory and weights are aligned to ADZE_ALIGN.\n"
    " * - Inputs are only read. Outputs overlap nothing else unless the comment above allows it.\n"
    " * - Any number of threads may run the model at once, each with its own scratch memory and outputs.\n"
    " * - Nothing is allocated, and nothing is kept between runs: same inputs, same bytes.\n"
    " * - Returns ADZE_OK or an enum adze_error; then no output was written.\n"
    " *\n";

void header_print(const struct program *program, const char *prefix, uint64_t weights_bytes,
                  struct str *out) {
    struct names names = name_all(program, prefix);
    str_printf(out, "/* %s.h: the compiled model \"", prefix);
    comment(out, program->name);
    str_printf(out,
               "\". Written by adze. */\n#ifndef ADZE_MODEL_OF_%s_H\n#define ADZE_MODEL_OF_%s_H\n\n"
               "#include \"adze_model.h\"\n\n#ifdef __cplusplus\nextern \"C\" {\n#endif\n\n"
               "/* All that is known of the model: ports, metadata, the untyped calls. */\n"
               "extern const struct adze_model %s_model;\n",
               prefix, prefix, prefix);
    for (uint32_t i = 0; i < program->n_ports; i++) print_port(program, &names, i, out);
    print_sizes(program, &names, weights_bytes, out);
    str_add(out, contract);
    print_example(program, &names, weights_bytes != 0, out);
    str_add(out, " */\n");
    print_run(program, &names, out);
    str_add(out, "\n#ifdef __cplusplus\n}\n#endif\n\n#endif\n");
    free_names(program, &names);
}
