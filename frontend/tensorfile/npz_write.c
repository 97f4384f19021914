#include "frontend/tensorfile/npy.h"
#include "frontend/tensorfile/npz.h"

#include <stdlib.h>
#include <string.h>
#include <zip.h>

/* 1 January 1980, 0:00: the first date that zip can express. */
enum { DOS_TIME = 0, DOS_DATE = 0x21 };

/* libzip removes an archive without entries; this is what a zip with none looks like. */
static const unsigned char no_entries[22] = {'P', 'K', 5, 6};

/* Header and elements stay where they are until libzip writes the archive. */
static bool add_array(zip_t *zip, const struct named_tensor *array, const struct str *header,
                      struct str *name) {
    zip_buffer_fragment_t parts[2] = {{(zip_uint8_t *)header->text, header->length},
                                      {array->tensor.data, tensor_bytes(&array->tensor)}};
    zip_source_t *source = zip_source_buffer_fragment(zip, parts, parts[1].length ? 2 : 1, 0);
    if (!source) return false;
    str_printf(name, "%s.npy", array->name);
    zip_int64_t index = zip_file_add(zip, name->text, source, ZIP_FL_ENC_UTF_8);
    if (index < 0) {
        zip_source_free(source);
        return false;
    }
    return !zip_set_file_compression(zip, (zip_uint64_t)index, ZIP_CM_STORE, 0) &&
           !zip_file_set_dostime(zip, (zip_uint64_t)index, DOS_TIME, DOS_DATE, 0);
}

static enum status write_entries(zip_t *zip, const char *path, const struct named_tensor *arrays,
                                 uint32_t count, struct str *headers, struct diag *diag) {
    bool good = true;
    for (uint32_t i = 0; good && i < count; i++) {
        struct str name = {0};
        npy_add_header(&headers[i], &arrays[i].tensor);
        good = add_array(zip, &arrays[i], &headers[i], &name);
        str_free(&name);
    }
    if (good && !zip_close(zip)) return STATUS_OK;
    diag_error(diag, (struct loc){0}, "cannot write '%s': %s", path, zip_strerror(zip));
    zip_discard(zip);
    return STATUS_FAILED;
}

enum status npz_write(const char *path, const struct named_tensor *arrays, uint32_t count,
                      struct diag *diag) {
    if (!count) return file_write(path, no_entries, sizeof no_entries, diag);
    struct file_writer writer;
    TRY(file_create(path, FILE_MODE_DATA, diag, &writer));
    /* libzip replaces the temporary file, which then takes the name `path`. */
    int code = ZIP_ER_OPEN;
    zip_t *zip = writer.temporary ? zip_open(writer.temporary, ZIP_CREATE | ZIP_TRUNCATE, &code) : NULL;
    if (!zip) {
        file_abandon(&writer);
        return diag_error(diag, (struct loc){0}, "cannot write '%s': an archive needs a regular file", path);
    }
    struct str *headers = xcalloc(count, sizeof *headers);
    enum status status = write_entries(zip, path, arrays, count, headers, diag);
    for (uint32_t i = 0; i < count; i++) str_free(&headers[i]);
    free(headers);
    if (status == STATUS_OK) return file_commit(&writer, diag);
    file_abandon(&writer);
    return status;
}
