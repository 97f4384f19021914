#include "frontend/onnx/onnx_model.h"

#include "frontend/onnx/functions.h"
#include "frontend/onnx/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char *folder_of(const char *path) {
    const char *slash = strrchr(path, '/');
    size_t length = !slash ? 1 : slash == path ? 1 : (size_t)(slash - path);
    char *folder = xmalloc(length + 1);
    memcpy(folder, slash ? path : ".", length);
    folder[length] = 0;
    return folder;
}

enum status onnx_model_load(const char *path, struct diag *diag, struct onnx_model **out) {
    struct file_view view;
    struct loc loc = {.file = diag_add_source(diag, path, NULL, 0)};
    *out = NULL;
    TRY(file_open_view(path, diag, &view));
    Onnx__ModelProto *proto = NULL;
    enum status status = wire_check(&onnx__model_proto__descriptor, view.bytes, view.size, loc, diag);
    if (status == STATUS_OK) {
        proto = onnx__model_proto__unpack(NULL, view.size, view.bytes);
        if (!proto)
            status =
                diag_error(diag, loc, "not a sound ONNX file: a field has another type than its number says");
    }
    file_close_view(&view);
    if (proto && !proto->graph) {
        onnx__model_proto__free_unpacked(proto, NULL);
        return diag_error(diag, loc, "not an ONNX model: it has no graph");
    }
    TRY(status);
    struct onnx_model *model = xcalloc(1, sizeof *model);
    model->proto = proto;
    model->folder = folder_of(path);
    model->loc = loc;
    status = functions_load(model, diag);
    if (status == STATUS_OK)
        *out = model;
    else
        onnx_model_free(model);
    return status;
}

void onnx_model_free(struct onnx_model *model) {
    if (!model) return;
    for (uint32_t i = 0; i < model->files.count; i++) file_close_view(&model->files.at[i]);
    vec_free(&model->files);
    map_free(&model->file_index);
    functions_free(model);
    onnx__model_proto__free_unpacked(model->proto, NULL);
    free(model->folder);
    free(model);
}

/* -- outside data -- */

struct outside {
    const char *location;
    uint64_t offset, length;
    bool has_length;
};

static bool parse_number(const char *text, uint64_t *out) {
    uint64_t value = 0;
    if (!*text || strlen(text) > 18) return false;
    for (; *text; text++) {
        if (*text < '0' || *text > '9') return false;
        value = value * 10 + (uint64_t)(*text - '0');
    }
    *out = value;
    return true;
}

static enum status parse_outside(struct onnx_model *model, const Onnx__TensorProto *proto, const char *what,
                                 struct diag *diag, struct outside *out) {
    *out = (struct outside){0};
    for (size_t i = 0; i < proto->n_external_data; i++) {
        const char *key = onnx_text(proto->external_data[i]->key),
                   *value = onnx_text(proto->external_data[i]->value);
        bool offset = !strcmp(key, "offset"), length = !strcmp(key, "length");
        if (!strcmp(key, "location")) out->location = value;
        if (length) out->has_length = true;
        if ((offset || length) && !parse_number(value, offset ? &out->offset : &out->length))
            return diag_error(diag, model->loc, "%s: the %s '%s' of its outside data is not a decimal number",
                              what, key, value);
    }
    if (out->location && *out->location) return STATUS_OK;
    return diag_error(diag, model->loc, "%s: its outside data has no location", what);
}

/* True if the path stays below where it starts: relative, and no component is "..". */
static bool stays_below(const char *path) {
    if (*path == '/') return false;
    for (const char *p = path; p; p = strchr(p, '/')) {
        p += *p == '/';
        if (!strncmp(p, "..", 2) && (p[2] == '/' || !p[2])) return false;
    }
    return true;
}

/* Opens the file if, links followed, it lies in the model's folder or below. */
static enum status open_inside(struct onnx_model *model, const char *location, const char *what,
                               struct diag *diag, struct file_view *out) {
    struct str path = {0};
    str_printf(&path, "%s/%s", model->folder, location);
    char *folder = realpath(model->folder, NULL), *file = realpath(path.text, NULL);
    int error = errno;
    size_t length = folder ? strlen(folder) : 0;
    bool inside = folder && file && !strncmp(file, folder, length) &&
                  (file[length] == '/' || !file[length] || !strcmp(folder, "/"));
    enum status status = STATUS_FAILED;
    if (!file) {
        diag_error(diag, model->loc, "%s: cannot open its outside data '%s': %s", what, location,
                   strerror(error));
    } else if (!inside) {
        diag_error(diag, model->loc, "%s: its outside data '%s' leaves the model's folder through a link",
                   what, location);
    } else {
        int descriptor = open(file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
        if (descriptor < 0)
            diag_error(diag, model->loc, "%s: cannot open its outside data '%s': %s", what, location,
                       strerror(errno));
        else
            status = file_view_of(descriptor, path.text, diag, out);
        if (descriptor >= 0 && status != STATUS_OK)
            diag_note(diag, model->loc, "it holds the data of %s", what);
        if (descriptor >= 0) close(descriptor);
    }
    free(folder);
    free(file);
    str_free(&path);
    return status;
}

static enum status outside_bytes(struct onnx_model *model, const Onnx__TensorProto *proto, const char *what,
                                 size_t need, struct diag *diag, const unsigned char **out) {
    struct outside where;
    TRY(parse_outside(model, proto, what, diag, &where));
    if (!stays_below(where.location))
        return diag_error(diag, model->loc, "%s: its outside data '%s' lies outside the model's folder", what,
                          where.location);
    const uint32_t *known = map_get_str(&model->file_index, where.location);
    if (!known) {
        struct file_view view;
        TRY(open_inside(model, where.location, what, diag, &view));
        *map_put_str(&model->file_index, where.location, NULL) = model->files.count;
        *vec_push(&model->files) = view;
        known = map_get_str(&model->file_index, where.location);
    }
    const struct file_view *view = &model->files.at[*known];
    uint64_t left = where.offset <= view->size ? view->size - where.offset : 0;
    if (where.has_length && where.length != need)
        return diag_error(diag, model->loc, "%s needs %zu bytes, its outside data has a length of %" PRIu64,
                          what, need, where.length);
    if (where.offset > view->size || need > left)
        return diag_error(diag, model->loc, "%s needs %zu bytes at offset %" PRIu64 " of '%s', which has %zu",
                          what, need, where.offset, where.location, view->size);
    *out = view->bytes + where.offset;
    return STATUS_OK;
}

/* -- values -- */

static const enum elem elem_of_type[] = {
    [ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT] = ELEM_f32,     [ONNX__TENSOR_PROTO__DATA_TYPE__UINT8] = ELEM_u8,
    [ONNX__TENSOR_PROTO__DATA_TYPE__INT8] = ELEM_i8,       [ONNX__TENSOR_PROTO__DATA_TYPE__UINT16] = ELEM_u16,
    [ONNX__TENSOR_PROTO__DATA_TYPE__INT16] = ELEM_i16,     [ONNX__TENSOR_PROTO__DATA_TYPE__INT32] = ELEM_i32,
    [ONNX__TENSOR_PROTO__DATA_TYPE__INT64] = ELEM_i64,     [ONNX__TENSOR_PROTO__DATA_TYPE__BOOL] = ELEM_bool,
    [ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT16] = ELEM_f16,   [ONNX__TENSOR_PROTO__DATA_TYPE__DOUBLE] = ELEM_f64,
    [ONNX__TENSOR_PROTO__DATA_TYPE__UINT32] = ELEM_u32,    [ONNX__TENSOR_PROTO__DATA_TYPE__UINT64] = ELEM_u64,
    [ONNX__TENSOR_PROTO__DATA_TYPE__BFLOAT16] = ELEM_bf16,
};

enum elem onnx_elem(int64_t data_type) {
    return data_type > 0 && (size_t)data_type < COUNT_OF(elem_of_type) ? elem_of_type[data_type] : ELEM_NONE;
}

/* Types that adze has none for, as ONNX numbers and names them: most are of later versions of the format than
 * protobuf-c's structures. */
enum { UINT4 = 21, INT4 = 22 };

static const char *const foreign_types[] = {
    [0] = "undefined",     [8] = "string",          [14] = "complex64",  [15] = "complex128",
    [17] = "float8e4m3fn", [18] = "float8e4m3fnuz", [19] = "float8e5m2", [20] = "float8e5m2fnuz",
    [UINT4] = "uint4",     [INT4] = "int4",         [23] = "float4e2m1", [24] = "float8e8m0",
    [25] = "uint2",        [26] = "int2",           [27] = "float6e2m3", [28] = "float6e3m2",
};

enum elem onnx_nibble_elem(int64_t data_type) {
    return data_type == UINT4 ? ELEM_u8 : data_type == INT4 ? ELEM_i8 : ELEM_NONE;
}

const char *onnx_elem_text(int64_t data_type, char out[ONNX_ELEM_TEXT]) {
    if (onnx_elem(data_type)) return elem_name(onnx_elem(data_type));
    if (data_type >= 0 && (size_t)data_type < COUNT_OF(foreign_types) && foreign_types[data_type])
        return foreign_types[data_type];
    snprintf(out, ONNX_ELEM_TEXT, "type %" PRId64, data_type);
    return out;
}

/* Copies `count` numbers of a typed list into elements of `width` bytes: the low bytes of each, little
 * endian, are the element, also for 16-bit floats, which int32_data holds as bit patterns. */
static void narrow(const void *from, size_t from_width, unsigned char *to, size_t width, size_t count) {
    for (size_t i = 0; i < count; i++)
        memcpy(to + i * width, (const unsigned char *)from + i * from_width, width);
}

struct list {
    const void *at;
    size_t count, width;
};

/* The typed list that holds values of an element type. */
static struct list list_of(const Onnx__TensorProto *p, enum elem elem) {
    switch (elem) {
    case ELEM_f32:
        return (struct list){p->float_data, p->n_float_data, 4};
    case ELEM_f64:
        return (struct list){p->double_data, p->n_double_data, 8};
    case ELEM_i64:
        return (struct list){p->int64_data, p->n_int64_data, 8};
    case ELEM_u32:
    case ELEM_u64:
        return (struct list){p->uint64_data, p->n_uint64_data, 8};
    default:
        return (struct list){p->int32_data, p->n_int32_data, 4};
    }
}

static enum status read_shape(const struct onnx_model *model, const Onnx__TensorProto *proto,
                              const char *what, struct diag *diag, struct tensor *out) {
    char text[ONNX_ELEM_TEXT];
    enum elem nibble = onnx_nibble_elem(proto->data_type);
    *out = (struct tensor){.elem = nibble ? nibble : onnx_elem(proto->data_type)};
    if (!out->elem)
        return diag_error(diag, model->loc, "%s has the unsupported element type %s", what,
                          onnx_elem_text(proto->data_type, text));
    if (proto->segment)
        return diag_error(diag, model->loc, "%s is stored in segments, which is not supported", what);
    if (proto->n_dims > MAX_RANK)
        return diag_error(diag, model->loc, "%s has %zu dimensions, more than %d", what, proto->n_dims,
                          MAX_RANK);
    out->rank = (uint32_t)proto->n_dims;
    for (size_t i = 0; i < proto->n_dims; i++) out->dim[i] = proto->dims[i];
    if (!tensor_shape_ok(out->elem, out->rank, out->dim))
        return diag_error(diag, model->loc, "%s has a shape that is negative or too large", what);
    return STATUS_OK;
}

static enum status from_list(const struct onnx_model *model, const Onnx__TensorProto *proto, const char *what,
                             struct diag *diag, struct tensor *out) {
    struct list list = list_of(proto, out->elem);
    size_t width = elem_bytes(out->elem), count = tensor_bytes(out) / width;
    if (list.count != count)
        return diag_error(diag, model->loc, "%s has %zu values, its shape needs %zu", what, list.count,
                          count);
    if (!count) return STATUS_OK;
    if (list.width == width) {
        out->data = (void *)(uintptr_t)list.at;
        return STATUS_OK;
    }
    *out = tensor_new(out->elem, out->rank, out->dim);
    narrow(list.at, list.width, out->data, width, count);
    return STATUS_OK;
}

static void from_bytes(const unsigned char *bytes, struct tensor *out) {
    size_t size = tensor_bytes(out);
    if (!size) return;
    if ((uintptr_t)bytes % elem_bytes(out->elem) == 0) {
        out->data = (void *)(uintptr_t)bytes;
    } else {
        *out = tensor_new(out->elem, out->rank, out->dim);
        memcpy(out->data, bytes, size);
    }
}

/* Two numbers a byte, the first one in its low half; of an odd count the last half is left over. */
static enum status from_nibbles(struct onnx_model *model, const Onnx__TensorProto *proto, const char *what,
                                struct diag *diag, struct tensor *out) {
    size_t count = tensor_bytes(out), need = count / 2 + count % 2;
    const unsigned char *bytes = proto->raw_data.data;
    bool is_raw = proto->has_raw_data && (proto->raw_data.len || !need);
    if (proto->data_location == ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL)
        TRY(outside_bytes(model, proto, what, need, diag, &bytes));
    else if (is_raw ? proto->raw_data.len != need : proto->n_int32_data != need)
        return diag_error(diag, model->loc, "%s has %zu bytes of values, its type and shape need %zu", what,
                          is_raw ? proto->raw_data.len : proto->n_int32_data, need);
    else if (!is_raw)
        bytes = NULL;
    *out = tensor_new(out->elem, out->rank, out->dim);
    for (size_t i = 0; i < count; i++) {
        uint32_t pair = bytes ? bytes[i / 2] : (uint32_t)proto->int32_data[i / 2];
        uint32_t half = pair >> (i % 2 * 4) & 15;
        ((uint8_t *)out->data)[i] = (uint8_t)(out->elem == ELEM_i8 && half > 7 ? half | 0xf0 : half);
    }
    return STATUS_OK;
}

enum status onnx_tensor_read(struct onnx_model *model, const Onnx__TensorProto *proto, const char *what,
                             struct diag *diag, struct tensor *out) {
    TRY(read_shape(model, proto, what, diag, out));
    if (onnx_nibble_elem(proto->data_type)) return from_nibbles(model, proto, what, diag, out);
    size_t need = tensor_bytes(out);
    if (proto->data_location == ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL) {
        const unsigned char *bytes = NULL;
        TRY(outside_bytes(model, proto, what, need, diag, &bytes));
        from_bytes(bytes, out);
    } else if (proto->has_raw_data && (proto->raw_data.len || !need)) {
        if (proto->raw_data.len != need)
            return diag_error(diag, model->loc, "%s has %zu bytes of values, its type and shape need %zu",
                              what, proto->raw_data.len, need);
        from_bytes(proto->raw_data.data, out);
    } else {
        TRY(from_list(model, proto, what, diag, out));
    }
    if (out->elem != ELEM_bool || !out->data) return STATUS_OK;
    /* Any byte but 0 is true to those who write such files; a bool of ours is 0 or 1. */
    struct tensor clean = tensor_new(ELEM_bool, out->rank, out->dim);
    for (size_t i = 0; i < need; i++) ((uint8_t *)clean.data)[i] = ((const uint8_t *)out->data)[i] != 0;
    tensor_free(out);
    *out = clean;
    return STATUS_OK;
}

/* -- sparse values: where they are, counted row by row, or by an index for each dimension -- */

static bool sparse_place(const struct tensor *indices, int64_t i, const struct tensor *dense,
                         int64_t *place) {
    bool flat = indices->rank == 1;
    int64_t count = tensor_count(dense);
    *place = 0;
    for (uint32_t k = 0; k < (flat ? 1 : dense->rank); k++) {
        int64_t at = tensor_get_i64(indices, flat ? i : i * dense->rank + k),
                extent = flat ? count : dense->dim[k];
        if (at < 0 || at >= extent) return false;
        *place = *place * extent + at;
    }
    return true;
}

static enum status spread_values(const struct onnx_model *model, const struct tensor *values,
                                 const struct tensor *indices, const char *what, struct diag *diag,
                                 struct tensor *out) {
    size_t width = elem_bytes(out->elem);
    int64_t count = tensor_count(values), place;
    bool flat = indices->rank == 1, by_axes = indices->rank == 2 && indices->dim[1] == out->rank;
    if (values->rank != 1 || indices->elem != ELEM_i64 || (!flat && !by_axes) || indices->dim[0] != count)
        return diag_error(diag, model->loc, "%s has values and indices that do not fit together", what);
    for (int64_t i = 0; i < count; i++) {
        if (!sparse_place(indices, i, out, &place))
            return diag_error(diag, model->loc, "%s has an index outside of its shape", what);
        memcpy((char *)out->data + (size_t)place * width, (const char *)values->data + (size_t)i * width,
               width);
    }
    return STATUS_OK;
}

enum status onnx_sparse_read(struct onnx_model *model, const Onnx__SparseTensorProto *proto, const char *what,
                             struct diag *diag, struct tensor *out) {
    struct tensor values = {0}, indices = {0};
    int64_t dim[MAX_RANK];
    if (!proto->values || !proto->indices)
        return diag_error(diag, model->loc, "%s has no values or no indices", what);
    TRY(onnx_tensor_read(model, proto->values, what, diag, &values));
    enum status status = onnx_tensor_read(model, proto->indices, what, diag, &indices);
    for (size_t i = 0; i < proto->n_dims && i < MAX_RANK; i++) dim[i] = proto->dims[i];
    if (status == STATUS_OK &&
        (proto->n_dims > MAX_RANK || !tensor_shape_ok(values.elem, (uint32_t)proto->n_dims, dim)))
        status = diag_error(diag, model->loc, "%s has a shape that is negative or too large", what);
    if (status == STATUS_OK) {
        *out = tensor_new(values.elem, (uint32_t)proto->n_dims, dim);
        status = spread_values(model, &values, &indices, what, diag, out);
        if (status != STATUS_OK) tensor_free(out);
    }
    tensor_free(&values);
    tensor_free(&indices);
    return status;
}
