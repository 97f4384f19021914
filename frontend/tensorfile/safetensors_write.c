#include "frontend/tensorfile/json.h"
#include "frontend/tensorfile/safetensors.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define METADATA "__metadata__"
enum { DATA_ALIGN = 64, PREFIX = 8 };

static int by_width_then_name(const void *a, const void *b) {
    const struct named_tensor *x = *(const struct named_tensor *const *)a,
                              *y = *(const struct named_tensor *const *)b;
    size_t wx = elem_bytes(x->tensor.elem), wy = elem_bytes(y->tensor.elem);
    if (wx != wy) return wx > wy ? -1 : 1;
    return strcmp(x->name, y->name);
}

static void add_metadata(struct str *out, const struct text_pair *metadata, uint32_t count) {
    str_printf(out, "{\"" METADATA "\":{\"" SAFETENSORS_VERSION_KEY "\":\"%d\"", SAFETENSORS_VERSION);
    for (uint32_t i = 0; i < count; i++) {
        if (!strcmp(metadata[i].key, SAFETENSORS_VERSION_KEY)) continue;
        str_add_char(out, ',');
        json_add_string(out, metadata[i].key);
        str_add_char(out, ':');
        json_add_string(out, metadata[i].value);
    }
    str_add_char(out, '}');
}

static void add_entry(struct str *out, const struct named_tensor *named, uint64_t begin, uint64_t end) {
    const struct tensor *tensor = &named->tensor;
    str_add_char(out, ',');
    json_add_string(out, named->name);
    str_printf(out, ":{\"dtype\":\"%s\",\"shape\":[", file_elem_name(tensor->elem, FILE_FORMAT_SAFETENSORS));
    for (uint32_t i = 0; i < tensor->rank; i++) str_printf(out, "%s%" PRId64, i ? "," : "", tensor->dim[i]);
    str_printf(out, "],\"data_offsets\":[%" PRIu64 ",%" PRIu64 "]}", begin, end);
}

static void write_all(struct file_writer *to, const struct str *header,
                      const struct named_tensor *const *order, uint32_t count) {
    unsigned char prefix[PREFIX];
    for (int i = 0; i < PREFIX; i++) prefix[i] = (unsigned char)((uint64_t)header->length >> 8 * i);
    file_put(to, prefix, PREFIX);
    file_put(to, header->text, header->length);
    for (uint32_t i = 0; i < count; i++) file_put(to, order[i]->tensor.data, tensor_bytes(&order[i]->tensor));
}

enum status safetensors_write(const char *path, const struct named_tensor *tensors, uint32_t count,
                              const struct text_pair *metadata, uint32_t metadata_count, struct diag *diag) {
    for (uint32_t i = 0; i < count; i++)
        if (!strcmp(tensors[i].name, METADATA))
            return diag_error(diag, (struct loc){0},
                              "cannot write '%s': a tensor cannot be named " METADATA " in safetensors",
                              path);
    struct file_writer writer;
    TRY(file_create(path, FILE_MODE_DATA, diag, &writer));
    const struct named_tensor **order = xcalloc(count, sizeof *order);
    for (uint32_t i = 0; i < count; i++) order[i] = &tensors[i];
    if (count) qsort(order, count, sizeof *order, by_width_then_name);
    struct str header = {0};
    add_metadata(&header, metadata, metadata_count);
    uint64_t begin = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint64_t end = begin + tensor_bytes(&order[i]->tensor);
        add_entry(&header, order[i], begin, end);
        begin = end;
    }
    str_add_char(&header, '}');
    while ((PREFIX + header.length) % DATA_ALIGN) str_add_char(&header, ' ');
    write_all(&writer, &header, order, count);
    str_free(&header);
    free(order);
    return file_commit(&writer, diag);
}
