#include "test/support/op_samples.h"

#include "ir/interp.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern const struct op_sample op_samples_pointwise[], op_samples_contraction[], op_samples_pool[],
    op_samples_movement[], op_samples_reduction[];

static const struct op_sample *const families[] = {
    op_samples_pointwise, op_samples_contraction, op_samples_pool, op_samples_movement, op_samples_reduction};

const struct op_sample *op_sample_at(size_t i) {
    for (size_t f = 0; f < COUNT_OF(families); f++)
        for (const struct op_sample *s = families[f]; s->kind; s++)
            if (i-- == 0) return s;
    return NULL;
}

const char *op_sample_name(const struct op_sample *sample, char out[96]) {
    snprintf(out, 96, *sample->what ? "%s (%s)" : "%s", op_info(sample->kind)->name, sample->what);
    return out;
}

uint64_t sample_random(uint64_t *state) { /* splitmix64 */
    uint64_t z = *state += 0x9E3779B97F4A7C15u;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

static double uniform(uint64_t *state) {
    return (double)(sample_random(state) >> 11) / 9007199254740992.0;
}

static void set_any(const struct sample_operand *operand, struct tensor *t, int64_t i, uint64_t *state) {
    bool positive = operand->fill == FILL_POSITIVE || elem_kind(t->elem) == ELEM_KIND_UINT;
    if (operand->fill == FILL_INDEX) {
        tensor_set_i64(t, i,
                       (int64_t)(sample_random(state) % (uint64_t)(2 * operand->below)) - operand->below);
    } else if (t->elem == ELEM_bool) {
        tensor_set_i64(t, i, (int64_t)(sample_random(state) & 1));
    } else if (elem_is_int(t->elem)) {
        int64_t magnitude = 1 + (int64_t)(sample_random(state) % 9);
        tensor_set_i64(t, i, positive || sample_random(state) & 1 ? magnitude : -magnitude);
    } else {
        double magnitude = 0.5 + 1.5 * uniform(state);
        tensor_set_f64(t, i, positive || sample_random(state) & 1 ? magnitude : -magnitude);
    }
}

void sample_perturb(const struct sample_operand *operand, struct tensor *t, int64_t i, uint64_t seed) {
    uint64_t state = seed ^ (uint64_t)i * 0xD1B54A32D192ED03u;
    struct tensor old = tensor_scalar_f64(t->elem, 0);
    tensor_set_i64(&old, 0, 0);
    memcpy(old.data, (const char *)t->data + (size_t)i * elem_bytes(t->elem), elem_bytes(t->elem));
    for (int tries = 0; tries < 64; tries++) {
        set_any(operand, t, i, &state);
        if (memcmp(old.data, (const char *)t->data + (size_t)i * elem_bytes(t->elem), elem_bytes(t->elem)))
            break;
    }
    tensor_free(&old);
}

struct attr op_sample_attr(struct module *m, const struct op_sample *s, struct attr a) {
    enum attr_kind kind = attr_kind_of(a.name);
    if (kind == ATTR_KIND_DIMS) return attr_dims(a.name, dims_from_ints(&m->types, a.ints.at, a.ints.count));
    if (kind == ATTR_KIND_LAYOUT)
        return attr_layout(a.name,
                           layout_channel_blocked(&m->types, s->operand[0].rank, (uint32_t)a.ints.at[0]));
    return a;
}

static op_id add_op(struct builder *b, const struct op_sample *s, const value_id *operands, uint32_t count) {
    if (s->build) return s->build(b, operands);
    struct attr attrs[SAMPLE_ATTRS];
    uint32_t n = 0;
    for (; n < SAMPLE_ATTRS && s->attr[n].name; n++) attrs[n] = op_sample_attr(b->m, s, s->attr[n]);
    return build_op(b, s->kind, operands, count, attrs, n, NULL);
}

/* Outputs are stored plain. */
static value_id plain_value(struct builder *b, value_id v) {
    struct attr plain = attr_layout(ATTR_layout, (layout_id){0});
    return value_get(b->m, v)->type.layout.i ? build(b, OP_relayout, &v, 1, &plain, 1, NULL) : v;
}

struct op_instance op_instance_new(const struct op_sample *s, uint64_t seed) {
    struct op_instance instance = {.sample = s, .m = module_new("sample")};
    struct diag diag = {0};
    uint64_t state = seed;
    value_id operands[SAMPLE_OPERANDS] = {{0}};
    for (uint32_t i = 0; i < SAMPLE_OPERANDS; i++) {
        const struct sample_operand *o = &s->operand[i];
        if (o->elem == ELEM_NONE) continue;
        struct type type = type_make(o->elem, dims_from_ints(&instance.m->types, o->dim, o->rank));
        operands[i] = module_add_input(instance.m, "x", type, (struct loc){0});
        instance.in[i] = tensor_new(o->elem, o->rank, o->dim);
        instance.operands = i + 1;
        for (int64_t k = 0; k < tensor_count(&instance.in[i]); k++) set_any(o, &instance.in[i], k, &state);
    }
    struct builder b = builder_at_end(instance.m, instance.m->root, &diag);
    instance.op = add_op(&b, s, operands, instance.operands);
    if (!instance.op.i) {
        char name[96];
        fprintf(stderr, "sample %s is not valid:\n", op_sample_name(s, name));
        diag_print(&diag, stderr);
        exit(1);
    }
    uint32_t results = op_get(instance.m, instance.op)->result_count;
    for (uint32_t r = 0; r < results; r++) {
        char name[16];
        snprintf(name, sizeof name, "y%u", r);
        module_add_output(instance.m, name, plain_value(&b, op_get(instance.m, instance.op)->result[r]));
    }
    diag_free(&diag);
    return instance;
}

void op_instance_run(const struct op_instance *instance, const struct tensor *in, bool f64,
                     struct tensor *out) {
    struct diag diag = {0};
    const struct tensor *at[SAMPLE_OPERANDS];
    const struct op *op = op_get(instance->m, instance->op);
    for (uint32_t i = 0; i < SAMPLE_OPERANDS; i++) at[i] = in[i].elem == ELEM_NONE ? NULL : &in[i];
    if (interp_op(instance->m, op, at, f64, out, &diag) != STATUS_OK) {
        diag_print(&diag, stderr);
        exit(1);
    }
    diag_free(&diag);
}

uint32_t op_instance_extents(const struct op_instance *instance, uint32_t port, int64_t dim[MAX_RANK]) {
    const struct op *op = op_get(instance->m, instance->op);
    value_id v = port >= PORT_RESULT ? op->result[port - PORT_RESULT] : op->operand[port];
    struct type type = value_get(instance->m, v)->type;
    check(type_static(&instance->m->types, type, dim));
    return type_rank(&instance->m->types, type);
}

void op_instance_free(struct op_instance *instance) {
    for (uint32_t i = 0; i < SAMPLE_OPERANDS; i++) tensor_free(&instance->in[i]);
    module_free(instance->m);
}
