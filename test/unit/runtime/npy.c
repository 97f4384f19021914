/* The .npy files of executables: what numpy writes, and headers that lie. */
#include "runtime/npy.h"

#include "test/support/temporary.h"
#include "test/support/unit.h"

#include <stdlib.h>

static struct temporary folder;

static const char *read_text(const char *dict, const void *data, size_t bytes, struct npy *out) {
    const char *path = temporary_path(&folder, "x.npy");
    size_t length = strlen(dict);
    const unsigned char start[] = {
        0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0, (unsigned char)length, (unsigned char)(length >> 8)};
    FILE *file = fopen(path, "wb");
    if (!CHECK(file != NULL)) exit(1);
    fwrite(start, 1, sizeof start, file);
    fwrite(dict, 1, length, file);
    fwrite(data, 1, bytes, file);
    fclose(file);
    return adze_npy_read(path, out);
}

static void test_good(void) {
    static const float six[] = {0, 1, 2, 3, 4, 5};
    struct npy x;
    CHECK(!read_text("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }\n", six, sizeof six, &x));
    CHECK(x.elem == ADZE_F32 && x.rank == 2 && x.dim[0] == 2 && x.dim[1] == 3 && ((float *)x.data)[5] == 5);
    adze_npy_free(&x);
    CHECK(!read_text("{'shape': (2, 3), 'fortran_order': True, 'descr': '=f4'}", six, sizeof six, &x));
    static const float reordered[] = {0, 2, 4, 1, 3, 5};
    CHECK(memcmp(x.data, reordered, sizeof six) == 0);
    adze_npy_free(&x);
    CHECK(!read_text("{\"descr\":\"<i1\",\"fortran_order\":False,\"shape\":()}", six, 1, &x));
    CHECK(x.elem == ADZE_I8 && x.rank == 0 && x.bytes == 1);
    adze_npy_free(&x);
    CHECK(!read_text("{'descr': '|b1', 'fortran_order': False, 'shape': (0, 5)}", six, 0, &x));
    CHECK(x.elem == ADZE_BOOL && x.bytes == 0 && x.data == NULL);
    adze_npy_free(&x);
}

static void test_bad(void) {
    static const char *const headers[] = {
        "",
        "{",
        "{}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3)",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (7,)}",
        "{'descr': '<f4', 'fortran_order': Maybe, 'shape': (6,)}",
        "{'descr': '>f4', 'fortran_order': False, 'shape': (6,)}",
        "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (6,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (-6,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904, 4611686018427387904)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (0, 4611686018427387904, 4)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': "
        "(1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,"
        "1,1,6)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (6,), 'more': 1}",
    };
    static const float six[6];
    struct npy x;
    for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++) {
        const char *wrong = read_text(headers[i], six, sizeof six, &x);
        if (!CHECK(wrong != NULL)) fprintf(stderr, "accepted: %s\n", headers[i]);
        CHECK(x.data == NULL);
    }
    CHECK(adze_npy_read(temporary_path(&folder, "none.npy"), &x) != NULL);
}

static void test_written(void) {
    double two[] = {1.5, -2};
    struct npy x = {.elem = ADZE_F64, .rank = 3, .dim = {1, 2, 1}, .bytes = sizeof two, .data = two}, back;
    const char *path = temporary_path(&folder, "w.npy");
    CHECK(adze_npy_write(path, &x) == NULL && adze_npy_read(path, &back) == NULL);
    CHECK(back.elem == x.elem && back.rank == 3 && memcmp(back.dim, x.dim, 24) == 0);
    CHECK(memcmp(back.data, two, sizeof two) == 0);
    adze_npy_free(&back);
    CHECK(adze_npy_write(temporary_path(&folder, "no/w.npy"), &x) != NULL);
}

int main(void) {
    folder = temporary_make();
    test_good();
    test_bad();
    test_written();
    temporary_remove(&folder);
    return unit_status();
}
