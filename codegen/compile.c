#include "codegen/compile.h"

#include "codegen/emit.h"
#include "codegen/kernel.h"
#include "codegen/kernel_key.h"
#include "codegen/work.h"
#include "ir/print.h"
#include "runtime/include/adze_model.h"

#include <string.h>

static const uint32_t abi_elem[ELEM_COUNT] = {
    [ELEM_bool] = ADZE_BOOL, [ELEM_i8] = ADZE_I8,   [ELEM_i16] = ADZE_I16,   [ELEM_i32] = ADZE_I32,
    [ELEM_i64] = ADZE_I64,   [ELEM_u8] = ADZE_U8,   [ELEM_u16] = ADZE_U16,   [ELEM_u32] = ADZE_U32,
    [ELEM_u64] = ADZE_U64,   [ELEM_f16] = ADZE_F16, [ELEM_bf16] = ADZE_BF16, [ELEM_f32] = ADZE_F32,
    [ELEM_f64] = ADZE_F64,
};

enum { WEIGHT_ALIGN = 64 };

struct compiler {
    struct module *m;
    const struct emit_options *options;
    struct diag *diag;
    struct emit emit;
    struct arena arena; /* what the program description points to */
    struct map kernels; /* key -> index + 1 in made */
    VEC(struct kernel) made;
    VEC(struct program_step) steps;
    struct map packed; /* (constant, layout) -> index + 1 in places */
    VEC(uint64_t) places;
    unsigned char *weights;
    size_t weights_bytes, weights_room;
    uint64_t worker_scratch;
};

/* -- constants -- */
static uint64_t append_weights(struct compiler *c, const void *bytes, size_t count) {
    size_t at = (size_t)round_up((int64_t)c->weights_bytes, WEIGHT_ALIGN);
    if (at + count > c->weights_room) {
        c->weights_room = (at + count) * 3 / 2 + 4096;
        c->weights = xrealloc(c->weights, c->weights_room);
    }
    memset(c->weights + c->weights_bytes, 0, at - c->weights_bytes);
    if (count) memcpy(c->weights + at, bytes, count);
    c->weights_bytes = at + count;
    return at;
}

static uint64_t pack_constant(struct compiler *c, value_id constant, layout_id layout) {
    uint32_t key[2] = {constant.i, layout.i};
    bool is_new;
    uint32_t *slot = map_put(&c->packed, key, sizeof key, &is_new);
    if (!is_new) return c->places.at[*slot];
    const struct tensor *t = value_constant(c->m, constant);
    *slot = c->places.count;
    if (layout.i) {
        struct tensor stored = tensor_relayout(&c->m->types, t, layout);
        *vec_push(&c->places) = append_weights(c, stored.data, tensor_bytes(&stored));
        tensor_free(&stored);
    } else {
        *vec_push(&c->places) = append_weights(c, t->data, tensor_bytes(t));
    }
    return vec_last(&c->places);
}

/* Panels that are cut and coded alike give the same bytes. */
static uint64_t pack_coded(struct compiler *c, value_id constant, const struct panels *p) {
    struct {
        uint32_t constant, coding, nr, steps, per;
    } key = {constant.i, p->coding, p->nr, p->steps, p->per};
    bool is_new;
    uint32_t *slot = map_put(&c->packed, &key, sizeof key, &is_new);
    if (is_new) {
        *slot = c->places.count;
        struct tensor coded = panels_encode(p, value_constant(c->m, constant));
        *vec_push(&c->places) = append_weights(c, coded.data, tensor_bytes(&coded));
        tensor_free(&coded);
    }
    return c->places.at[*slot];
}

static const struct op *constant_relayout(const struct module *m, value_id v) {
    const struct value *value = value_get(m, v);
    if (value->kind != VALUE_RESULT) return NULL;
    const struct op *op = op_get(m, value->op);
    return op->kind == OP_relayout && value_constant(m, op->operand[0]) ? op : NULL;
}

/* What a value that is nothing but views of a plain constant stands for; 0 for others. */
static value_id viewed_constant(const struct module *m, value_id v) {
    while (value_get(m, v)->kind == VALUE_RESULT) {
        const struct op *op = op_get(m, value_get(m, v)->op);
        if (!(op_info(op->kind)->traits & TRAIT_VIEW) || value_get(m, v)->type.layout.i) return (value_id){0};
        v = op->operand[0];
    }
    return value_constant(m, v) && !value_get(m, v)->type.layout.i ? v : (value_id){0};
}

/* -- steps -- */
static struct program_operand operand_of(struct compiler *c, value_id v) {
    struct module *m = c->m;
    if (!v.i) return (struct program_operand){SPACE_NONE, 0, 0}; /* left out */
    if (value_constant(m, v))
        return (struct program_operand){SPACE_WEIGHTS, 0, pack_constant(c, v, (layout_id){0})};
    const struct op *relayout = constant_relayout(m, v);
    if (relayout)
        return (struct program_operand){SPACE_WEIGHTS, 0,
                                        pack_constant(c, relayout->operand[0], value_get(m, v)->type.layout)};
    struct place place = value_get(m, v)->place;
    switch (place.space) {
    case PLACE_INPUT:
        return (struct program_operand){SPACE_PORT, place.port, place.offset};
    case PLACE_OUTPUT:
        return (struct program_operand){SPACE_PORT, m->inputs.count + place.port, place.offset};
    case PLACE_SCRATCH:
        return (struct program_operand){SPACE_SCRATCH, 0, place.offset};
    default:
        break;
    }
    value_id constant = viewed_constant(m, v);
    if (!constant.i) bug("value %s has no place", value_get(m, v)->name);
    return (struct program_operand){SPACE_WEIGHTS, 0, pack_constant(c, constant, (layout_id){0})};
}

static bool same_place(const struct module *m, value_id a, value_id b) {
    struct place x = value_get(m, a)->place, y = value_get(m, b)->place;
    return x.space == y.space && x.port == y.port && x.offset == y.offset;
}

static bool computes_nothing(const struct module *m, const struct op *op) {
    if (op->kind == OP_relayout && value_constant(m, op->operand[0])) return true;
    bool empty = true;
    for (uint32_t i = 0; i < op->result_count; i++)
        empty = empty && type_count(&m->types, value_get(m, op->result[i])->type) == 0;
    if (empty) return true;
    return op_info(op->kind)->traits & TRAIT_VIEW && same_place(m, op->operand[0], op->result[0]);
}

static emit_fn *const emitters[] = {emit_contraction, emit_attention, emit_pointwise,
                                    emit_movement,    emit_reduction, emit_generic};

static bool has_contraction(const struct module *m, const struct op *op) {
    if (!op->body.i) return op_info(op->kind)->class == CLASS_CONTRACTION;
    const struct region *body = region_get(m, op->body);
    for (uint32_t i = 0; i < body->ops.count; i++)
        if (has_contraction(m, op_get(m, body->ops.at[i]))) return true;
    return false;
}

/* An operand that must be decoded where it is used: only kernels of coded panels do so. 0: none. */
static value_id quantized_operand(const struct module *m, const struct op *op) {
    value_id found = {0};
    for (uint32_t i = 0; i < op->operand_count && !found.i; i++)
        if (op->operand[i].i && value_get(m, op->operand[i])->type.quant.i &&
            op_operand_type(m, op, i).elem != value_get(m, op->operand[i])->type.elem &&
            !quant_get(&m->types, value_get(m, op->operand[i])->type.quant).literal)
            found = op->operand[i];
    if (!op->body.i) return found;
    const struct region *body = region_get(m, op->body);
    for (uint32_t i = 0; i < body->ops.count && !found.i; i++)
        found = quantized_operand(m, op_get(m, body->ops.at[i]));
    return found;
}

static enum status emit_kernel(struct compiler *c, op_id id, const char *symbol, struct kernel *out) {
    const struct op *op = op_get(c->m, id);
    const char *first_reason = NULL;
    value_id quantized = quantized_operand(c->m, op);
    for (uint32_t i = 0; i < COUNT_OF(emitters); i++) {
        const char *why_not = NULL;
        enum emit_result result = emitters[i](&c->emit, id, symbol, out, &why_not);
        if (result == EMIT_FAILED) return STATUS_FAILED;
        if (result == EMIT_DECLINED) {
            if (!first_reason) first_reason = why_not;
            continue;
        }
        if (quantized.i && out->panels.coding == PANELS_none)
            return diag_error(
                c->diag, op->loc,
                "%s: no kernel was chosen that decodes %s: the passes lower-quantized and assign "
                "come before code generation",
                op_info(op->kind)->name, value_get(c->m, quantized)->name);
        if (emitters[i] == emit_generic && has_contraction(c->m, op))
            diag_remark(c->diag, REMARK_MISSED, "codegen", value_get(c->m, op->result[0])->name,
                        "generic loops: %s", first_reason ? first_reason : "no kernel applies");
        return STATUS_OK;
    }
    return diag_error(c->diag, op->loc, "%s: no kernel can compute this: %s", op_info(op->kind)->name,
                      first_reason ? first_reason : "not supported");
}

static enum status kernel_for(struct compiler *c, op_id id, struct kernel *out) {
    struct str key = {0};
    kernel_key(c->m, id, &key);
    bool is_new;
    uint32_t *slot = map_put(&c->kernels, key.text, key.length, &is_new);
    uint64_t hash = hash_bytes(key.text, key.length, 0);
    str_free(&key);
    if (is_new) {
        *slot = c->made.count;
        char symbol[48];
        snprintf(symbol, sizeof symbol, "kernel_%016llx", (unsigned long long)hash);
        struct kernel made = {0};
        TRY(emit_kernel(c, id, symbol, &made));
        *vec_push(&c->made) = made;
    }
    *out = c->made.at[*slot];
    return STATUS_OK;
}

static enum status add_step(struct compiler *c, op_id id) {
    struct kernel kernel;
    TRY(kernel_for(c, id, &kernel));
    const struct op *op = op_get(c->m, id);
    uint32_t n = op->operand_count + op->result_count;
    struct program_operand *operands = arena_array(&c->arena, struct program_operand, n);
    for (uint32_t i = 0; i < op->operand_count; i++) {
        if (kernel.panels.coding != PANELS_none && i == kernel.coded_operand)
            operands[i] =
                (struct program_operand){SPACE_WEIGHTS, 0, pack_coded(c, op->operand[i], &kernel.panels)};
        else
            operands[i] = operand_of(c, op->operand[i]);
    }
    for (uint32_t i = 0; i < op->result_count; i++)
        operands[op->operand_count + i] = operand_of(c, op->result[i]);
    if (kernel.worker_scratch > c->worker_scratch) c->worker_scratch = kernel.worker_scratch;
    uint64_t operations = work_operations(c->m, op), bytes = work_bytes(c->m, op);
    *vec_push(&c->steps) = (struct program_step){
        .kernel = LLVMGetValueName2(kernel.function, &(size_t){0}),
        .name = value_get(c->m, op->result[0])->name,
        .operands = operands,
        .n_operands = n,
        .items = kernel.items,
        .grain = work_grain(c->options->target, operations, bytes, kernel.items),
        .operations = operations,
        .bytes = bytes,
    };
    return STATUS_OK;
}

/* -- the program -- */
static void fill_port(struct compiler *c, struct program_port *port, const char *name, struct type type,
                      bool is_output) {
    int64_t dims[MAX_RANK];
    check(type_static(&c->m->types, type, dims));
    uint32_t rank = type_rank(&c->m->types, type);
    *port = (struct program_port){.name = name,
                                  .is_output = is_output,
                                  .elem = abi_elem[type.elem],
                                  .rank = rank,
                                  .dims = arena_copy(&c->arena, dims, rank * sizeof *dims),
                                  .updates = -1};
}

static const struct program_port *make_ports(struct compiler *c) {
    const struct module *m = c->m;
    struct program_port *ports =
        arena_array(&c->arena, struct program_port, m->inputs.count + m->outputs.count);
    for (uint32_t i = 0; i < m->inputs.count; i++) {
        const struct value *v = value_get(m, m->inputs.at[i]);
        fill_port(c, &ports[i], v->name, v->type, false);
    }
    for (uint32_t i = 0; i < m->outputs.count; i++)
        fill_port(c, &ports[m->inputs.count + i], m->outputs.at[i].name,
                  value_get(m, m->outputs.at[i].value)->type, true);
    return ports;
}

/* The C names of the model follow the files' stem, which the user chose. */
static const char *program_name(const struct compiler *c) {
    const char *slash = strrchr(c->options->stem, '/'), *name = slash ? slash + 1 : c->options->stem;
    return strcmp(name, "-") && *name ? name : c->m->name;
}

static enum status finish(struct compiler *c) {
    struct module *m = c->m;
    struct str text = {0};
    print_module(m, &text);
    struct program_metadata *metadata = arena_array(&c->arena, struct program_metadata, m->metadata.count);
    for (uint32_t i = 0; i < m->metadata.count; i++)
        metadata[i] = (struct program_metadata){m->metadata.at[i].key, m->metadata.at[i].value};
    struct program_variant variant = {
        .target = c->options->target->name,
        .features = c->options->target->features,
        .scratch_bytes = m->scratch_bytes,
        .worker_scratch_bytes = (uint64_t)round_up((int64_t)c->worker_scratch, WEIGHT_ALIGN),
        .steps = c->steps.at,
        .n_steps = c->steps.count,
    };
    struct program program = {
        .name = program_name(c),
        .text = str_text(&text),
        .metadata = metadata,
        .n_metadata = m->metadata.count,
        .ports = make_ports(c),
        .n_ports = m->inputs.count + m->outputs.count,
        .variants = &variant,
        .n_variants = 1,
        .weights = c->weights,
        .weights_bytes = c->weights_bytes,
    };
    enum status status = codegen_emit(c->emit.module, &program, c->options, c->diag);
    str_free(&text);
    return status;
}

/* plan-memory gives every result of the root a place; a pipeline of the user's may lack it. */
static enum status check_places(const struct compiler *c) {
    const struct module *m = c->m;
    const struct region *root = region_get(m, m->root);
    for (uint32_t i = 0; i < root->ops.count; i++) {
        const struct op *op = op_get(m, root->ops.at[i]);
        const struct value *v = value_get(m, op->result[0]);
        if (v->place.space != PLACE_NONE || computes_nothing(m, op) || viewed_constant(m, op->result[0]).i)
            continue;
        return diag_error(c->diag, op->loc,
                          "value %s has no place: the pass plan-memory comes before code generation",
                          v->name);
    }
    return STATUS_OK;
}

static enum status compile(struct compiler *c) {
    const struct region *root = region_get(c->m, c->m->root);
    TRY(check_places(c));
    for (uint32_t i = 0; i < root->ops.count; i++)
        if (!computes_nothing(c->m, op_get(c->m, root->ops.at[i]))) TRY(add_step(c, root->ops.at[i]));
    return finish(c);
}

enum status codegen_compile(struct module *m, const struct emit_options *options, struct diag *diag) {
    struct compiler c = {.m = m, .options = options, .diag = diag};
    LLVMContextRef context = LLVMContextCreate();
    c.emit = (struct emit){
        .context = context,
        .module = LLVMModuleCreateWithNameInContext(m->name, context),
        .builder = LLVMCreateBuilderInContext(context),
        .target = options->target,
        .m = m,
        .diag = diag,
    };
    enum status status = compile(&c);
    LLVMDisposeBuilder(c.emit.builder);
    LLVMDisposeModule(c.emit.module);
    LLVMContextDispose(context);
    map_free(&c.emit.functions);
    arena_free(&c.arena);
    map_free(&c.kernels);
    map_free(&c.packed);
    vec_free(&c.made);
    vec_free(&c.steps);
    vec_free(&c.places);
    free(c.weights);
    return status;
}
