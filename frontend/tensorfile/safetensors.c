#include "frontend/tensorfile/safetensors.h"

#include "frontend/tensorfile/json.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* The format's own limit on the header is 100 MB. A tensor has 6 values and a few for its shape; this many
 * values take 256 MiB in cJSON. */
enum { LONGEST_HEADER = 100000000, MOST_VALUES = 1 << 22, DEEPEST = 3, PREFIX = 8 };

struct range {
    uint64_t begin, end;
    uint32_t index;
};

struct reader {
    struct safetensors *file;
    const unsigned char *data; /* after the header */
    uint64_t data_bytes;
    VEC(struct range) ranges; /* one for each tensor */
    struct loc loc;
    struct diag *diag;
};

static uint64_t read_u64(const unsigned char *p) {
    uint64_t v = 0;
    for (int i = 7; i >= 0; i--) v = v << 8 | p[i];
    return v;
}

static enum status read_metadata(struct reader *r, const cJSON *object) {
    struct safetensors *file = r->file;
    if (!cJSON_IsObject(object)) return diag_error(r->diag, r->loc, "__metadata__ is not an object");
    const cJSON *item;
    cJSON_ArrayForEach(item, object) {
        if (!cJSON_IsString(item))
            return diag_error(r->diag, r->loc, "metadata '%s' is not a string", item->string);
        bool is_new;
        uint32_t *index = map_put_str(&file->by_key, item->string, &is_new);
        if (!is_new) return diag_error(r->diag, r->loc, "metadata '%s' is given twice", item->string);
        *index = file->metadata.count;
        *vec_push(&file->metadata) = (struct text_pair){arena_strdup(&file->arena, item->string),
                                                        arena_strdup(&file->arena, item->valuestring)};
    }
    const char *version = safetensors_metadata(file, SAFETENSORS_VERSION_KEY);
    if (version && (strspn(version, "0123456789") != strlen(version) || !*version || strlen(version) > 6 ||
                    atoi(version) > SAFETENSORS_VERSION))
        return diag_error(r->diag, r->loc, "written for format version '%s'; this adze knows up to %d",
                          version, SAFETENSORS_VERSION);
    return STATUS_OK;
}

static enum status read_shape(struct reader *r, const cJSON *entry, const cJSON *shape, struct tensor *out) {
    if (!cJSON_IsArray(shape))
        return diag_error(r->diag, r->loc, "tensor '%s': shape is missing or no list", entry->string);
    const cJSON *item;
    cJSON_ArrayForEach(item, shape) {
        if (out->rank == MAX_RANK)
            return diag_error(r->diag, r->loc, "tensor '%s' has more than %d dimensions", entry->string,
                              MAX_RANK);
        if (!json_whole_number(item, &out->dim[out->rank++]))
            return diag_error(r->diag, r->loc, "tensor '%s': dimension %u is not a whole number below 2^53",
                              entry->string, out->rank - 1);
    }
    if (!tensor_shape_ok(out->elem, out->rank, out->dim))
        return diag_error(r->diag, r->loc, "tensor '%s': the shape's byte count overflows", entry->string);
    return STATUS_OK;
}

static enum status read_range(struct reader *r, const cJSON *entry, const cJSON *offsets, struct range *out) {
    int64_t begin, end;
    if (!cJSON_IsArray(offsets) || cJSON_GetArraySize(offsets) != 2 ||
        !json_whole_number(offsets->child, &begin) || !json_whole_number(offsets->child->next, &end))
        return diag_error(r->diag, r->loc, "tensor '%s': data_offsets are not two whole numbers",
                          entry->string);
    if (begin > end || (uint64_t)end > r->data_bytes)
        return diag_error(r->diag, r->loc,
                          "tensor '%s': data_offsets [%" PRId64 ", %" PRId64
                          "] do not lie in the file's %" PRIu64 " bytes of data",
                          entry->string, begin, end, r->data_bytes);
    *out = (struct range){(uint64_t)begin, (uint64_t)end, 0};
    return STATUS_OK;
}

/* Uses the mapping where its alignment allows, and a copy elsewhere. */
static void place(struct tensor *tensor, const unsigned char *bytes, size_t size) {
    if ((uintptr_t)bytes % elem_bytes(tensor->elem) == 0) {
        tensor->data = size ? (void *)(uintptr_t)bytes : NULL;
        return;
    }
    *tensor = tensor_new(tensor->elem, tensor->rank, tensor->dim);
    if (size) memcpy(tensor->data, bytes, size);
}

/* The members of an entry, each exactly once. */
static enum status find_members(struct reader *r, const cJSON *entry, const cJSON *member[3]) {
    static const char *const names[3] = {"dtype", "shape", "data_offsets"};
    if (!cJSON_IsObject(entry))
        return diag_error(r->diag, r->loc, "tensor '%s' is not an object", entry->string);
    const cJSON *item;
    cJSON_ArrayForEach(item, entry) {
        int i = 0;
        while (i < 3 && strcmp(item->string, names[i])) i++;
        if (i == 3 || member[i])
            return diag_error(r->diag, r->loc, "tensor '%s': %s member '%s'", entry->string,
                              i == 3 ? "unknown" : "repeated", item->string);
        member[i] = item;
    }
    return STATUS_OK;
}

static enum status read_tensor(struct reader *r, const cJSON *entry) {
    struct safetensors *file = r->file;
    const cJSON *member[3] = {0};
    TRY(find_members(r, entry, member));
    struct tensor tensor = {0};
    struct range range;
    if (!cJSON_IsString(member[0]))
        return diag_error(r->diag, r->loc, "tensor '%s': dtype is missing or no string", entry->string);
    tensor.elem = file_elem_by_name(member[0]->valuestring, FILE_FORMAT_SAFETENSORS);
    if (!tensor.elem)
        return diag_error(r->diag, r->loc, "tensor '%s' has the unsupported element type '%s'", entry->string,
                          member[0]->valuestring);
    TRY(read_shape(r, entry, member[1], &tensor));
    TRY(read_range(r, entry, member[2], &range));
    if (range.end - range.begin != tensor_bytes(&tensor))
        return diag_error(r->diag, r->loc,
                          "tensor '%s' has %" PRIu64 " bytes of data, its type and shape need %zu",
                          entry->string, range.end - range.begin, tensor_bytes(&tensor));
    const unsigned char *bytes = r->data + range.begin;
    if (tensor.elem == ELEM_bool && !file_bools_ok(bytes, range.end - range.begin))
        return diag_error(r->diag, r->loc, "tensor '%s' holds a bool that is neither 0 nor 1", entry->string);
    bool is_new;
    uint32_t *index = map_put_str(&file->by_name, entry->string, &is_new);
    if (!is_new) return diag_error(r->diag, r->loc, "tensor '%s' is given twice", entry->string);
    *index = range.index = file->tensors.count;
    *vec_push(&r->ranges) = range;
    place(&tensor, bytes, range.end - range.begin);
    *vec_push(&file->tensors) = (struct named_tensor){arena_strdup(&file->arena, entry->string), tensor};
    return STATUS_OK;
}

static int by_range(const void *a, const void *b) {
    const struct range *x = a, *y = b;
    if (x->begin != y->begin) return x->begin < y->begin ? -1 : 1;
    return (x->end > y->end) - (x->end < y->end);
}

/* The ranges, sorted, must follow each other without gap or overlap and fill the data. */
static enum status check_ranges(struct reader *r) {
    if (r->ranges.count) qsort(r->ranges.at, r->ranges.count, sizeof *r->ranges.at, by_range);
    uint64_t next = 0;
    for (uint32_t i = 0; i < r->ranges.count; i++) {
        const struct range *range = &r->ranges.at[i];
        if (range->begin != next)
            return diag_error(r->diag, r->loc, "the data of tensor '%s' %s",
                              r->file->tensors.at[range->index].name,
                              range->begin < next ? "overlaps that of another" : "follows a gap");
        next = range->end;
    }
    if (next != r->data_bytes)
        return diag_error(r->diag, r->loc, "%" PRIu64 " bytes at the end belong to no tensor",
                          r->data_bytes - next);
    return STATUS_OK;
}

static enum status read_header(struct reader *r, const cJSON *root) {
    if (!cJSON_IsObject(root)) return diag_error(r->diag, r->loc, "the header is not a JSON object");
    const cJSON *entry;
    bool metadata = false;
    cJSON_ArrayForEach(entry, root) {
        if (strcmp(entry->string, "__metadata__")) {
            TRY(read_tensor(r, entry));
            continue;
        }
        if (metadata) return diag_error(r->diag, r->loc, "__metadata__ is given twice");
        metadata = true;
        TRY(read_metadata(r, entry));
    }
    return check_ranges(r);
}

static enum status read_file(struct reader *r, const char *path) {
    TRY(file_open_view(path, r->diag, &r->file->file));
    const struct file_view *view = &r->file->file;
    if (view->size < PREFIX)
        return diag_error(r->diag, r->loc, "not a safetensors file: %zu bytes are too few", view->size);
    uint64_t length = read_u64(view->bytes);
    if (length > LONGEST_HEADER || length > view->size - PREFIX)
        return diag_error(r->diag, r->loc,
                          "not a safetensors file, or cut short: a header of %" PRIu64
                          " bytes is announced, the file has %zu",
                          length, view->size);
    r->data = view->bytes + PREFIX + length;
    r->data_bytes = view->size - PREFIX - length;
    cJSON *root;
    TRY(json_parse((const char *)view->bytes + PREFIX, length, (struct json_limits){DEEPEST, MOST_VALUES},
                   r->loc, r->diag, &root));
    enum status status = read_header(r, root);
    cJSON_Delete(root);
    return status;
}

enum status safetensors_open(const char *path, struct diag *diag, struct safetensors *out) {
    *out = (struct safetensors){0};
    struct reader r = {.file = out, .loc = {.file = diag_add_source(diag, path, NULL, 0)}, .diag = diag};
    enum status status = read_file(&r, path);
    vec_free(&r.ranges);
    if (status != STATUS_OK) safetensors_close(out);
    return status;
}

const struct tensor *safetensors_find(const struct safetensors *file, const char *name) {
    const uint32_t *index = map_get_str(&file->by_name, name);
    return index ? &file->tensors.at[*index].tensor : NULL;
}

const char *safetensors_metadata(const struct safetensors *file, const char *key) {
    const uint32_t *index = map_get_str(&file->by_key, key);
    return index ? file->metadata.at[*index].value : NULL;
}

void safetensors_close(struct safetensors *file) {
    for (uint32_t i = 0; i < file->tensors.count; i++) tensor_free(&file->tensors.at[i].tensor);
    vec_free(&file->tensors);
    vec_free(&file->metadata);
    map_free(&file->by_name);
    map_free(&file->by_key);
    arena_free(&file->arena);
    file_close_view(&file->file);
}
