/* The ONNX importer: what the graph means, options, and files that are broken or lie. */
#include "frontend/onnx/import.h"

#include "ir/base/file.h"
#include "ir/interp.h"
#include "test/support/onnx_build.h"
#include "test/support/temporary.h"
#include "test/support/unit.h"

#include <stdlib.h>
#include <unistd.h>

enum { F32 = ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT, I64 = ONNX__TENSOR_PROTO__DATA_TYPE__INT64 };

static char folder[2048], path[4096];

static void save(struct onnx_builder *b) {
    struct diag diag = {0};
    size_t size;
    const unsigned char *bytes = onnx_bytes(b, &size);
    CHECK(file_write(path, bytes, size, &diag) == STATUS_OK);
    diag_free(&diag);
}

static struct module *import_with(const struct import_options *options, struct diag *diag) {
    struct module *m;
    enum status status = onnx_import(path, options, diag, &m);
    CHECK((status == STATUS_OK) == (m != NULL));
    CHECK((status == STATUS_OK) == (diag->errors == 0));
    return m;
}

static struct module *import(struct diag *diag) {
    static const struct import_options none;
    return import_with(&none, diag);
}

/* Saves, and expects a diagnostic that contains all of the words (which end with NULL). */
static void refused_with(struct onnx_builder *b, const struct import_options *options,
                         const char *const *words) {
    struct diag diag = {0};
    save(b);
    struct module *m = import_with(options, &diag);
    CHECK(!m);
    for (; *words; words++)
        if (!diag.list.count || !strstr(diag.list.at[0].text, *words)) {
            fprintf(stderr, "expected '%s', found '%s'\n", *words,
                    diag.list.count ? diag.list.at[0].text : "nothing");
            CHECK(!"the diagnostic says it");
        }
    module_free(m);
    diag_free(&diag);
    onnx_end(b);
}
#define REFUSED(b, ...)                                                                                      \
    refused_with(&(b), &(const struct import_options){0}, (const char *const[]){__VA_ARGS__, NULL})

/* Saves, imports, runs on `count` numbers as the one input (if it has one), and compares the first output. */
static void gives(struct onnx_builder *b, const struct import_options *options, const float *input,
                  const float *want, int64_t want_count) {
    struct diag diag = {0};
    struct interp_options interp = {0};
    struct tensor in = {0}, out[4] = {0};
    save(b);
    struct module *m = import_with(options, &diag);
    if (m && m->inputs.count) {
        struct type type = value_get(m, m->inputs.at[0])->type;
        in = tensor_new_of(&m->types, type);
        memcpy(in.data, input, tensor_bytes(&in));
    }
    if (CHECK(m) && CHECK(interp_run(m, &in, &interp, out, &diag) == STATUS_OK)) {
        CHECK(tensor_count(&out[0]) == want_count);
        for (int64_t i = 0; i < want_count && i < tensor_count(&out[0]); i++)
            CHECK(tensor_get_f64(&out[0], i) == (double)want[i]);
        for (uint32_t i = 0; i < m->outputs.count; i++) tensor_free(&out[i]);
    }
    diag_print(&diag, stderr);
    tensor_free(&in);
    module_free(m);
    diag_free(&diag);
    onnx_end(b);
}
#define GIVES(b, input, ...)                                                                                 \
    gives(&(b), &(const struct import_options){0}, input, (const float[]){__VA_ARGS__},                      \
          sizeof((const float[]){__VA_ARGS__}) / sizeof(float))

/* -- the graph -- */

static void unsorted_nodes_and_names(void) {
    struct onnx_builder b = onnx_begin(13);
    onnx_input(&b, "x=1", F32, "2");
    onnx_node(&b, "Neg", "a/b:\"c\"", "y");
    onnx_node(&b, "Add", "x=1 x=1", "a/b:\"c\"");
    onnx_node(&b, "Exp", "x=1", "unused");
    onnx_output(&b, "y");
    GIVES(b, ((const float[]){1, 2}), -2, -4);
}

/* An output may be an input, a constant, or an alias of a value that is used further. */
static void outputs_of_all_kinds(void) {
    struct onnx_builder b = onnx_begin(13);
    onnx_input(&b, "x", F32, "1");
    onnx_floats(&b, "c", "1", (const float[]){7});
    onnx_node(&b, "Identity", "x", "alias");
    onnx_node(&b, "Add", "alias c", "sum");
    onnx_output(&b, "alias");
    onnx_output(&b, "c");
    onnx_output(&b, "x");
    onnx_output(&b, "sum");
    GIVES(b, ((const float[]){3}), 3);
}

static void cycles_and_definitions(void) {
    struct onnx_builder b = onnx_begin(13);
    onnx_input(&b, "x", F32, "2");
    onnx_node(&b, "Add", "x loop", "sum");
    onnx_node(&b, "Tanh", "sum", "loop");
    onnx_node(&b, "Exp", "loop", "y");
    onnx_output(&b, "y");
    REFUSED(b, "cycle", "'sum'", "'loop'", "loop_node");

    b = onnx_begin(13);
    onnx_input(&b, "x", F32, "2");
    onnx_node(&b, "Add", "x self", "self");
    onnx_output(&b, "self");
    REFUSED(b, "cycle", "'self'");

    b = onnx_begin(13);
    onnx_node(&b, "Exp", "absent", "y");
    onnx_output(&b, "y");
    REFUSED(b, "'absent', which nothing defines");

    b = onnx_begin(13);
    onnx_input(&b, "x", F32, "2");
    onnx_node(&b, "Exp", "x", "y");
    onnx_node(&b, "Log", "x", "y");
    onnx_output(&b, "y");
    REFUSED(b, "'y' is defined twice");

    b = onnx_begin(13);
    onnx_node(&b, "Exp", "\x1b[2Jclear", "y");
    onnx_output(&b, "y");
    REFUSED(b, "'?[2Jclear', which nothing defines");

    b = onnx_begin(13);
    onnx_input(&b, "x", F32, "2");
    onnx_output(&b, "absent");
    REFUSED(b, "output 'absent' is defined by nothing");

    b = onnx_begin(13);
    onnx_input(&b, "x", F32, "2");
    REFUSED(b, "no outputs");
}

static void lists_all_that_is_not_supported(void) {
    struct onnx_builder b = onnx_begin(13);
    onnx_input(&b, "x", F32, "1 3 8 8");
    onnx_node(&b, "Frobnicate", "x", "a");
    onnx_node(&b, "Relu", "a", "b");
    onnx_node(&b, "Frobnicate", "b", "c");
    Onnx__NodeProto *odd = onnx_node(&b, "Custom", "x", "d");
    odd->domain = arena_strdup(&b.arena, "org.example");
    onnx_attr_int(&b, onnx_node(&b, "Relu", "x", "e"), "surprise", 1);
    onnx_node(&b, "Sum", "c d e", "y");
    onnx_output(&b, "y");
    REFUSED(b, "Frobnicate: 2 nodes, 'a_node', 'c_node'", "org.example.Custom: 1 node, 'd_node'",
            "Relu with the attribute surprise");
}

/* -- shapes -- */

/* Shape, Gather, Concat, Reshape with -1: folded with the batch left open. */
static struct onnx_builder flatten_by_shape(const char *dims) {
    struct onnx_builder b = onnx_begin(13);
    onnx_input(&b, "x", F32, dims);
    onnx_int64s(&b, "first", "0");
    onnx_int64s(&b, "rest", "-1");
    onnx_node(&b, "Shape", "x", "shape");
    onnx_node(&b, "Gather", "shape first", "batch");
    onnx_attr_int(&b, onnx_node(&b, "Concat", "batch rest", "target"), "axis", 0);
    onnx_node(&b, "Reshape", "x target", "y");
    onnx_output(&b, "y");
    return b;
}

static void symbolic_shapes(void) {
    struct diag diag = {0};
    struct onnx_builder b = flatten_by_shape("batch 2 ?");
    save(&b);
    struct module *m = import(&diag);
    if (CHECK(m)) {
        struct str text = {0};
        type_print(&m->types, value_get(m, m->outputs.at[0].value)->type, &text);
        CHECK_TEXT(str_text(&text), "f32[batch, 2 * \"x.2\"]");
        str_free(&text);
        CHECK(region_get(m, m->root)->ops.count == 1);
    }
    module_free(m);
    onnx_end(&b);
    diag_free(&diag);
}

static void options(void) {
    const struct import_shape shapes[] = {
        {"x", 3, {1, 2, 1}}, {"x", 2, {1, 2}}, {"z", 1, {1}}, {"x", 3, {1, 3, 1}}};
    const struct import_dim dims[] = {{"batch", 1}, {"x.2", 1}, {"absent", 1}, {"batch", 2}};
    float data[] = {5, 6};
    struct named_tensor binds[] = {{"x", {.elem = ELEM_f32, .rank = 3, .dim = {1, 2, 1}, .data = data}},
                                   {"x", {.elem = ELEM_i32, .rank = 3, .dim = {1, 2, 1}, .data = data}}};
    const float want[] = {5, 6};
    struct onnx_builder b = flatten_by_shape("batch 2 ?");
    gives(&b, &(const struct import_options){.shapes = shapes, .shape_count = 1}, data, want, 2);
    b = flatten_by_shape("batch 2 ?");
    gives(&b, &(const struct import_options){.dims = dims, .dim_count = 2}, data, want, 2);
    b = flatten_by_shape("batch 2 ?");
    gives(&b, &(const struct import_options){.binds = binds, .bind_count = 1}, NULL, want, 2);

    b = flatten_by_shape("batch 2 ?");
    refused_with(&b, &(const struct import_options){.shapes = shapes + 1, .shape_count = 1},
                 (const char *const[]){"--shape", "'x' has 3 dimensions, 2 are given", NULL});
    b = flatten_by_shape("batch 2 ?");
    refused_with(&b, &(const struct import_options){.shapes = shapes + 2, .shape_count = 1},
                 (const char *const[]){"no input named 'z'; it has 'x'", NULL});
    b = flatten_by_shape("batch 2 ?");
    refused_with(&b, &(const struct import_options){.shapes = shapes + 3, .shape_count = 1},
                 (const char *const[]){"dimension 1 of input 'x' is 2 in the file, 3 is given", NULL});
    b = flatten_by_shape("batch 2 ?");
    refused_with(&b, &(const struct import_options){.dims = dims + 2, .dim_count = 1},
                 (const char *const[]){"--dim", "'absent'", NULL});
    b = flatten_by_shape("batch 2 ?");
    refused_with(
        &b,
        &(const struct import_options){.dims = dims + 3, .dim_count = 1, .shapes = shapes, .shape_count = 1},
        (const char *const[]){"'batch' is to be 2 and 1 at once", NULL});
    b = flatten_by_shape("batch 2 ?");
    refused_with(&b, &(const struct import_options){.binds = binds + 1, .bind_count = 1},
                 (const char *const[]){"--bind", "is f32, the array is i32", NULL});
}

static void shapes_that_depend_on_data(void) {
    struct onnx_builder b = onnx_begin(13);
    onnx_input(&b, "x", F32, "2 2");
    onnx_input(&b, "target", I64, "2");
    onnx_node(&b, "Reshape", "x target", "y");
    onnx_output(&b, "y");
    REFUSED(b, "Reshape whose shape, input 1, depends on data", "'y_node'");

    b = onnx_begin(13);
    onnx_input(&b, "x", F32, "n");
    onnx_node(&b, "Shape", "x", "y");
    onnx_output(&b, "y");
    REFUSED(b, "output 'y' depends on a dimension without a size");
}

static void results_too_large(void) {
    struct onnx_builder b = onnx_begin(13);
    onnx_input(&b, "x", F32, "1");
    onnx_int64s(&b, "target", "1099511627776 1099511627776");
    onnx_node(&b, "Expand", "x target", "y");
    onnx_output(&b, "y");
    REFUSED(b, "more elements than fit into memory");

    b = onnx_begin(13);
    onnx_floats(&b, "c", "", (const float[]){1});
    onnx_int64s(&b, "target", "4611686018427387904 4");
    onnx_node(&b, "Expand", "c target", "y");
    onnx_output(&b, "y");
    REFUSED(b, "more elements than fit into memory");
}

/* -- values -- */

static void initializer_storage(void) {
    struct onnx_builder b = onnx_begin(13);
    static const unsigned char raw[] = {0, 0, 128, 63, 0, 0, 0, 64}; /* 1, 2 */
    Onnx__TensorProto *t = onnx_tensor(&b, "raw", F32, "2");
    t->has_raw_data = 1;
    t->raw_data = (ProtobufCBinaryData){sizeof raw, arena_copy(&b.arena, raw, sizeof raw)};
    t = onnx_tensor(&b, "half", ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT16, "2");
    t->n_int32_data = 2;
    t->int32_data = arena_copy(&b.arena, (const int32_t[]){0x3c00, 0xc000}, 8); /* 1, -2 */
    onnx_attr_int(&b, onnx_node(&b, "Cast", "half", "wide"), "to", F32);
    onnx_node(&b, "Add", "raw wide", "y");
    onnx_output(&b, "y");
    GIVES(b, NULL, 2, 0);

    b = onnx_begin(13);
    onnx_floats(&b, "w", "2", (const float[]){1, 2})->n_float_data = 1;
    onnx_output(&b, "w");
    REFUSED(b, "initializer 'w' has 1 values, its shape needs 2");

    b = onnx_begin(13);
    t = onnx_tensor(&b, "w", F32, "3");
    t->has_raw_data = 1;
    t->raw_data = (ProtobufCBinaryData){sizeof raw, arena_copy(&b.arena, raw, sizeof raw)};
    onnx_output(&b, "w");
    REFUSED(b, "'w' has 8 bytes of values, its type and shape need 12");

    b = onnx_begin(13);
    onnx_tensor(&b, "w", F32, "4294967296 4294967296 4294967296");
    onnx_output(&b, "w");
    REFUSED(b, "'w' has a shape that is negative or too large");

    b = onnx_begin(13);
    onnx_tensor(&b, "w", ONNX__TENSOR_PROTO__DATA_TYPE__STRING, "1");
    onnx_output(&b, "w");
    REFUSED(b, "'w' has the unsupported element type string");
}

static struct onnx_builder outside_model(const char *key, const char *value, const char *location) {
    struct onnx_builder b = onnx_begin(13);
    Onnx__TensorProto *t = onnx_tensor(&b, "w", F32, "2");
    if (location) onnx_outside(&b, t, "location", location);
    onnx_outside(&b, t, key, value);
    onnx_output(&b, "w");
    return b;
}

static void outside_refused(const char *key, const char *value, const char *location, const char *words) {
    struct onnx_builder b = outside_model(key, value, location);
    REFUSED(b, "'w'", words);
}

static void outside_data(void) {
    struct diag diag = {0};
    struct onnx_builder b = onnx_begin(13);
    char file[8192], target[8192];
    static const unsigned char bytes[] = {9, 0, 0, 128, 63, 0, 0, 0, 64, 9}; /* 1, 2 at offset 1 */
    snprintf(file, sizeof file, "%s/w.bin", folder);
    CHECK(file_write(file, bytes, sizeof bytes, &diag) == STATUS_OK);
    Onnx__TensorProto *t = onnx_tensor(&b, "w", F32, "2");
    onnx_outside(&b, t, "location", "w.bin");
    onnx_outside(&b, t, "offset", "1");
    onnx_outside(&b, t, "length", "8");
    onnx_output(&b, "w");
    GIVES(b, NULL, 1, 2);
    outside_refused("offset", "3", "w.bin", "needs 8 bytes at offset 3 of 'w.bin', which has 10");
    outside_refused("offset", "11", "w.bin", "at offset 11");
    outside_refused("offset", "18446744073709551615", "w.bin", "not a decimal number");
    outside_refused("offset", "-1", "w.bin", "not a decimal number");
    outside_refused("length", "4", "w.bin", "length of 4");
    outside_refused("offset", "0", NULL, "no location");
    outside_refused("offset", "0", "absent.bin", "cannot open its outside data 'absent.bin'");
    outside_refused("offset", "0", "../w.bin", "outside the model's folder");
    outside_refused("offset", "0", "a/../../w.bin", "outside the model's folder");
    outside_refused("offset", "0", "/dev/zero", "outside the model's folder");
    b = outside_model("offset", "0", ".");
    REFUSED(b, "cannot read", "directory");
    snprintf(target, sizeof target, "%s/link.bin", folder);
    CHECK(symlink("/dev/zero", target) == 0);
    outside_refused("offset", "0", "link.bin", "through a link");
    unlink(target);
    CHECK(symlink("w.bin", target) == 0);
    outside_refused("offset", "4", "link.bin", "needs 8 bytes at offset 4");
    unlink(target);
    unlink(file);
    diag_free(&diag);
}

/* -- parameters that moved from attributes to inputs -- */
static void attribute_or_input(void) {
    for (int64_t opset = 11; opset <= 13; opset += 2) {
        struct onnx_builder b = onnx_begin(opset);
        onnx_input(&b, "x", F32, "1 2");
        onnx_int64s(&b, "axes", "0");
        Onnx__NodeProto *squeeze = onnx_node(&b, "Squeeze", opset < 13 ? "x" : "x axes", "flat");
        if (opset < 13) onnx_attr_ints(&b, squeeze, "axes", "0");
        Onnx__NodeProto *sum = onnx_node(&b, "ReduceSum", opset < 13 ? "flat" : "flat axes", "y");
        if (opset < 13) onnx_attr_ints(&b, sum, "axes", "0");
        onnx_output(&b, "y");
        GIVES(b, ((const float[]){3, 4}), 7);
    }
}

/* -- bytes -- */

static void survives(const unsigned char *bytes, size_t size) {
    struct diag diag = {0};
    CHECK(file_write(path, bytes, size, &diag) == STATUS_OK);
    module_free(import(&diag));
    diag_free(&diag);
}

static void damaged_bytes(void) {
    struct onnx_builder b = flatten_by_shape("batch 2 3");
    onnx_floats(&b, "w", "3 2", (const float[]){1, 2, 3, 4, 5, 6});
    onnx_attr_int(&b, onnx_node(&b, "Gemm", "y w", "z"), "transB", 0);
    onnx_output(&b, "z");
    size_t size;
    const unsigned char *good = onnx_bytes(&b, &size);
    unsigned char *bytes = xmalloc(size);
    for (size_t i = 0; i < size; i++) {
        survives(good, i);
        for (int bit = 0; bit < 8; bit++) {
            memcpy(bytes, good, size);
            bytes[i] = (unsigned char)(bytes[i] ^ 1 << bit);
            survives(bytes, size);
        }
    }
    free(bytes);
    onnx_end(&b);
}

static void bytes_refused(const char *bytes, size_t size, const char *word) {
    struct diag diag = {0};
    CHECK(file_write(path, bytes, size, &diag) == STATUS_OK);
    CHECK(!import(&diag));
    if (!strstr(diag.list.at[0].text, word)) CHECK_TEXT(diag.list.at[0].text, word);
    diag_free(&diag);
}

/* A field 7 (graph), holding field 1 (node), holding field 5 (attribute), holding field 6 (graph), and so on.
 * Lengths are five bytes long, so that levels can be wrapped from the inside out into a buffer filled from
 * its end. */
static void nested(int levels) {
    static const unsigned char tags[] = {0x3a, 0x0a, 0x2a, 0x32};
    size_t size = (size_t)levels * 6, inside = 0;
    char *bytes = xmalloc(size);
    for (int level = levels; level-- > 0;) {
        char *p = bytes + level * 6;
        *p++ = (char)(level ? tags[1 + (level - 1) % 3] : tags[0]);
        for (int i = 0; i < 5; i++) *p++ = (char)((inside >> 7 * i & 0x7f) | (i < 4 ? 0x80 : 0));
        inside += 6;
    }
    bytes_refused(bytes, size, "nested too deeply");
    free(bytes);
}

static void hostile_bytes(void) {
    nested(100);
    nested(200000);
    bytes_refused("", 0, "no graph");
    bytes_refused("\x3a\x7f", 2, "a length that is more than there is");
    bytes_refused("\x3a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11, "a length that is more than there is");
    bytes_refused("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 12, "more than ten bytes");
    bytes_refused("\x3a\x00\x3a\x00", 4, "occurs again");
    bytes_refused("\x3b\x3c", 2, "an unknown kind of field");
    bytes_refused("\x00\x00", 2, "field number out of range");
    bytes_refused("\x12\x02\xff\xfe", 4, "not UTF-8");
    bytes_refused("\x12\x02"
                  "a\0",
                  4, "not UTF-8");
    bytes_refused("\x3d\x00\x00\x00\x00", 5, "another type");
    struct diag diag = {0};
    snprintf(path, sizeof path, "%s/absent.onnx", folder);
    CHECK(!import(&diag));
    CHECK(strstr(diag.list.at[0].text, "No such file") != NULL);
    diag_free(&diag);
}

int main(void) {
    struct temporary temporary = temporary_make();
    snprintf(folder, sizeof folder, "%s", temporary.folder);
    snprintf(path, sizeof path, "%s", temporary_path(&temporary, "model.onnx"));
    unsorted_nodes_and_names();
    outputs_of_all_kinds();
    cycles_and_definitions();
    lists_all_that_is_not_supported();
    symbolic_shapes();
    options();
    shapes_that_depend_on_data();
    results_too_large();
    initializer_storage();
    outside_data();
    attribute_or_input();
    damaged_bytes();
    hostile_bytes();
    temporary_remove(&temporary);
    CHECK(access(folder, F_OK) != 0);
    return unit_status();
}
