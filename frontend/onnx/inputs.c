#include "frontend/onnx/inputs.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Sizes that options give to symbols: name -> index into values. */
struct sizes {
    struct map names;
    VEC(int64_t) values;
};

static PRINTF_LIKE(2, 3) enum status fail(struct importer *im, const char *fmt, ...) {
    struct str text = {0};
    va_list args;
    va_start(args, fmt);
    str_vprintf(&text, fmt, args);
    va_end(args);
    diag_error(im->diag, im->model->loc, "%s", str_text(&text));
    str_free(&text);
    return STATUS_FAILED;
}

static enum status set_size(struct importer *im, struct sizes *sizes, const char *symbol, int64_t value) {
    bool is_new;
    uint32_t *index = map_put_str(&sizes->names, symbol, &is_new);
    if (is_new) {
        *index = sizes->values.count;
        *vec_push(&sizes->values) = value;
    }
    if (sizes->values.at[*index] == value) return STATUS_OK;
    return fail(im, "dimension '%s' is to be %" PRId64 " and %" PRId64 " at once", symbol,
                sizes->values.at[*index], value);
}

static bool is_initializer(const struct importer *im, const char *name) {
    const uint32_t *index = map_get_str(&im->names, name);
    return index && *index && item_get(im, (ref){*index})->kind == ITEM_CONSTANT;
}

static const Onnx__ValueInfoProto *find_input(const struct importer *im, const char *name) {
    for (size_t i = 0; i < im->graph->n_input; i++)
        if (!strcmp(onnx_text(im->graph->input[i]->name), name)) return im->graph->input[i];
    return NULL;
}

static const Onnx__TypeProto__Tensor *tensor_type(const Onnx__ValueInfoProto *info) {
    return info->type && info->type->value_case == ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE
               ? info->type->tensor_type
               : NULL;
}

/* The size and the symbol's name that the file declares; -1 and NULL for what it does not. "?" is no name. */
static void declared_dim(const Onnx__TensorShapeProto__Dimension *dim, int64_t *size, const char **symbol) {
    *size = -1;
    *symbol = NULL;
    if (dim->value_case == ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE && dim->dim_value >= 0)
        *size = dim->dim_value;
    if (dim->value_case == ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM && *dim->dim_param &&
        strcmp(dim->dim_param, "?"))
        *symbol = dim->dim_param;
}

/* -- options -- */

static enum status fail_no_input(struct importer *im, const char *option, const char *name) {
    enum { SHOWN = 8 };
    struct str have = {0};
    for (size_t i = 0; i < im->graph->n_input && i < SHOWN; i++)
        if (!is_initializer(im, onnx_text(im->graph->input[i]->name)))
            str_printf(&have, "%s'%s'", have.length ? ", " : "", onnx_text(im->graph->input[i]->name));
    fail(im, "%s: the model has no input named '%s'; it has %s%s", option, name,
         have.length ? str_text(&have) : "none", im->graph->n_input > SHOWN ? ", …" : "");
    str_free(&have);
    return STATUS_FAILED;
}

/* An option's shape against the declared one; sizes of named dimensions hold for the whole model. */
static enum status match_shape(struct importer *im, struct sizes *sizes, const char *option, const char *name,
                               uint32_t rank, const int64_t *dim) {
    const Onnx__ValueInfoProto *info = find_input(im, name);
    const Onnx__TypeProto__Tensor *type = info ? tensor_type(info) : NULL;
    if (!info) return fail_no_input(im, option, name);
    if (!type || !type->shape) return STATUS_OK;
    if (type->shape->n_dim != rank)
        return fail(im, "%s: input '%s' has %zu dimensions, %u are given", option, name, type->shape->n_dim,
                    rank);
    for (uint32_t i = 0; i < rank; i++) {
        int64_t size;
        const char *symbol;
        declared_dim(type->shape->dim[i], &size, &symbol);
        if (dim[i] < 0 || dim[i] > DIM_MAX)
            return fail(im, "%s: dimension %u of '%s' is %" PRId64 ", out of range", option, i, name, dim[i]);
        if (size >= 0 && size != dim[i])
            return fail(im, "%s: dimension %u of input '%s' is %" PRId64 " in the file, %" PRId64 " is given",
                        option, i, name, size, dim[i]);
        if (symbol) TRY(set_size(im, sizes, symbol, dim[i]));
    }
    return STATUS_OK;
}

/* Calls `visit` for each open dimension of the inputs; stops when it returns true, and returns that. */
static bool any_open_dim(const struct importer *im, const char *name,
                         bool (*visit)(const struct importer *, const char *input, uint32_t axis,
                                       const char *symbol, const char *name)) {
    for (size_t i = 0; i < im->graph->n_input; i++) {
        const Onnx__TypeProto__Tensor *type = tensor_type(im->graph->input[i]);
        for (uint32_t k = 0; type && type->shape && k < type->shape->n_dim; k++) {
            int64_t size;
            const char *symbol;
            declared_dim(type->shape->dim[k], &size, &symbol);
            if (size < 0 && visit(im, onnx_text(im->graph->input[i]->name), k, symbol, name)) return true;
        }
    }
    return false;
}

static bool is_declared(const struct importer *im, const char *input, uint32_t axis, const char *symbol,
                        const char *name) {
    (void)im, (void)input, (void)axis;
    return symbol && !strcmp(symbol, name);
}

/* The name of a dimension that the file leaves open: "image.2", with underscores if that is taken. */
static void add_own_name(const struct importer *im, const char *input, uint32_t axis, struct str *out) {
    str_printf(out, "%.200s.%u", input, axis);
    while (any_open_dim(im, str_text(out), is_declared)) str_add_char(out, '_');
}

static bool is_own(const struct importer *im, const char *input, uint32_t axis, const char *symbol,
                   const char *name) {
    struct str own = {0};
    add_own_name(im, input, axis, &own);
    bool same = !symbol && !strcmp(str_text(&own), name);
    str_free(&own);
    return same;
}

static enum status read_options(struct importer *im, struct sizes *sizes) {
    const struct import_options *o = im->options;
    enum status status = STATUS_OK;
    for (uint32_t i = 0; i < o->dim_count; i++) {
        if (!any_open_dim(im, o->dims[i].name, is_declared) && !any_open_dim(im, o->dims[i].name, is_own))
            status = fail(im, "--dim: no input has a dimension named '%s'", o->dims[i].name);
        else if (o->dims[i].value < 0 || o->dims[i].value > DIM_MAX)
            status = fail(im, "--dim: %s = %" PRId64 " is out of range", o->dims[i].name, o->dims[i].value);
        else if (set_size(im, sizes, o->dims[i].name, o->dims[i].value) != STATUS_OK)
            status = STATUS_FAILED;
    }
    for (uint32_t i = 0; i < o->shape_count; i++)
        if (match_shape(im, sizes, "--shape", o->shapes[i].name, o->shapes[i].rank, o->shapes[i].dim) !=
            STATUS_OK)
            status = STATUS_FAILED;
    for (uint32_t i = 0; i < o->bind_count; i++)
        if (match_shape(im, sizes, "--bind", o->binds[i].name, o->binds[i].tensor.rank,
                        o->binds[i].tensor.dim) != STATUS_OK)
            status = STATUS_FAILED;
    return status;
}

/* -- inputs -- */

/* Upper bound of the symbols of an input. It keeps the number of elements of a value in 64 bits: the bits
 * that channels and the like leave are shared among the open dimensions. */
static int64_t symbol_bound(const Onnx__TypeProto__Tensor *type) {
    enum { BITS = 48, MOST_BITS = 28 };
    uint32_t open = 1;
    for (size_t i = 0; type->shape && i < type->shape->n_dim; i++) {
        int64_t size;
        const char *symbol;
        declared_dim(type->shape->dim[i], &size, &symbol);
        open += i && size < 0;
    }
    return (int64_t)1 << (BITS / open < MOST_BITS ? BITS / open : MOST_BITS);
}

static enum status input_dim(struct importer *im, const struct sizes *sizes, const char *input, uint32_t axis,
                             const Onnx__TensorShapeProto__Dimension *declared,
                             const struct import_shape *fixed, int64_t bound, dim_id *out) {
    int64_t size;
    const char *symbol;
    struct str own = {0};
    declared_dim(declared, &size, &symbol);
    if (size < 0 && !symbol) add_own_name(im, input, axis, &own);
    const char *name = symbol ? symbol : str_text(&own);
    const uint32_t *index = map_get_str(&sizes->names, name);
    if (fixed) size = fixed->dim[axis];
    if (index && *name) size = sizes->values.at[*index];
    if (size <= DIM_MAX)
        *out = size >= 0 ? dim_const(&im->m->types, size) : dim_symbol(&im->m->types, name, 1, bound);
    str_free(&own);
    if (size > DIM_MAX)
        return fail(im, "input '%s': dimension %u is %" PRId64 ", too large", input, axis, size);
    return out->i ? STATUS_OK : fail(im, "input '%s': the name of dimension %u is too long", input, axis);
}

static const struct import_shape *fixed_shape(const struct importer *im, const char *name) {
    for (uint32_t i = 0; i < im->options->shape_count; i++)
        if (!strcmp(im->options->shapes[i].name, name)) return &im->options->shapes[i];
    return NULL;
}

static const struct tensor *bound_value(const struct importer *im, const char *name) {
    for (uint32_t i = 0; i < im->options->bind_count; i++)
        if (!strcmp(im->options->binds[i].name, name)) return &im->options->binds[i].tensor;
    return NULL;
}

static enum status input_shape(struct importer *im, const struct sizes *sizes, const char *name,
                               const Onnx__TypeProto__Tensor *type, dims_id *out) {
    dim_id dims[MAX_RANK];
    const struct import_shape *fixed = fixed_shape(im, name);
    if (!type->shape && !fixed)
        return fail(im, "input '%s' has no shape in the file; give it by --shape", name);
    size_t rank = type->shape ? type->shape->n_dim : fixed->rank;
    if (rank > MAX_RANK) return fail(im, "input '%s' has %zu dimensions, more than %d", name, rank, MAX_RANK);
    for (uint32_t i = 0; i < rank; i++) {
        if (type->shape)
            TRY(input_dim(im, sizes, name, i, type->shape->dim[i], fixed, symbol_bound(type), &dims[i]));
        else
            dims[i] = dim_const(&im->m->types, fixed->dim[i]);
    }
    *out = dims_make(&im->m->types, dims, (uint32_t)rank);
    return STATUS_OK;
}

static enum status add_input(struct importer *im, const struct sizes *sizes,
                             const Onnx__ValueInfoProto *info) {
    const char *name = onnx_text(info->name);
    const Onnx__TypeProto__Tensor *type = tensor_type(info);
    const struct tensor *bound = bound_value(im, name);
    char text[ONNX_ELEM_TEXT];
    if (!type) return fail(im, "input '%s' is no tensor", name);
    enum elem elem = onnx_elem(type->elem_type);
    if (!elem)
        return fail(im, "input '%s' has the unsupported element type %s", name,
                    onnx_elem_text(type->elem_type, text));
    if (bound && bound->elem != elem)
        return fail(im, "--bind: input '%s' is %s, the array is %s", name, elem_name(elem),
                    elem_name(bound->elem));
    ref r;
    if (bound) {
        r = ref_of_tensor(im, tensor_copy(bound));
    } else {
        dims_id shape;
        TRY(input_shape(im, sizes, name, type, &shape));
        r = ref_of_value(im, module_add_input(im->m, name, type_make(elem, shape), im->model->loc));
    }
    item_get(im, r)->name = name;
    *map_put_str(&im->names, name, NULL) = r.i;
    return STATUS_OK;
}

static void add_constant(struct importer *im, const char *name, struct tensor tensor, bool is_nibble) {
    ref r = ref_of_tensor(im, tensor);
    item_get(im, r)->name = name;
    item_get(im, r)->is_nibble = is_nibble;
    *map_put_str(&im->names, name, NULL) = r.i;
}

/* The values of one that nobody needs are not read, but it stays no input. */
static enum status add_initializer(struct importer *im, const char *name, const Onnx__TensorProto *dense,
                                   const Onnx__SparseTensorProto *sparse, const struct graph_order *order) {
    struct str what = {0};
    struct tensor tensor = {0};
    enum status status = STATUS_OK;
    str_printf(&what, "%sinitializer '%s'", sparse ? "sparse " : "", name);
    if (!map_get_str(&order->needed, name))
        tensor = tensor_new(ELEM_u8, 1, (const int64_t[]){0});
    else if (sparse)
        status = onnx_sparse_read(im->model, sparse, what.text, im->diag, &tensor);
    else
        status = onnx_tensor_read(im->model, dense, what.text, im->diag, &tensor);
    str_free(&what);
    TRY(status);
    add_constant(im, name, tensor, dense && onnx_nibble_elem(dense->data_type));
    return STATUS_OK;
}

enum status import_initializers(struct importer *im, const struct graph_order *order) {
    const Onnx__GraphProto *graph = im->graph;
    enum status status = STATUS_OK;
    for (size_t i = 0; i < graph->n_initializer; i++)
        if (add_initializer(im, onnx_text(graph->initializer[i]->name), graph->initializer[i], NULL, order) !=
            STATUS_OK)
            status = STATUS_FAILED;
    for (size_t i = 0; i < graph->n_sparse_initializer; i++) {
        const Onnx__SparseTensorProto *sparse = graph->sparse_initializer[i];
        if (add_initializer(im, onnx_sparse_name(sparse), NULL, sparse, order) != STATUS_OK)
            status = STATUS_FAILED;
    }
    return status;
}

enum status import_inputs(struct importer *im, const struct graph_order *order) {
    struct sizes sizes = {0};
    enum status status = import_initializers(im, order);
    if (read_options(im, &sizes) != STATUS_OK) status = STATUS_FAILED;
    for (size_t i = 0; status == STATUS_OK && i < im->graph->n_input; i++)
        if (!is_initializer(im, onnx_text(im->graph->input[i]->name)))
            status = add_input(im, &sizes, im->graph->input[i]);
    map_free(&sizes.names);
    vec_free(&sizes.values);
    return status;
}
