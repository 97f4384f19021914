#include "frontend/tensorfile/npz.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <zip.h>

struct npz {
    zip_t *zip;
    struct arena arena;
    VEC(struct entry {
        const char *name;
        uint64_t size; /* unpacked, as announced and found possible */
    })
    entries; /* index = that of libzip */
    struct map by_name;
    struct loc loc;
};

/* Deflate's densest code: one bit for a match of 258 bytes, after which the block overhead vanishes. */
enum { DENSEST = 1032, SLACK = 64 };

static enum status add_entry(struct npz *npz, uint64_t index, uint64_t archive_bytes, struct diag *diag) {
    zip_stat_t info;
    const char *name = zip_get_name(npz->zip, index, 0);
    if (!name || zip_stat_index(npz->zip, index, 0, &info))
        return diag_error(diag, npz->loc, "entry %" PRIu64 ": %s", index, zip_strerror(npz->zip));
    size_t length = strlen(name);
    if (!str_is_utf8(name, length))
        return diag_error(diag, npz->loc, "entry %" PRIu64 ": its name is not UTF-8", index);
    zip_uint64_t need = ZIP_STAT_SIZE | ZIP_STAT_COMP_SIZE | ZIP_STAT_COMP_METHOD;
    if ((info.valid & need) != need ||
        (info.comp_method != ZIP_CM_STORE && info.comp_method != ZIP_CM_DEFLATE))
        return diag_error(diag, npz->loc, "entry '%s' is neither stored nor deflated", name);
    if (info.comp_size > archive_bytes || info.size > info.comp_size * DENSEST + SLACK)
        return diag_error(diag, npz->loc,
                          "entry '%s' cannot be as large as announced: %" PRIu64 " bytes from %" PRIu64, name,
                          info.size, info.comp_size);
    if (length >= 4 && !strcmp(name + length - 4, ".npy")) length -= 4;
    bool is_new;
    uint32_t *slot = map_put(&npz->by_name, name, length, &is_new);
    if (!is_new) return diag_error(diag, npz->loc, "entry '%s' is there twice", name);
    *slot = (uint32_t)index;
    struct entry *entry = vec_push(&npz->entries);
    entry->name = arena_strndup(&npz->arena, name, length);
    entry->size = info.size;
    return STATUS_OK;
}

static enum status open_archive(struct npz *npz, const char *path, struct diag *diag) {
    struct file_view view; /* for the size, and for one wording of what cannot be opened */
    TRY(file_open_view(path, diag, &view));
    uint64_t bytes = view.size;
    file_close_view(&view);
    int code;
    npz->zip = zip_open(path, ZIP_RDONLY | ZIP_CHECKCONS, &code);
    if (!npz->zip) {
        zip_error_t error;
        zip_error_init_with_code(&error, code);
        diag_error(diag, npz->loc, "not a sound npz archive: %s", zip_error_strerror(&error));
        zip_error_fini(&error);
        return STATUS_FAILED;
    }
    int64_t count = zip_get_num_entries(npz->zip, 0);
    for (int64_t i = 0; i < count; i++) TRY(add_entry(npz, (uint64_t)i, bytes, diag));
    return STATUS_OK;
}

enum status npz_open(const char *path, struct diag *diag, struct npz **out) {
    struct npz *npz = xcalloc(1, sizeof *npz);
    npz->loc.file = diag_add_source(diag, path, NULL, 0);
    enum status status = open_archive(npz, path, diag);
    if (status != STATUS_OK) {
        npz_close(npz);
        npz = NULL;
    }
    *out = npz;
    return status;
}

uint32_t npz_count(const struct npz *npz) {
    return npz->entries.count;
}

const char *npz_name(const struct npz *npz, uint32_t index) {
    return npz->entries.at[index].name;
}

bool npz_find(const struct npz *npz, const char *name, uint32_t *out) {
    const uint32_t *index = map_get_str(&npz->by_name, name);
    if (index) *out = *index;
    return index != NULL;
}

static size_t read_entry(void *ctx, unsigned char *to, size_t size) {
    size_t done = 0;
    while (done < size) {
        zip_int64_t got = zip_fread(ctx, to + done, size - done);
        if (got <= 0) break;
        done += (size_t)got;
    }
    return done;
}

enum status npz_read(struct npz *npz, uint32_t index, struct diag *diag, struct tensor *out) {
    const struct entry *entry = &npz->entries.at[index];
    *out = (struct tensor){0};
    zip_file_t *file = zip_fopen_index(npz->zip, index, 0);
    if (!file) return diag_error(diag, npz->loc, "entry '%s': %s", entry->name, zip_strerror(npz->zip));
    struct str what = {0};
    str_printf(&what, "entry '%s': ", entry->name);
    struct npy_source source = {read_entry, file, entry->size};
    enum status status = npy_read_source(source, npz->loc, what.text, diag, out);
    zip_error_t *error = zip_file_get_error(file); /* a wrong checksum shows at the end */
    if (status == STATUS_OK && zip_error_code_zip(error)) {
        tensor_free(out);
        status = diag_error(diag, npz->loc, "entry '%s': %s", entry->name, zip_error_strerror(error));
    }
    zip_fclose(file);
    str_free(&what);
    return status;
}

enum status npz_source_open(struct npz *npz, uint32_t index, struct diag *diag, struct npy_source *out) {
    const struct entry *entry = &npz->entries.at[index];
    zip_file_t *file = zip_fopen_index(npz->zip, index, 0);
    *out = (struct npy_source){0};
    if (!file) return diag_error(diag, npz->loc, "entry '%s': %s", entry->name, zip_strerror(npz->zip));
    *out = (struct npy_source){read_entry, file, entry->size};
    return STATUS_OK;
}

void npz_source_close(struct npy_source *source) {
    if (source->ctx) zip_fclose(source->ctx);
    *source = (struct npy_source){0};
}

struct loc npz_loc(const struct npz *npz) {
    return npz->loc;
}

void npz_close(struct npz *npz) {
    if (!npz) return;
    if (npz->zip) zip_discard(npz->zip);
    vec_free(&npz->entries);
    map_free(&npz->by_name);
    arena_free(&npz->arena);
    free(npz);
}
