/* Sparse encodings: round trips over shapes, element types and formats, sizes, and damaged components. */
#include "ir/encoding.h"
#include "test/support/op_apply.h"
#include "test/support/unit.h"

#include <stdlib.h>

static const struct sparse formats[] = {{SPARSE_CSR, 0, 0},   {SPARSE_BITMASK, 0, 0}, {SPARSE_BLOCK, 4, 1},
                                        {SPARSE_BLOCK, 1, 4}, {SPARSE_BLOCK, 3, 2},   {SPARSE_NM, 2, 4},
                                        {SPARSE_NM, 1, 4},    {SPARSE_NM, 4, 8},      {SPARSE_NM, 3, 3},
                                        {SPARSE_NM, 1, 1},    {SPARSE_NM, 2, 300}};

/* Every `period`-th element keeps its value. */
static struct tensor thinned(enum elem elem, const int64_t *dim, uint32_t rank, int64_t period) {
    struct tensor t = tensor_random(elem, dim, rank, 7);
    for (int64_t i = 0; i < tensor_count(&t); i++)
        if (i * 7 % 11 % period) tensor_set_f64(&t, i, 0);
    return t;
}

static const char *decode(struct sparse s, const struct tensor *like, const struct encoded *e,
                          struct tensor *out) {
    const struct tensor *at[ENCODING_COMPONENTS];
    for (uint32_t i = 0; i < e->count; i++) at[i] = &e->at[i].tensor;
    return encoding_decode(s, like->elem, like->rank, like->dim, at, out);
}

static void round_trip(struct sparse s, struct tensor *t) {
    encoding_fit(s, t);
    CHECK(encoding_holds(s, t));
    struct encoded e = encoding_encode(s, t);
    struct tensor back;
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < e.count; i++) bytes += tensor_bytes(&e.at[i].tensor);
    CHECK(bytes == encoding_bytes(s, t));
    const char *wrong = decode(s, t, &e, &back);
    if (CHECK(!wrong)) CHECK(tensor_equal(t, &back));
    tensor_free(&back);
    encoded_free(&e);
}

static void round_trips(void) {
    static const enum elem elems[] = {ELEM_f32, ELEM_i8, ELEM_f16, ELEM_f64};
    static const int64_t shapes[][4] = {{8, 12, 1, 1}, {7, 10, 1, 1},  {1, 1, 1, 1}, {5, 300, 1, 1},
                                        {6, 3, 3, 3},  {300, 2, 1, 1}, {3, 0, 1, 1}, {0, 4, 1, 1}};
    for (size_t f = 0; f < COUNT_OF(formats); f++)
        for (size_t k = 0; k < COUNT_OF(elems); k++)
            for (size_t i = 0; i < COUNT_OF(shapes); i++)
                for (int64_t period = 1; period <= 11; period += 5) {
                    struct tensor t = thinned(elems[k], shapes[i], i == 4 ? 4 : 2, period);
                    round_trip(formats[f], &t);
                    tensor_free(&t);
                }
}

static void smallest(void) {
    const int64_t dim[] = {64, 64};
    static const struct {
        int64_t period;
        enum sparse_kind kind;
    } expected[] = {{1, SPARSE_NONE}, {2, SPARSE_BITMASK}, {11, SPARSE_CSR}};
    for (size_t i = 0; i < COUNT_OF(expected); i++) {
        struct tensor t = thinned(ELEM_f32, dim, 2, expected[i].period);
        CHECK(encoding_smallest(&t, (struct sparse){SPARSE_NONE, 0, 0}).kind == expected[i].kind);
        tensor_free(&t);
    }
    struct tensor t = tensor_new(ELEM_f32, 2, dim);
    tensor_set_f64(&t, 5, 1);
    CHECK(encoding_smallest(&t, (struct sparse){SPARSE_NONE, 0, 0}).kind == SPARSE_CSR);
    for (int64_t i = 0; i < 64 * 64; i++) tensor_set_f64(&t, i, i % 4 < 2 ? 1 : 0);
    CHECK(encoding_smallest(&t, (struct sparse){SPARSE_NM, 2, 4}).kind == SPARSE_NM);
    for (int64_t i = 0; i < 64 * 64; i++) tensor_set_f64(&t, i, i / 64 / 4 % 2 ? 1 : 0);
    CHECK(encoding_smallest(&t, (struct sparse){SPARSE_BLOCK, 4, 4}).kind == SPARSE_BLOCK);
    tensor_free(&t);
}

static void negative_zero_is_kept(void) {
    struct tensor t = tensor_new(ELEM_f32, 2, (const int64_t[]){2, 2});
    ((float *)t.data)[3] = -0.0f;
    round_trip((struct sparse){SPARSE_CSR, 0, 0}, &t);
    tensor_free(&t);
}

/* -- damage -- */
static void refused(struct sparse s, const struct tensor *t, const struct encoded *e, const char *words) {
    struct tensor back;
    const char *wrong = decode(s, t, e, &back);
    if (CHECK(wrong != NULL)) {
        if (!CHECK(strstr(wrong, words) != NULL)) fprintf(stderr, "  \"%s\" without \"%s\"\n", wrong, words);
    } else {
        tensor_free(&back);
    }
}

static void set_and_refuse(struct sparse s, const struct tensor *t, struct encoded *e, uint32_t part,
                           int64_t i, int64_t value, const char *words) {
    int64_t before = tensor_get_i64(&e->at[part].tensor, i);
    tensor_set_i64(&e->at[part].tensor, i, value);
    refused(s, t, e, words);
    tensor_set_i64(&e->at[part].tensor, i, before);
}

static void damaged_lists(void) {
    struct tensor t = thinned(ELEM_f32, (const int64_t[]){4, 8}, 2, 2);
    struct sparse s = {SPARSE_CSR, 0, 0};
    struct encoded e = encoding_encode(s, &t);
    set_and_refuse(s, &t, &e, 1, 0, 8, "past the last column");
    set_and_refuse(s, &t, &e, 1, 1, tensor_get_i64(&e.at[1].tensor, 0), "does not rise");
    set_and_refuse(s, &t, &e, 2, 0, 1, "from 0");
    set_and_refuse(s, &t, &e, 2, 4, 255, "number of values");
    set_and_refuse(s, &t, &e, 2, 1, 200, "past the last value");
    set_and_refuse(s, &t, &e, 2, 2, 0, "start falls");
    e.at[1].tensor.dim[0]--;
    refused(s, &t, &e, "one narrow unsigned number");
    e.at[1].tensor.dim[0]++;
    e.at[2].tensor.elem = ELEM_i8;
    refused(s, &t, &e, "start is not");
    e.at[2].tensor.elem = ELEM_u8;
    e.at[0].tensor.elem = ELEM_i32;
    refused(s, &t, &e, "element type");
    e.at[0].tensor.elem = ELEM_f32;
    e.at[0].tensor.rank = 0;
    refused(s, &t, &e, "shape");
    encoded_free(&e);
    tensor_free(&t);
}

static void damaged_nm(void) {
    struct tensor t = tensor_random(ELEM_f32, (const int64_t[]){2, 10}, 2, 3);
    struct sparse s = {SPARSE_NM, 2, 4};
    encoding_fit(s, &t);
    struct encoded e = encoding_encode(s, &t);
    set_and_refuse(s, &t, &e, 1, 0, 0, "does not rise");
    set_and_refuse(s, &t, &e, 1, 1, 0xff, "does not rise");
    e.at[0].tensor.dim[1] = 5;
    refused(s, &t, &e, "values do not have the format's shape");
    e.at[0].tensor.dim[1] = 6;
    e.at[1].tensor.dim[1] = 1;
    refused(s, &t, &e, "index does not have");
    e.at[1].tensor.dim[1] = 2;
    encoded_free(&e);
    tensor_free(&t);
}

static void damaged_mask(void) {
    struct tensor t = thinned(ELEM_f32, (const int64_t[]){3, 10}, 2, 2);
    struct sparse s = {SPARSE_BITMASK, 0, 0};
    struct encoded e = encoding_encode(s, &t);
    set_and_refuse(s, &t, &e, 1, 0, 0, "fewer bits");
    set_and_refuse(s, &t, &e, 1, 4, 0xff, "more bits");
    set_and_refuse(s, &t, &e, 1, 1, 0xff, "past the last column");
    encoded_free(&e);
    tensor_free(&t);
}

int main(void) {
    round_trips();
    smallest();
    negative_zero_is_kept();
    damaged_lists();
    damaged_nm();
    damaged_mask();
    return unit_status();
}
