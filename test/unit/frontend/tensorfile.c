/* The tensor file formats: round trips, files as others write them, and hostile files. */
#include "frontend/tensorfile/npy.h"
#include "frontend/tensorfile/npz.h"
#include "frontend/tensorfile/safetensors.h"
#include "test/support/temporary.h"
#include "test/support/unit.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zip.h>

#define EXPECT(cond, ...)                                                                                    \
    do {                                                                                                     \
        if (!(cond)) {                                                                                       \
            unit_fail(__FILE__, __LINE__, #cond);                                                            \
            fprintf(stderr, __VA_ARGS__);                                                                    \
            fputc('\n', stderr);                                                                             \
        }                                                                                                    \
    } while (0)

static char path[4096];

/* A reader under test: opens `path`, reads all of it, frees it. */
typedef enum status reader(struct diag *diag);

static enum status read_safetensors(struct diag *diag) {
    struct safetensors file;
    TRY(safetensors_open(path, diag, &file));
    safetensors_close(&file);
    return STATUS_OK;
}

static enum status read_npy(struct diag *diag) {
    struct tensor tensor;
    TRY(npy_read(path, diag, &tensor));
    tensor_free(&tensor);
    return STATUS_OK;
}

static enum status read_npz(struct diag *diag) {
    struct npz *npz;
    TRY(npz_open(path, diag, &npz));
    enum status status = STATUS_OK;
    for (uint32_t i = 0; i < npz_count(npz); i++) {
        struct tensor tensor;
        if (npz_read(npz, i, diag, &tensor) == STATUS_OK)
            tensor_free(&tensor);
        else
            status = STATUS_FAILED;
    }
    npz_close(npz);
    return status;
}

static void put(const void *bytes, size_t size) {
    FILE *f = fopen(path, "wb");
    if (!f || fwrite(bytes, 1, size, f) != size || fclose(f)) bug("cannot write %s", path);
}

static struct str get(void) {
    struct str bytes = {0};
    struct file_view view;
    struct diag diag = {0};
    if (file_open_view(path, &diag, &view) != STATUS_OK) bug("cannot read %s", path);
    str_add_bytes(&bytes, (const char *)view.bytes, view.size);
    file_close_view(&view);
    return bytes;
}

/* The file is refused, and the message contains `word`. */
static void refused(reader *read, const char *word) {
    struct diag diag = {0};
    enum status status = read(&diag);
    EXPECT(status == STATUS_FAILED, "expected an error about '%s'", word);
    EXPECT(diag.errors >= 1 && strstr(diag.list.at[0].text, word), "expected '%s', found '%s'", word,
           diag.errors ? diag.list.at[0].text : "no error");
    diag_free(&diag);
}

/* Whatever the bytes are, the reader comes back with a verdict that agrees with the diagnostics. */
static void survives(reader *read, const void *bytes, size_t size) {
    put(bytes, size);
    struct diag diag = {0};
    enum status status = read(&diag);
    EXPECT((status == STATUS_FAILED) == (diag.errors > 0), "status %d with %u errors", status, diag.errors);
    diag_free(&diag);
}

static uint32_t random_bits(uint32_t *state) {
    *state ^= *state << 13;
    *state ^= *state >> 17;
    return *state ^= *state << 5;
}

/* Truncations at every byte of the first and last `header` bytes, every bit of them flipped, and random
 * damage. */
static void torture(reader *read, size_t header) {
    struct str good = get();
    char *bytes = xmalloc(good.length);
    for (size_t i = 0; i < good.length; i++) {
        if (i > header && good.length - i > header) continue;
        survives(read, good.text, i);
        struct diag diag = {0};
        EXPECT(read(&diag) == STATUS_FAILED, "cut to %zu of %zu bytes, and accepted", i, good.length);
        diag_free(&diag);
        for (int bit = 0; bit < 8; bit++) {
            memcpy(bytes, good.text, good.length);
            bytes[i] = (char)(bytes[i] ^ 1 << bit);
            survives(read, bytes, good.length);
        }
    }
    uint32_t state = 1;
    for (int round = 0; round < 500; round++) {
        memcpy(bytes, good.text, good.length);
        for (uint32_t n = 1 + random_bits(&state) % 8; n--;)
            bytes[random_bits(&state) % good.length] = (char)random_bits(&state);
        survives(read, bytes, good.length);
    }
    free(bytes);
    put(good.text, good.length);
    str_free(&good);
}

/* -- round trips -- */

static struct tensor sample(enum elem elem, uint32_t rank, const int64_t *dim) {
    struct tensor t = tensor_new(elem, rank, dim);
    unsigned char *bytes = t.data;
    for (size_t i = 0; i < tensor_bytes(&t); i++)
        bytes[i] = (unsigned char)(elem == ELEM_bool ? i % 3 == 0 : i * 37 + 11);
    return t;
}

static const char *const odd_names[] = {"w", "a/b:c \"quoted\" \\", "имя", "", "x\ty"};

static uint32_t make_samples(struct named_tensor *out) {
    static const int64_t dims[][3] = {{3, 2, 5}, {1, 1, 1}, {4, 0, 2}};
    uint32_t count = 0;
    for (enum elem e = ELEM_NONE + 1; e < ELEM_COUNT; e++)
        for (uint32_t rank = 0; rank <= 3 && elem_in(e, ELEMS_ANY); rank++) {
            static char names[ELEM_COUNT * 4][64];
            snprintf(names[count], sizeof names[count], "%s-%s-%u", odd_names[count % COUNT_OF(odd_names)],
                     elem_name(e), rank);
            out[count] = (struct named_tensor){names[count], sample(e, rank, dims[(e + rank) % 3])};
            count++;
        }
    return count;
}

static void round_trips(void) {
    struct named_tensor samples[ELEM_COUNT * 4];
    uint32_t count = make_samples(samples);
    struct diag diag = {0};
    struct text_pair metadata[] = {{"alphabet", "a\nb\"c\x01"
                                                "д"},
                                   {"", ""}};
    EXPECT(safetensors_write(path, samples, count, metadata, 2, &diag) == STATUS_OK, "write");
    struct safetensors file;
    EXPECT(safetensors_open(path, &diag, &file) == STATUS_OK, "open");
    EXPECT(file.tensors.count == count, "%u tensors", file.tensors.count);
    for (uint32_t i = 0; i < count; i++) {
        const struct tensor *back = safetensors_find(&file, samples[i].name);
        EXPECT(back && tensor_equal(back, &samples[i].tensor), "safetensors '%s'", samples[i].name);
        EXPECT(back && !back->owned, "'%s' is not aligned in the file", samples[i].name);
    }
    for (int i = 0; i < 2; i++) {
        const char *value = safetensors_metadata(&file, metadata[i].key);
        EXPECT(value && !strcmp(value, metadata[i].value), "metadata '%s'", metadata[i].key);
    }
    EXPECT(!safetensors_find(&file, "absent") && !safetensors_metadata(&file, "absent"),
           "found what is not there");
    safetensors_close(&file);
    torture(read_safetensors, 160);

    EXPECT(npz_write(path, samples, count, &diag) == STATUS_OK, "write npz");
    struct str first = get();
    struct npz *npz = NULL;
    EXPECT(npz_open(path, &diag, &npz) == STATUS_OK && npz_count(npz) == count, "open npz");
    for (uint32_t i = 0; npz && i < count; i++) {
        struct tensor back;
        EXPECT(!strcmp(npz_name(npz, i), samples[i].name), "order: '%s'", npz_name(npz, i));
        EXPECT(npz_read(npz, i, &diag, &back) == STATUS_OK && tensor_equal(&back, &samples[i].tensor),
               "npz '%s'", samples[i].name);
        tensor_free(&back);
    }
    npz_close(npz);
    sleep(2); /* zip dates count in steps of two seconds */
    EXPECT(npz_write(path, samples, count, &diag) == STATUS_OK, "write npz again");
    struct str second = get();
    EXPECT(first.length == second.length && !memcmp(first.text, second.text, first.length),
           "not reproducible");
    str_free(&first);
    str_free(&second);
    EXPECT(npz_write(path, samples, 2, &diag) == STATUS_OK, "write a small npz");
    torture(read_npz, 160);
    EXPECT(npz_write(path, samples, 0, &diag) == STATUS_OK && read_npz(&diag) == STATUS_OK, "empty npz");

    for (uint32_t i = 0; i < count; i++) {
        struct tensor back;
        EXPECT(npy_write(path, &samples[i].tensor, &diag) == STATUS_OK, "write npy");
        EXPECT(npy_read(path, &diag, &back) == STATUS_OK && tensor_equal(&back, &samples[i].tensor),
               "npy '%s'", samples[i].name);
        tensor_free(&back);
    }
    torture(read_npy, 128);
    for (uint32_t i = 0; i < count; i++) tensor_free(&samples[i].tensor);
    EXPECT(diag.errors == 0, "%s", diag.list.at[0].text);
    diag_free(&diag);
}

/* -- npy as others write it -- */

static void put_npy(int version, const char *header, const void *data, size_t size) {
    struct str bytes = {0};
    size_t length = strlen(header);
    str_printf(&bytes, "\x93NUMPY%c", version);
    str_add_char(&bytes, 0);
    for (int i = 0; i < (version == 1 ? 2 : 4); i++) str_add_char(&bytes, (char)(length >> 8 * i));
    str_add(&bytes, header);
    if (size) str_add_bytes(&bytes, data, size);
    put(bytes.text, bytes.length);
    str_free(&bytes);
}

static void npy_reads(const char *header, int version, const void *data, size_t size, const char *want) {
    struct diag diag = {0};
    struct tensor t = {0};
    put_npy(version, header, data, size);
    EXPECT(npy_read(path, &diag, &t) == STATUS_OK, "%s: %s", header, diag.errors ? diag.list.at[0].text : "");
    struct str text = {0};
    str_printf(&text, "%s", elem_name(t.elem));
    for (uint32_t i = 0; i < t.rank; i++) str_printf(&text, " %" PRId64, t.dim[i]);
    str_add(&text, ":");
    for (int64_t i = 0; t.data && i < tensor_count(&t); i++) str_printf(&text, " %g", tensor_get_f64(&t, i));
    EXPECT(!strcmp(text.text, want), "%s reads as '%s'", header, text.text);
    str_free(&text);
    tensor_free(&t);
    diag_free(&diag);
}

static void npy_of_others(void) {
    static const unsigned char counting[24] = {0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11,
                                               12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23};
    npy_reads("{'descr': '|u1', 'fortran_order': False, 'shape': (2, 3), }   \n", 1, counting, 6,
              "u8 2 3: 0 1 2 3 4 5");
    npy_reads("{'descr': '|u1', 'fortran_order': True, 'shape': (2, 3), }\n", 2, counting, 6,
              "u8 2 3: 0 2 4 1 3 5");
    npy_reads("{\"shape\": (2, 2, 3), \"fortran_order\": True, \"descr\": \"<i1\"}", 3, counting, 12,
              "i8 2 2 3: 0 4 8 2 6 10 1 5 9 3 7 11");
    npy_reads("{'descr':'>i2','fortran_order':False,'shape':(2,)}", 1, counting, 4, "i16 2: 1 515");
    npy_reads("{'descr': '>f4', 'fortran_order': True, 'shape': ()}", 1, "\x3f\x80\0\0", 4, "f32: 1");
    npy_reads("{'descr': '>f8', 'fortran_order': True, 'shape': (1L, 1,)}", 1, "\x3f\xf0\0\0\0\0\0\0", 8,
              "f64 1 1: 1");
    npy_reads("{'descr': '<f2', 'fortran_order': False, 'shape': (1,)}", 1, "\0\x3c", 2, "f16 1: 1");
    npy_reads("{'descr': '|V2', 'fortran_order': False, 'shape': (1,)}", 1, "\x80\x3f", 2, "bf16 1: 1");
    npy_reads("{'descr': '|b1', 'fortran_order': False, 'shape': (3,)}", 1, "\1\0\1", 3, "bool 3: 1 0 1");
    npy_reads("{'descr': '<i8', 'fortran_order': False, 'shape': (0, 5)}", 1, "", 0, "i64 0 5:");
}

static void npy_refused(const char *header, size_t data, const char *word) {
    static const unsigned char twos[64] = {2, 2, 2, 2};
    put_npy(1, header, twos, data);
    refused(read_npy, word);
}

static void hostile_npy(void) {
    npy_refused("{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000,)}", 4,
                "needs 4000000000000 bytes");
    npy_refused("{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296)}", 4,
                "overflows");
    npy_refused("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,)}", 4,
                "whole numbers");
    npy_refused("{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}", 4, "whole numbers");
    npy_refused("{'descr': '<f4', 'fortran_order': False, 'shape': (1)}", 4, "a number, not a tuple");
    npy_refused("{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,1)}", 4,
                "more than 8 dimensions");
    npy_refused("{'descr': '<f4', 'fortran_order': False, 'shape': (1,)}", 5, "after the last element");
    npy_refused("{'descr': '<f4', 'fortran_order': False, 'shape': (2,)}", 4, "needs 8 bytes");
    npy_refused("{'descr': '|b1', 'fortran_order': False, 'shape': (1,)}", 1, "bool");
    npy_refused("{'descr': '<c8', 'fortran_order': False, 'shape': (1,)}", 8,
                "unsupported element type '<c8'");
    npy_refused("{'descr': '|O', 'fortran_order': False, 'shape': (1,)}", 8, "unsupported element type");
    npy_refused("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,)}", 4, "records");
    npy_refused("{'descr': '<f4', 'fortran_order': 1, 'shape': (1,)}", 4, "not a bool");
    npy_refused("{'descr': '<f4', 'shape': (1,)}", 4, "missing");
    npy_refused("{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (1,)}", 4, "repeated key");
    npy_refused("{'descr': '<f4', 'fortran_order': False, 'shape': (1,), 'x': 1}", 4, "unknown key");
    npy_refused("{'descr': '<f4', 'fortran_order': False, 'shape': (1,)} + 1", 4, "after the dict");
    npy_refused("((((((((((((", 4, "not a dict");
    put("\x93NUMPY\x04\0\0\0", 10);
    refused(read_npy, "version 4.0");
    put("\x93NUMPY\x02\0\xff\xff\xff\xff", 12);
    refused(read_npy, "too many");
    put("hello, world", 12);
    refused(read_npy, "not an npy file");
    put("", 0);
    refused(read_npy, "cut short");
}

/* -- safetensors -- */

static void st_refused(const char *header, size_t data, const char *word) {
    struct str bytes = {0};
    size_t length = strlen(header);
    for (int i = 0; i < 8; i++) str_add_char(&bytes, (char)((uint64_t)length >> 8 * i));
    str_add(&bytes, header);
    while (data--) str_add_char(&bytes, 2);
    put(bytes.text, bytes.length);
    if (word) {
        refused(read_safetensors, word);
    } else {
        struct diag diag = {0};
        EXPECT(read_safetensors(&diag) == STATUS_OK, "%s: %s", header, diag.list.at[0].text);
        diag_free(&diag);
    }
    str_free(&bytes);
}

static void repeated(const char *open, int times, const char *word) {
    struct str bomb = {0};
    str_add(&bomb, "{\"__metadata__\":");
    for (int i = 0; i < times; i++) str_add(&bomb, open);
    st_refused(bomb.text, 0, word);
    str_free(&bomb);
}

#define F32(shape, offsets) "{\"dtype\":\"F32\",\"shape\":" shape ",\"data_offsets\":" offsets "}"
static void hostile_safetensors(void) {
    st_refused("{}", 0, NULL);
    st_refused("{\"a\":" F32("[1]", "[0,4]") "}   ", 4, NULL);
    st_refused("{\"a\":" F32("[]", "[0,4]") ",\"b\":" F32("[0]", "[4,4]") "}", 4, NULL);
    st_refused("{\"a\":" F32("[1]", "[0,4]") ",\"a\":" F32("[1]", "[4,8]") "}", 8, "'a' is given twice");
    st_refused("{\"a\":" F32("[1]", "[0,4]") ",\"\\u0061\":" F32("[1]", "[4,8]") "}", 8, "given twice");
    st_refused("{\"a\":" F32("[1]", "[0,4]") ",\"b\":" F32("[1]", "[2,6]") "}", 8, "overlaps");
    st_refused("{\"a\":" F32("[1]", "[0,4]") ",\"b\":" F32("[1]", "[5,9]") "}", 9, "gap");
    st_refused("{\"a\":" F32("[1]", "[0,4]") "}", 5, "belong to no tensor");
    st_refused("{\"a\":" F32("[1]", "[0,8]") "}", 8, "need 4");
    st_refused("{\"a\":" F32("[2]", "[0,8]") "}", 4, "do not lie in");
    st_refused("{\"a\":" F32("[2]", "[8,0]") "}", 8, "do not lie in");
    st_refused("{\"a\":" F32("[2]", "[-8,0]") "}", 8, "two whole numbers");
    st_refused("{\"a\":" F32("[2]", "[0,8,8]") "}", 8, "two whole numbers");
    st_refused("{\"a\":" F32("[2]", "[0,18446744073709551615]") "}", 8, "two whole numbers");
    st_refused("{\"a\":" F32("[4294967296,4294967296]", "[0,0]") "}", 0, "overflows");
    st_refused("{\"a\":" F32("[4611686018427387904,4]", "[0,0]") "}", 0, "whole number");
    st_refused("{\"a\":" F32("[1.5]", "[0,4]") "}", 4, "whole number");
    st_refused("{\"a\":" F32("[1e999]", "[0,4]") "}", 4, "whole number");
    st_refused("{\"a\":" F32("[true]", "[0,4]") "}", 4, "whole number");
    st_refused("{\"a\":" F32("[1,1,1,1,1,1,1,1,1]", "[0,4]") "}", 4, "more than 8 dimensions");
    st_refused("{\"a\":{\"dtype\":\"F8_E4M3\",\"shape\":[1],\"data_offsets\":[0,1]}}", 1,
               "unsupported element type 'F8_E4M3'");
    st_refused("{\"a\":{\"dtype\":\"BOOL\",\"shape\":[1],\"data_offsets\":[0,1]}}", 1, "bool");
    st_refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[0]}}", 0, "two whole numbers");
    st_refused("{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F32\"}}", 0, "repeated member");
    st_refused("{\"a\":{\"dtype\":\"F32\",\"more\":1}}", 0, "unknown member");
    st_refused("{\"a\":3}", 0, "not an object");
    st_refused("[]", 0, "not a JSON object");
    st_refused("{\"a\":", 0, "unbalanced");
    st_refused("{\"a\" 1}", 0, "syntax error");
    st_refused("{} {}", 0, "syntax error");
    st_refused("{\"a\\u0000b\":1}", 0, "NUL");
    st_refused("{\"\xff\":1}", 0, "not UTF-8");
    st_refused("{\"__metadata__\":{\"a\":1}}", 0, "'a' is not a string");
    st_refused("{\"__metadata__\":{\"a\":\"\",\"a\":\"\"}}", 0, "given twice");
    st_refused("{\"__metadata__\":{},\"__metadata__\":{}}", 0, "given twice");
    st_refused("{\"__metadata__\":{\"adze_format\":\"2\"}}", 0, "knows up to 1");
    repeated("[", 1000000, "too deeply nested");
    repeated("{\"a\":", 1000000, "too deeply nested");
    repeated("1,", 5000000, "too many values");
    put("\xff\xff\xff\xff\xff\xff\xff\xff{}", 10);
    refused(read_safetensors, "is announced");
    put("\0\0\0", 3);
    refused(read_safetensors, "too few");
}

/* An odd header length moves the data off its alignment; values must come out all the same. */
static void misaligned_safetensors(void) {
    put("\x36\0\0\0\0\0\0\0{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}"
        "\0\0\x80\x3f\0\0\0\x40",
        70);
    struct diag diag = {0};
    struct safetensors file;
    EXPECT(safetensors_open(path, &diag, &file) == STATUS_OK, "%s", diag.list.at[0].text);
    const struct tensor *a = safetensors_find(&file, "a");
    EXPECT(a && tensor_get_f64(a, 0) == 1 && tensor_get_f64(a, 1) == 2, "values");
    safetensors_close(&file);
    diag_free(&diag);
}

/* -- npz -- */

static void zip_of(const char *name, const void *bytes, size_t size, int method) {
    int code;
    unlink(path);
    zip_t *zip = zip_open(path, ZIP_CREATE | ZIP_TRUNCATE, &code);
    zip_int64_t i = zip_file_add(zip, name, zip_source_buffer(zip, bytes, size, 0), ZIP_FL_ENC_UTF_8);
    zip_set_file_compression(zip, (zip_uint64_t)i, method, 0);
    if (zip_close(zip)) bug("cannot write %s", path);
}

static void npz_of_others(void) {
    struct diag diag = {0};
    int64_t dim[1] = {100000};
    struct tensor zeros = tensor_new(ELEM_f32, 1, dim), back;
    struct str npy = {0};
    npy_add_header(&npy, &zeros);
    str_add_bytes(&npy, zeros.data, tensor_bytes(&zeros));
    zip_of("дир/x.npy", npy.text, npy.length, ZIP_CM_DEFLATE);
    struct npz *npz;
    uint32_t index;
    EXPECT(npz_open(path, &diag, &npz) == STATUS_OK && npz_find(npz, "дир/x", &index), "deflated entry");
    EXPECT(npz_read(npz, 0, &diag, &back) == STATUS_OK && tensor_equal(&back, &zeros), "deflated entry");
    npz_close(npz);
    tensor_free(&back);
    zip_of("x.npy", npy.text, npy.length - 1, ZIP_CM_DEFLATE);
    refused(read_npz, "entry 'x': the shape needs 400000 bytes");
    zip_of("x.npy", "hello, world", 12, ZIP_CM_STORE);
    refused(read_npz, "entry 'x': not an npy file");
    npy.length = npy.length - 4 * 100000 + 64; /* shorter than its header says */
    zip_of("x.npy", npy.text, npy.length, ZIP_CM_STORE);
    refused(read_npz, "needs 400000 bytes");
    put("PK\5\6", 4);
    refused(read_npz, "not a sound npz archive");
    str_free(&npy);
    tensor_free(&zeros);
    diag_free(&diag);
}

/* A failed write leaves the old file and no other behind. */
static void writing(const char *folder) {
    struct diag diag = {0};
    struct file_writer writer;
    put("old", 3);
    EXPECT(file_create(path, FILE_MODE_DATA, &diag, &writer) == STATUS_OK, "create");
    fputs("new", writer.stream);
    EXPECT(access(writer.temporary, F_OK) == 0, "temporary file");
    char *temporary = arena_strdup(&diag.arena, writer.temporary);
    file_abandon(&writer);
    EXPECT(access(temporary, F_OK), "the temporary file is left");
    struct str bytes = get();
    EXPECT(!strcmp(bytes.text, "old"), "the old file is gone");
    str_free(&bytes);
    EXPECT(file_write(path, "new", 3, &diag) == STATUS_OK, "write");
    bytes = get();
    EXPECT(!strcmp(bytes.text, "new"), "the new file is not there");
    str_free(&bytes);
    EXPECT(file_write(folder, "x", 1, &diag) == STATUS_FAILED && strstr(diag.list.at[0].text, "directory"),
           "folder");
    struct str nowhere = {0};
    str_printf(&nowhere, "%s/absent/file", folder);
    EXPECT(file_write(nowhere.text, "x", 1, &diag) == STATUS_FAILED, "absent folder");
    str_free(&nowhere);
    char big[1 << 16] = {0};
    EXPECT(file_write("/dev/null", "x", 1, &diag) == STATUS_OK, "null device");
    EXPECT(file_write("/dev/full", big, sizeof big, &diag) == STATUS_FAILED &&
               strstr(vec_last(&diag.list).text, "No space"),
           "%s", vec_last(&diag.list).text);
    int64_t dim[1] = {1};
    struct named_tensor reserved = {"__metadata__", tensor_new(ELEM_u8, 1, dim)};
    EXPECT(safetensors_write(path, &reserved, 1, NULL, 0, &diag) == STATUS_FAILED, "reserved name");
    tensor_free(&reserved.tensor);
    diag_free(&diag);
}

int main(void) {
    struct temporary temporary = temporary_make();
    snprintf(path, sizeof path, "%s", temporary_path(&temporary, "file"));
    writing(temporary.folder);
    round_trips();
    npy_of_others();
    hostile_npy();
    hostile_safetensors();
    misaligned_safetensors();
    npz_of_others();
    temporary_remove(&temporary);
    EXPECT(access(path, F_OK), "a file is left");
    return unit_status();
}
