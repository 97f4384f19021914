/* The verifier finds each broken invariant that its file lists, in a small module that is in order but for
 * one change. */
#include "ir/verify.h"
#include "test/support/unit.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* x: f32[n, 4], q: i8[2] quant; w: f32[4]; sum = add(x, w); y = fuse(sum, w) { a = relu(u) b = mul(a, v) c =
 * add(b, 1.0) return c }; z = relu(y); outputs z and w. */
struct sample {
    struct module *m;
    value_id x, q, w, sum, y, z, a, b, one;
    op_id add, fuse, relu;
    region_id body;
};

static value_id two(struct builder *b, enum op_kind kind, value_id x, value_id y, const char *name) {
    return build(b, kind, (value_id[]){x, y}, 2, NULL, 0, name);
}

static struct sample sample_new(struct diag *diag) {
    struct sample s = {.m = module_new("sample")};
    struct module *m = s.m;
    struct types *types = &m->types;
    dim_id shape[2] = {dim_symbol(types, "n", 1, 8), dim_const(types, 4)};
    struct type quantized = type_make(ELEM_i8, dims_from_ints(types, (const int64_t[]){2}, 1));
    quantized.quant = quant_make(types, (struct quant){.axis = -1, .literal = true, .scale = 0.5, .zero = 3});
    s.x = module_add_input(m, "x", type_make(ELEM_f32, dims_make(types, shape, 2)), (struct loc){0});
    s.q = module_add_input(m, "q", quantized, (struct loc){0});
    struct tensor data = tensor_new(ELEM_f32, 1, (const int64_t[]){4});
    s.w = module_parameter(m, module_add_weight(m, "w", data, (struct loc){0}));
    struct builder b = builder_at_end(m, m->root, diag);
    s.sum = two(&b, OP_add, s.x, s.w, "sum");
    s.add = value_get(m, s.sum)->op;
    s.fuse = build_fuse_begin(&b, (value_id[]){s.sum, s.w}, 2);
    s.body = op_get(m, s.fuse)->body;
    struct builder in = builder_at_end(m, s.body, diag);
    s.one = module_literal_f32(m, 1);
    s.a = build(&in, OP_relu, &region_get(m, s.body)->args.at[0], 1, NULL, 0, "a");
    s.b = two(&in, OP_mul, s.a, region_get(m, s.body)->args.at[1], "b");
    *vec_push(&region_get(m, s.body)->results) = two(&in, OP_add, s.b, s.one, "c");
    CHECK(build_fuse_end(&b, s.fuse, (const char *const[]){"y"}) == STATUS_OK);
    s.y = op_get(m, s.fuse)->result[0];
    s.z = build(&b, OP_relu, &s.y, 1, NULL, 0, "z");
    s.relu = value_get(m, s.z)->op;
    module_add_output(m, "z", s.z);
    module_add_output(m, "w", s.w);
    return s;
}

static dims_id shape_of(struct sample *s, int64_t a, int64_t b) {
    return dims_from_ints(&s->m->types, (const int64_t[]){a, b}, 2);
}
static struct type *type_of(struct sample *s, value_id v) {
    return &value_get(s->m, v)->type;
}
static struct op *body_op(struct sample *s, uint32_t i) {
    return op_get(s->m, region_get(s->m, s->body)->ops.at[i]);
}

/* -- handles -- */
static void operand_out_of_range(struct sample *s) {
    op_get(s->m, s->add)->operand[0].i = 1000;
}
static void result_none(struct sample *s) {
    op_get(s->m, s->add)->result[0].i = 0;
}
static void op_region_out_of_range(struct sample *s) {
    op_get(s->m, s->add)->region.i = 99;
}
static void weight_out_of_range(struct sample *s) {
    value_get(s->m, s->w)->weight.i = 7;
}
static void value_region_none(struct sample *s) {
    value_get(s->m, s->sum)->region.i = 0;
}
static void value_op_out_of_range(struct sample *s) {
    value_get(s->m, s->sum)->op.i = 70;
}
static void output_none(struct sample *s) {
    s->m->outputs.at[0].value.i = 0;
}
static void input_out_of_range(struct sample *s) {
    s->m->inputs.at[0].i = 1u << 31;
}
static void listed_op_out_of_range(struct sample *s) {
    region_get(s->m, s->m->root)->ops.at[0].i = 55;
}
static void body_result_none(struct sample *s) {
    region_get(s->m, s->body)->results.at[0].i = 0;
}
static void root_missing(struct sample *s) {
    s->m->root.i = 0;
}
static void root_with_results(struct sample *s) {
    *vec_push(&region_get(s->m, s->m->root)->results) = s->z;
}
static void op_listed_twice(struct sample *s) {
    *vec_push(&region_get(s->m, s->m->root)->ops) = s->add;
}
static void op_not_listed(struct sample *s) {
    region_get(s->m, s->m->root)->ops.count--;
}
static void erased_op_listed(struct sample *s) {
    op_get(s->m, s->add)->erased = true;
}
static void op_in_other_region(struct sample *s) {
    op_get(s->m, s->add)->region = s->body;
}
static void body_of_nobody(struct sample *s) {
    module_add_region(s->m, s->add);
}
static void kind_unknown(struct sample *s) {
    op_get(s->m, s->add)->kind = OP_NONE;
}
static void fuse_without_body(struct sample *s) {
    op_get(s->m, s->fuse)->body.i = 0;
}
static void add_with_body(struct sample *s) {
    op_get(s->m, s->add)->body = s->body;
}
static void fuse_in_fuse(struct sample *s) {
    struct diag diag = {0};
    struct builder in = builder_at_end(s->m, s->body, &diag);
    op_id id = build_fuse_begin(&in, &s->a, 1);
    *vec_push(&region_get(s->m, op_get(s->m, id)->body)->results) =
        region_get(s->m, op_get(s->m, id)->body)->args.at[0];
    CHECK(build_fuse_end(&in, id, NULL) == STATUS_OK);
}
static void shape_out_of_range(struct sample *s) {
    type_of(s, s->sum)->shape.i = 1000;
}
static void layout_out_of_range(struct sample *s) {
    type_of(s, s->sum)->layout.i = 1000;
}
static void quant_out_of_range(struct sample *s) {
    type_of(s, s->sum)->quant.i = 1000;
}
static void sparse_out_of_range(struct sample *s) {
    type_of(s, s->w)->sparse.i = 1000;
}
static void dimension_none(struct sample *s) {
    dim_id dims[2] = {{0}, dim_const(&s->m->types, 4)};
    type_of(s, s->sum)->shape = dims_make(&s->m->types, dims, 2);
}

/* -- values -- */
static void input_not_listed(struct sample *s) {
    s->m->inputs.count--;
}
static void result_of_other_op(struct sample *s) {
    value_get(s->m, s->sum)->op = s->relu;
}
static void result_defined_twice(struct sample *s) {
    op_get(s->m, s->relu)->result[0] = s->sum;
}
static void argument_of_other_region(struct sample *s) {
    value_get(s->m, region_get(s->m, s->body)->args.at[0])->region = s->m->root;
}
static void kind_of_value_unknown(struct sample *s) {
    value_get(s->m, s->q)->kind = (enum value_kind)9;
}
static void use_before_definition(struct sample *s) {
    op_get(s->m, s->add)->operand[0] = s->z;
}
static void use_of_itself(struct sample *s) {
    op_get(s->m, s->relu)->operand[0] = s->z;
}
static void body_uses_before_definition(struct sample *s) {
    body_op(s, 0)->operand[0] = s->b;
}
static void body_sees_outside(struct sample *s) {
    body_op(s, 0)->operand[0] = s->sum;
}
static void body_sees_parameter(struct sample *s) {
    body_op(s, 1)->operand[1] = s->w;
}
static void body_returns_outside(struct sample *s) {
    region_get(s->m, s->body)->results.at[0] = s->sum;
}
static void root_sees_body(struct sample *s) {
    op_get(s->m, s->relu)->operand[0] = s->a;
}
static void name_taken(struct sample *s) {
    value_get(s->m, s->sum)->name = "x";
}
static void name_taken_in_body(struct sample *s) {
    value_get(s->m, s->a)->name = "b";
}
static void name_empty(struct sample *s) {
    value_get(s->m, s->sum)->name = "";
}
static void name_not_utf8(struct sample *s) {
    value_get(s->m, s->sum)->name = "a\xff";
}
static void weight_name_taken(struct sample *s) {
    weight_id v = module_add_weight(s->m, "v", tensor_new(ELEM_f32, 0, NULL), (struct loc){0});
    weight_get(s->m, v)->name = "w";
}
static void weight_of_other_shape(struct sample *s) {
    type_of(s, s->w)->shape = shape_of(s, 2, 2);
}
static void weight_of_other_type(struct sample *s) {
    weight_get(s->m, (weight_id){1})->tensor.elem = ELEM_f64;
}
static void literal_of_other_type(struct sample *s) {
    type_of(s, s->one)->elem = ELEM_i32;
}
static void literal_without_data(struct sample *s) {
    tensor_free(&value_get(s->m, s->one)->literal), value_get(s->m, s->one)->literal.elem = ELEM_f32;
}
static void scratch_too_small(struct sample *s) {
    value_get(s->m, s->q)->place = (struct place){PLACE_SCRATCH, 0, 3};
    s->m->scratch_bytes = 4;
}
static void place_at_no_input(struct sample *s) {
    value_get(s->m, s->x)->place = (struct place){PLACE_INPUT, 2, 0};
}
static void place_at_no_output(struct sample *s) {
    value_get(s->m, s->z)->place = (struct place){PLACE_OUTPUT, 2, 0};
}

/* -- types -- */
static void elem_unknown(struct sample *s) {
    type_of(s, s->q)->elem = ELEM_COUNT;
}
static void extent_negative(struct sample *s) {
    type_of(s, s->sum)->shape = shape_of(s, -2, 4);
}
static void size_overflows(struct sample *s) {
    type_of(s, s->sum)->shape = shape_of(s, INT64_MAX, INT64_MAX);
}
static void bounds_empty(struct sample *s) {
    dim_symbol(&s->m->types, "n", 20, 30);
}
static void layout_twice(struct sample *s) {
    struct layout layout = {3, {{0, false, 1}, {1, false, 1}, {1, false, 1}}};
    type_of(s, s->sum)->layout = layout_make(&s->m->types, &layout);
}
static void layout_of_other_rank(struct sample *s) {
    type_of(s, s->sum)->layout = layout_channel_blocked(&s->m->types, 4, 8);
}
static void spoil_quant(struct sample *s, struct quant q) {
    type_of(s, s->q)->quant = quant_make(&s->m->types, q);
}
static void quant_axis(struct sample *s) {
    spoil_quant(s, (struct quant){.axis = 1, .literal = true, .scale = 1});
}
static void quant_group(struct sample *s) {
    spoil_quant(s, (struct quant){.axis = -1, .group = -2, .literal = true, .scale = 1});
}
static void quant_scale(struct sample *s) {
    spoil_quant(s, (struct quant){.axis = -1, .literal = true, .scale = 0});
}
static void quant_scale_nan(struct sample *s) {
    spoil_quant(s, (struct quant){.axis = -1, .literal = true, .scale = (double)NAN});
}
static void quant_zero(struct sample *s) {
    spoil_quant(s, (struct quant){.axis = -1, .literal = true, .scale = 1, .zero = 128});
}
static void quant_missing(struct sample *s) {
    spoil_quant(s, (struct quant){.axis = -1});
}
static void quant_on_float(struct sample *s) {
    type_of(s, s->q)->elem = ELEM_f32;
}
static void sparse_input(struct sample *s) {
    type_of(s, s->x)->sparse = sparse_make(&s->m->types, (struct sparse){SPARSE_CSR, 0, 0});
}
static void spoil_sparse(struct sample *s, struct sparse sparse) {
    type_of(s, s->w)->sparse = sparse_make(&s->m->types, sparse);
}
static void sparse_rank(struct sample *s) {
    spoil_sparse(s, (struct sparse){SPARSE_CSR, 0, 0});
}
static void sparse_pattern(struct sample *s) {
    spoil_sparse(s, (struct sparse){SPARSE_NM, 5, 4});
}
static void sparse_block(struct sample *s) {
    spoil_sparse(s, (struct sparse){SPARSE_BLOCK, 4, 0});
}
static void sparse_unknown(struct sample *s) {
    spoil_sparse(s, (struct sparse){(enum sparse_kind)9, 4, 0});
}
static void input_with_layout(struct sample *s) {
    type_of(s, s->x)->layout = layout_channel_blocked(&s->m->types, 2, 2);
}

/* -- ops -- */
static struct attr *own_attrs(struct sample *s, op_id op) {
    uint32_t n = op_info_attrs(op_info(op_get(s->m, op)->kind));
    struct attr *attrs = arena_copy(&s->m->arena, op_get(s->m, op)->attr, n * sizeof *attrs);
    op_get(s->m, op)->attr = attrs;
    return attrs;
}
static op_id append(struct sample *s, enum op_kind kind, value_id x, const struct attr *attrs,
                    uint32_t count) {
    struct diag diag = {0};
    struct builder b = builder_at_end(s->m, s->m->root, &diag);
    op_id op = build_op(&b, kind, &x, 1, attrs, count, NULL);
    CHECK(op.i != 0);
    return op;
}
static void attr_of_other_name(struct sample *s) {
    struct attr to = attr_elem(ATTR_to, ELEM_i32);
    own_attrs(s, append(s, OP_cast, s->z, &to, 1))[0].name = ATTR_axis;
}
static void attr_none(struct sample *s) {
    op_get(s->m, append(s, OP_softmax, s->z, NULL, 0))->attr = NULL;
}
static void list_too_short(struct sample *s) {
    int64_t dims[] = {1, 1, 4};
    struct module *m = s->m;
    value_id i =
        module_add_input(m, "i", type_make(ELEM_f32, dims_from_ints(&m->types, dims, 3)), (struct loc){0});
    struct attr window = attr_ints(m, ATTR_window, (const int64_t[]){2}, 1);
    struct attr *attrs = own_attrs(s, append(s, OP_maxpool1d, i, &window, 1));
    attrs[2].ints.count = 1; /* pad */
}
static void keyword_unknown(struct sample *s) {
    own_attrs(s, append(s, OP_gelu, s->z, NULL, 0))[0].keyword = KEYWORD_COUNT;
}
static void elem_attr_unknown(struct sample *s) {
    struct attr to = attr_elem(ATTR_to, ELEM_i32);
    own_attrs(s, append(s, OP_cast, s->z, &to, 1))[0].elem = ELEM_COUNT;
}
static void float_nan(struct sample *s) {
    own_attrs(s, append(s, OP_elu, s->z, NULL, 0))[0].f = (double)NAN;
}
static void dims_attr_out_of_range(struct sample *s) {
    struct attr shape = attr_dims(ATTR_shape, type_of(s, s->z)->shape);
    own_attrs(s, append(s, OP_reshape, s->z, &shape, 1))[0].dims.i = 1000;
}
static void layout_attr_out_of_range(struct sample *s) {
    struct attr plain = attr_layout(ATTR_layout, (layout_id){0});
    own_attrs(s, append(s, OP_relayout, s->z, &plain, 1))[0].layout.i = 1000;
}
static void operand_missing(struct sample *s) {
    op_get(s->m, s->add)->operand_count = 1;
}
static void operand_left_out(struct sample *s) {
    op_get(s->m, s->add)->operand[1].i = 0;
}
static void operand_type(struct sample *s) {
    op_get(s->m, s->relu)->kind = OP_not;
}
static void argument_type(struct sample *s) {
    type_of(s, region_get(s->m, s->body)->args.at[0])->elem = ELEM_f64;
}
static void body_result_type(struct sample *s) {
    type_of(s, s->y)->elem = ELEM_f64;
}
static void body_argument_count(struct sample *s) {
    op_get(s->m, s->fuse)->operand_count = 1;
}
static const struct schedule schedule = {.mr = 4};
static void schedule_on_relu(struct sample *s) {
    op_get(s->m, s->relu)->schedule = &schedule;
}
static void schedule_in_body(struct sample *s) {
    body_op(s, 0)->schedule = &schedule;
}
static void result_type(struct sample *s) {
    type_of(s, s->z)->shape = shape_of(s, 4, 4);
}
static void result_count(struct sample *s) {
    struct attr attrs[] = {attr_int(ATTR_axis, 1), attr_ints(s->m, ATTR_sizes, (const int64_t[]){1, 3}, 2)};
    op_id split = append(s, OP_split, s->z, attrs, 2);
    value_get(s->m, op_get(s->m, split)->result[1])->kind = VALUE_LITERAL;
    value_get(s->m, op_get(s->m, split)->result[1])->literal = tensor_scalar_f64(ELEM_f32, 0);
    value_get(s->m, op_get(s->m, split)->result[1])->type = type_make(ELEM_f32, (dims_id){0});
    op_get(s->m, split)->result_count = 1;
}
static void relayout_elsewhere(struct sample *s) {
    struct attr blocked = attr_layout(ATTR_layout, layout_channel_blocked(&s->m->types, 2, 2));
    op_id op = append(s, OP_relayout, s->z, &blocked, 1);
    type_of(s, op_get(s->m, op)->result[0])->layout.i = 0;
}
static void layouts_mixed(struct sample *s) {
    type_of(s, s->sum)->layout = layout_channel_blocked(&s->m->types, 2, 2);
    type_of(s, region_get(s->m, s->body)->args.at[0])->layout = type_of(s, s->sum)->layout;
}

/* -- the module -- */
static void no_output(struct sample *s) {
    s->m->outputs.count = 0;
}
static void output_of_body(struct sample *s) {
    s->m->outputs.at[0].value = s->a;
}
static void outputs_of_one_name(struct sample *s) {
    s->m->outputs.at[0].name = "w";
}
static void output_without_name(struct sample *s) {
    s->m->outputs.at[0].name = "";
}
static void output_erased(struct sample *s) {
    module_erase_op(s->m, s->relu);
    module_compact(s->m);
}
static void output_with_layout(struct sample *s) {
    struct attr blocked = attr_layout(ATTR_layout, layout_channel_blocked(&s->m->types, 2, 2));
    s->m->outputs.at[0].value = op_get(s->m, append(s, OP_relayout, s->z, &blocked, 1))->result[0];
}
static void symbol_of_no_input(struct sample *s) {
    dim_id dims[2] = {dim_symbol(&s->m->types, "k", 1, 4), dim_const(&s->m->types, 4)};
    type_of(s, s->z)->shape = dims_make(&s->m->types, dims, 2);
}

static const struct {
    const char *invariant;
    void (*spoil)(struct sample *s);
    const char *words; /* of the error */
} cases[] = {
    {"handle 1", operand_out_of_range, "an operand has the handle 1000"},
    {"handle 1", result_none, "a result has the handle 0"},
    {"handle 1", op_region_out_of_range, "the region of an op has the handle 99"},
    {"handle 1", weight_out_of_range, "the weight of a parameter has the handle 7"},
    {"handle 1", value_region_none, "the region of a value has the handle 0"},
    {"handle 1", value_op_out_of_range, "the op of a result has the handle 70"},
    {"handle 1", output_none, "an output has the handle 0"},
    {"handle 1", input_out_of_range, "an input has the handle 2147483648"},
    {"handle 1", listed_op_out_of_range, "an op of a region has the handle 55"},
    {"handle 1", body_result_none, "a result of a region has the handle 0"},
    {"handle 2", root_missing, "the root has the handle 0"},
    {"handle 2", root_with_results, "the root has an owner, arguments or results"},
    {"handle 3", op_listed_twice, "lists an op that is erased, listed already"},
    {"handle 3", op_not_listed, "no region lists it"},
    {"handle 3", erased_op_listed, "lists an op that is erased"},
    {"handle 3", op_in_other_region, "lists an op that is erased, listed already, or in region"},
    {"handle 4", body_of_nobody, "is not the body of its owner"},
    {"handle 5", kind_unknown, "is of the kind 0, which does not exist"},
    {"handle 5", fuse_without_body, "fuse lacks a body"},
    {"handle 5", add_with_body, "add has a body"},
    {"handle 5", fuse_in_fuse, "a fuse stands in the body of another op"},
    {"type 1", shape_out_of_range, "the type of value sum has a part that does not exist"},
    {"type 1", layout_out_of_range, "the type of value sum has a part that does not exist"},
    {"type 1", quant_out_of_range, "the type of value sum has a part that does not exist"},
    {"type 1", sparse_out_of_range, "the type of value w has a part that does not exist"},
    {"type 1", dimension_none, "the type of value sum has a part that does not exist"},
    {"value 1", input_not_listed, "value q is not where its definition should be"},
    {"value 1", result_of_other_op, "value sum is not where its definition should be"},
    {"value 1", result_defined_twice, "value sum is defined twice"},
    {"value 1", argument_of_other_region, "is not where its definition should be"},
    {"value 1", kind_of_value_unknown, "value q is not where its definition should be"},
    {"value 2", use_before_definition, "sum = add: operand 0, z, is defined later"},
    {"value 2", use_of_itself, "z = relu: operand 0, z, is defined later"},
    {"value 2", body_uses_before_definition, "a = relu: operand 0, b, is defined later"},
    {"value 3", body_sees_outside, "operand 0, sum, is not a value of this body"},
    {"value 3", body_sees_parameter, "operand 1, w, is not a value of this body"},
    {"value 3", body_returns_outside, "a body returns sum, which is not a value of it"},
    {"value 4", root_sees_body, "operand 0, a, is not a value of this model"},
    {"value 5", name_taken, "the name x is taken by two values"},
    {"value 5", name_taken_in_body, "the name b is taken by two values"},
    {"value 5", name_empty, "a name is empty or not UTF-8"},
    {"value 5", name_not_utf8, "a name is empty or not UTF-8"},
    {"value 5", weight_name_taken, "the name w is taken by two values"},
    {"value 6", weight_of_other_shape, "parameter w does not have the type of its data"},
    {"value 6", weight_of_other_type, "parameter w does not have the type of its data"},
    {"value 6", literal_of_other_type, "does not have the type of its data"},
    {"value 6", literal_without_data, "has no data"},
    {"value 7", scratch_too_small, "value q was given memory that does not exist"},
    {"value 7", place_at_no_input, "value x was given memory that does not exist"},
    {"value 7", place_at_no_output, "value z was given memory that does not exist"},
    {"type 2", elem_unknown, "value q has an element type that does not exist"},
    {"type 3", extent_negative, "an extent is negative"},
    {"type 3", size_overflows, "the size is more than any machine has"},
    {"type 4", layout_twice, "the layout does not cover each dimension once"},
    {"type 4", layout_of_other_rank, "the layout does not cover each dimension once"},
    {"type 5", quant_axis, "the axis of quant is no dimension"},
    {"type 5", quant_group, "the group of quant is negative"},
    {"type 5", quant_scale, "the scale of quant is not positive and finite"},
    {"type 5", quant_scale_nan, "the scale of quant is not positive and finite"},
    {"type 5", quant_zero, "the zero of quant is no value of the type"},
    {"type 5", quant_missing, "the scale of quant is missing"},
    {"type 5", quant_on_float, "quant is for integers"},
    {"type 6", sparse_input, "only parameters are sparse"},
    {"type 6", sparse_rank, "sparse is for rank 2 or more"},
    {"type 6", sparse_pattern, "n of m needs 1 <= n <= m"},
    {"type 6", sparse_block, "a block has no elements"},
    {"type 6", sparse_unknown, "there is no such sparse format"},
    {"type 7", input_with_layout, "inputs are stored plain"},
    {"type 7", bounds_empty, "the bounds of a dimension hold no value"},
    {"op 1", attr_of_other_name, "attribute to is not in its place"},
    {"op 1", attr_none, "attribute axis is not in its place"},
    {"op 2", list_too_short, "attribute pad has 1 numbers, expected 2"},
    {"op 3", keyword_unknown, "attribute approximate is no keyword"},
    {"op 3", elem_attr_unknown, "attribute to is no element type"},
    {"op 3", float_nan, "attribute alpha is NaN"},
    {"op 3", dims_attr_out_of_range, "attribute shape has dimensions that do not exist"},
    {"op 3", layout_attr_out_of_range, "attribute layout is no layout"},
    {"op 4", operand_missing, "there are 1 operands, expected a, b"},
    {"op 4", operand_left_out, "operand b is left out"},
    {"op 5", operand_type, "operand 0 is f32, which the op does not take"},
    {"op 6", argument_type, "argument 0 of the body does not have the operand's type"},
    {"op 6", body_result_type, "result 0 does not have the type that the body returns"},
    {"op 6", body_argument_count, "the body takes 2 values and returns 1, the fuse has 1 operands"},
    {"op 7", schedule_on_relu, "there is a schedule on what is no kernel"},
    {"op 7", schedule_in_body, "there is a schedule on what is no kernel"},
    {"op 8", result_type, "result 0 has the type f32[4, 4], expected f32[n, 4]"},
    {"op 8", result_count, "there are 1 results, expected 2"},
    {"op 9", relayout_elsewhere, "the result is not in the layout that the op names"},
    {"op 9", layouts_mixed, "operand 0 is not in the layout of the result"},
    {"module 1", no_output, "the model has no output"},
    {"module 1", output_of_body, "output z is a, which is not a value of the model"},
    {"module 1", outputs_of_one_name, "two outputs have the name w"},
    {"module 1", output_without_name, "the name of output 0 is empty or not UTF-8"},
    {"module 1", output_erased, "output z is z, which is not a value of the model"},
    {"module 1", output_with_layout, "output z has a layout, expected a plain one"},
    {"module 2", symbol_of_no_input, "the type of z depends on k, which is no dimension of an input"},
};

static bool has_error(const struct diag *diag, const char *words) {
    for (uint32_t i = 0; i < diag->list.count; i++)
        if (strstr(diag->list.at[i].text, words)) return true;
    return false;
}

static void check_case(size_t i) {
    struct diag diag = {0};
    struct sample s = sample_new(&diag);
    CHECK(verify_module(s.m, true, &diag) == STATUS_OK);
    cases[i].spoil(&s);
    if (verify_module(s.m, true, &diag) == STATUS_OK || !has_error(&diag, cases[i].words)) {
        fprintf(stderr, "%s: no such error: %s\n", cases[i].invariant, cases[i].words);
        diag_print(&diag, stderr);
        unit_failures++;
    }
    diag_free(&diag);
    module_free(s.m);
}

/* Reports go on after the first error. */
static void check_all_are_reported(void) {
    struct diag diag = {0};
    struct sample s = sample_new(&diag);
    schedule_on_relu(&s);
    keyword_unknown(&s);
    symbol_of_no_input(&s);
    outputs_of_one_name(&s);
    CHECK(verify_module(s.m, false, &diag) == STATUS_FAILED);
    CHECK(diag.errors == 4);
    diag_free(&diag);
    module_free(s.m);
}

int main(void) {
    for (size_t i = 0; i < COUNT_OF(cases); i++) check_case(i);
    check_all_are_reported();
    return unit_status();
}
