/* The footprint of every op, checked by masking, over the whole op table: what lies outside the box of an
 * operand does not change the box of the result, and for most ops every face of the box does. */
#include "test/support/op_samples.h"
#include "test/support/unit.h"

#include <math.h>

static bool inside(const struct box *box, const int64_t *dim, int64_t i) {
    for (uint32_t d = box->rank; d-- > 0; i /= dim[d])
        if (i % dim[d] < box->lo[d] || i % dim[d] >= box->hi[d]) return false;
    return true;
}

static struct box random_box(const int64_t *dim, uint32_t rank, uint64_t *state) {
    struct box box = {.rank = rank};
    for (uint32_t d = 0; d < rank; d++) {
        if (!dim[d]) continue;
        box.lo[d] = (int64_t)(sample_random(state) % (uint64_t)dim[d]);
        box.hi[d] = box.lo[d] + 1 + (int64_t)(sample_random(state) % (uint64_t)(dim[d] - box.lo[d]));
    }
    return box;
}

struct probe {
    const struct op_instance *instance;
    uint32_t operand;
    struct box result, footprint;
    const struct tensor *base; /* the results of the sample as it is */
    uint64_t seed;
};

static bool same(const struct tensor *a, const struct tensor *b, int64_t i) {
    if (elem_is_int(a->elem)) return tensor_get_i64(a, i) == tensor_get_i64(b, i);
    double x = tensor_get_f64(a, i), y = tensor_get_f64(b, i);
    return x == y || (isnan(x) && isnan(y));
}

/* True if the result's box changes when the operand's elements inside (or, `outside`, not inside) a box do.
 */
static bool changes(const struct probe *p, const struct box *box, bool outside) {
    const struct op_instance *instance = p->instance;
    struct tensor in[SAMPLE_OPERANDS], out[MAX_RESULTS], *t = &in[p->operand];
    memcpy(in, instance->in, sizeof in);
    *t = tensor_copy(&instance->in[p->operand]);
    for (int64_t i = 0; i < tensor_count(t); i++)
        if (inside(box, t->dim, i) != outside)
            sample_perturb(&instance->sample->operand[p->operand], t, i, p->seed);
    op_instance_run(instance, in, false, out);
    bool changed = false;
    for (int64_t i = 0; i < tensor_count(&out[0]); i++)
        if (inside(&p->result, out[0].dim, i) && !same(&p->base[0], &out[0], i)) changed = true;
    for (uint32_t r = 0; r < op_get(instance->m, instance->op)->result_count; r++) tensor_free(&out[r]);
    tensor_free(t);
    return changed;
}

static bool check_in_range(const struct probe *p, const int64_t *dim, uint32_t rank) {
    const struct box *box = &p->footprint;
    bool ok = box->rank == rank;
    for (uint32_t d = 0; ok && d < rank; d++)
        ok = 0 <= box->lo[d] && box->lo[d] <= box->hi[d] && box->hi[d] <= dim[d];
    return ok;
}

static void report(const struct probe *p, const char *what) {
    char name[96];
    fprintf(stderr, "%s: operand %u: %s: result", op_sample_name(p->instance->sample, name), p->operand,
            what);
    for (uint32_t d = 0; d < p->result.rank; d++)
        fprintf(stderr, " %lld:%lld", (long long)p->result.lo[d], (long long)p->result.hi[d]);
    fprintf(stderr, ", footprint");
    for (uint32_t d = 0; d < p->footprint.rank; d++)
        fprintf(stderr, " %lld:%lld", (long long)p->footprint.lo[d], (long long)p->footprint.hi[d]);
    fprintf(stderr, "\n");
    unit_failures++;
}

/* Each first and last slice of the box counts: otherwise a smaller box would do. */
static void check_tight(const struct probe *p) {
    for (uint32_t d = 0; d < p->footprint.rank; d++)
        for (int last = 0; last < 2; last++) {
            struct box face = p->footprint;
            if (last)
                face.lo[d] = face.hi[d] - 1;
            else
                face.hi[d] = face.lo[d] + 1;
            if (!changes(p, &face, false)) report(p, "a face of the footprint is not needed");
        }
}

static bool is_tight(enum op_kind kind) {
    enum op_class class = op_info(kind)->class;
    return (class == CLASS_CONTRACTION && kind != OP_attention) || class == CLASS_MOVEMENT ||
           kind == OP_avgpool1d || kind == OP_avgpool2d || kind == OP_batchnorm;
}

static void check_sample(const struct op_sample *s) {
    struct op_instance instance = op_instance_new(s, 11);
    const struct op *op = op_get(instance.m, instance.op);
    struct tensor base[MAX_RESULTS];
    op_instance_run(&instance, instance.in, false, base);
    uint64_t state = 5;
    bool any_change = false;
    for (uint32_t operand = 0; operand < instance.operands; operand++) {
        if (instance.in[operand].elem == ELEM_NONE) continue;
        for (int tries = 0; tries < 24; tries++) {
            struct probe p = {&instance, operand, {0}, {0}, base, 17 + (uint64_t)tries};
            p.result =
                tries ? random_box(base[0].dim, base[0].rank, &state) : (struct box){.rank = base[0].rank};
            if (!tries) memcpy(p.result.hi, base[0].dim, sizeof base[0].dim);
            op_info(op->kind)->footprint(instance.m, op, operand, &p.result, &p.footprint);
            if (!check_in_range(&p, instance.in[operand].dim, instance.in[operand].rank)) {
                report(&p, "the footprint is not inside the operand");
                continue;
            }
            if (changes(&p, &p.footprint, true)) report(&p, "what is outside the footprint matters");
            bool empty = false;
            for (uint32_t d = 0; d < p.footprint.rank; d++)
                empty = empty || p.footprint.lo[d] == p.footprint.hi[d];
            if (empty) continue;
            if (changes(&p, &p.footprint, false)) any_change = true;
            if (is_tight(s->kind)) check_tight(&p);
        }
    }
    char name[96];
    if (!any_change) {
        fprintf(stderr, "%s: no operand changes the result\n", op_sample_name(s, name));
        unit_failures++;
    }
    for (uint32_t r = 0; r < op->result_count; r++) tensor_free(&base[r]);
    op_instance_free(&instance);
}

int main(void) {
    const struct op_sample *s;
    for (size_t i = 0; (s = op_sample_at(i)); i++) check_sample(s);
    return unit_status();
}
