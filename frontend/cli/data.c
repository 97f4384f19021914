#include "frontend/cli/data.h"

#include "frontend/tensorfile/npz.h"

#include <math.h>
#include <string.h>

/* The rows of one input. */
struct rows {
    const char *name; /* of the array, for diagnostics */
    struct type type;
    struct tensor sample;     /* its type and shape, no data */
    struct npy_source source; /* open while `stream` is */
    struct npy_stream *stream;
    uint32_t next;  /* sample that the stream stands at */
    uint32_t entry; /* of the archive */
};

struct data_file {

    const struct module *m;
    struct npz *npz;       /* NULL for an npy */
    struct file_view view; /* of an npy */
    struct file_view left;
    struct loc loc;
    struct rows *rows; /* for each input */
    uint32_t inputs;
    struct sample_source samples;
    struct arena arena;
};

static size_t read_view(void *ctx, unsigned char *to, size_t size) {
    struct file_view *left = ctx;
    if (size > left->size) size = left->size;
    memcpy(to, left->bytes, size);
    left->bytes += size;
    left->size -= size;
    return size;
}

static void rows_close(const struct data_file *d, struct rows *r) {
    npy_stream_close(r->stream);
    r->stream = NULL;
    if (d->npz) npz_source_close(&r->source);
}

static enum status rows_rewind(struct data_file *d, struct rows *r, struct diag *diag) {
    rows_close(d, r);
    r->next = 0;
    const char *what = "";
    if (d->npz) {
        what = arena_printf(&d->arena, "entry '%s': ", r->name);
        TRY(npz_source_open(d->npz, r->entry, diag, &r->source));
    } else {
        d->left = d->view;
        r->source = (struct npy_source){read_view, &d->left, d->view.size};
    }
    return npy_stream_open(r->source, d->loc, what, diag, &r->stream);
}

/* -- finding and checking the arrays -- */
static enum status no_array(const struct data_file *d, const char *input, struct diag *diag) {
    struct str names = {0};
    for (uint32_t i = 0; i < npz_count(d->npz); i++)
        str_printf(&names, "%s%s", i ? ", " : "", npz_name(d->npz, i));
    diag_error(diag, d->loc, "no array for input %s (named %s or in:%s); the file has %s", input, input,
               input, names.length ? str_text(&names) : "none");
    str_free(&names);
    return STATUS_FAILED;
}

static enum status find_array(struct data_file *d, uint32_t input, struct diag *diag) {
    struct rows *r = &d->rows[input];
    const char *name = value_get(d->m, d->m->inputs.at[input])->name;
    r->name = name;
    if (!d->npz) return STATUS_OK;
    const char *prefixed = arena_printf(&d->arena, "in:%s", name);
    if (!npz_find(d->npz, name, &r->entry) && !npz_find(d->npz, prefixed, &r->entry))
        return no_array(d, name, diag);
    r->name = npz_name(d->npz, r->entry);
    return STATUS_OK;
}

static enum status mismatch(const struct data_file *d, const struct rows *r, const struct tensor *array,
                            const struct value *input, struct diag *diag) {
    struct str wanted = {0}, found = {0};
    type_print(&d->m->types, input->type, &wanted);
    str_printf(&found, "%s[", elem_name(array->elem));
    for (uint32_t i = 0; i < array->rank; i++)
        str_printf(&found, "%s%lld", i ? ", " : "", (long long)array->dim[i]);
    diag_error(diag, d->loc,
               "array %s is %s], expected samples of input %s, which is %s, along the first dimension",
               r->name, str_text(&found), input->name, str_text(&wanted));
    str_free(&wanted);
    str_free(&found);
    return STATUS_FAILED;
}

static enum status check_array(struct data_file *d, uint32_t i, int64_t *count, struct diag *diag) {
    struct rows *r = &d->rows[i];
    const struct value *input = value_get(d->m, d->m->inputs.at[i]);
    const struct types *types = &d->m->types;
    const struct tensor *array = npy_stream_shape(r->stream);
    uint32_t rank = type_rank(types, input->type);
    bool fits = array->elem == input->type.elem && array->rank == rank && rank;
    r->sample = (struct tensor){.elem = array->elem, .rank = array->rank};
    memcpy(r->sample.dim, array->dim, sizeof r->sample.dim);
    for (uint32_t k = 0; k < rank && fits; k++) {
        int64_t extent = 1;
        bool known = dim_is_const(types, dims_at(types, input->type.shape, k), &extent);
        if (k == 0)
            r->sample.dim[0] = known ? extent : 1;
        else
            fits = !known || extent == array->dim[k];
    }
    if (!fits) return mismatch(d, r, array, input, diag);
    *count = r->sample.dim[0] ? array->dim[0] / r->sample.dim[0] : 0;
    if (*count) return STATUS_OK;
    return diag_error(diag, d->loc, "array %s holds no sample: %lld rows, and one takes %lld", r->name,
                      (long long)array->dim[0], (long long)r->sample.dim[0]);
}

static enum status open_arrays(struct data_file *d, struct diag *diag) {
    uint32_t inputs = d->m->inputs.count;
    int64_t first = 0, count;
    if (!inputs) return diag_error(diag, d->loc, "the model has no input to give samples to");
    if (!d->npz && inputs > 1)
        return diag_error(diag, d->loc, "the model has %u inputs; an .npz holds an array for each", inputs);
    for (uint32_t i = 0; i < inputs; i++) {
        TRY(find_array(d, i, diag));
        TRY(rows_rewind(d, &d->rows[i], diag));
        TRY(check_array(d, i, &count, diag));
        if (i && count != first)
            return diag_error(diag, d->loc, "array %s holds %lld samples, but %s holds %lld", d->rows[i].name,
                              (long long)count, d->rows[0].name, (long long)first);
        first = count;
    }
    d->samples.count = first > UINT32_MAX / 2 ? UINT32_MAX / 2 : (uint32_t)first;
    return STATUS_OK;
}

/* -- reading -- */
static enum status check_finite(const struct data_file *d, const struct rows *r, const struct tensor *t,
                                uint32_t sample, struct diag *diag) {
    if (!elem_is_float(t->elem)) return STATUS_OK;
    for (int64_t i = 0, n = tensor_count(t); i < n; i++) {
        double v = tensor_get_f64(t, i);
        if (isfinite(v)) continue;
        struct str at = {0};
        int64_t rest = i, index[MAX_RANK] = {0};
        for (uint32_t k = t->rank; k-- > 0; rest /= t->dim[k]) index[k] = rest % t->dim[k];
        index[0] += sample * t->dim[0];
        for (uint32_t k = 0; k < t->rank; k++) str_printf(&at, "%s%lld", k ? ", " : "", (long long)index[k]);
        diag_error(diag, d->loc, "array %s has %s at [%s]", r->name, isnan(v) ? "NaN" : "an infinite number",
                   str_text(&at));
        str_free(&at);
        return STATUS_FAILED;
    }
    return STATUS_OK;
}

static enum status read_rows(struct data_file *d, struct rows *r, uint32_t i, struct tensor *out,
                             struct diag *diag) {
    if (i < r->next) TRY(rows_rewind(d, r, diag));
    *out = tensor_new(r->sample.elem, r->sample.rank, r->sample.dim);
    enum status status = STATUS_OK;
    for (; r->next <= i && status == STATUS_OK; r->next++)
        status = npy_stream_read(r->stream, tensor_count(out), out->data);
    if (status == STATUS_OK) status = check_finite(d, r, out, i, diag);
    if (status != STATUS_OK) tensor_free(out);
    return status;
}

static enum status read_sample(void *ctx, uint32_t i, struct tensor *out, struct diag *diag) {
    struct data_file *d = ctx;
    check(i < d->samples.count);
    for (uint32_t k = 0; k < d->inputs; k++) {
        if (read_rows(d, &d->rows[k], i, &out[k], diag) == STATUS_OK) continue;
        while (k-- > 0) tensor_free(&out[k]);
        return STATUS_FAILED;
    }
    return STATUS_OK;
}

enum status data_open(const char *path, const struct module *m, struct diag *diag, struct data_file **out) {
    struct data_file *d = xcalloc(1, sizeof *d);
    size_t length = strlen(path);
    enum status status;
    d->m = m;
    d->inputs = m->inputs.count;
    d->rows = xcalloc(m->inputs.count + 1, sizeof *d->rows);
    d->samples = (struct sample_source){.read = read_sample, .ctx = d};
    if (length > 4 && !strcmp(path + length - 4, ".npy")) {
        d->loc.file = diag_add_source(diag, path, NULL, 0);
        status = file_open_view(path, diag, &d->view);
    } else {
        status = npz_open(path, diag, &d->npz);
        if (status == STATUS_OK) d->loc = npz_loc(d->npz);
    }
    if (status == STATUS_OK) status = open_arrays(d, diag);
    if (status != STATUS_OK) {
        data_close(d);
        d = NULL;
    }
    *out = d;
    return status;
}

const struct sample_source *data_samples(const struct data_file *data) {
    return &data->samples;
}

void data_close(struct data_file *d) {
    if (!d) return;
    for (uint32_t i = 0; i < d->inputs; i++) rows_close(d, &d->rows[i]);
    npz_close(d->npz);
    file_close_view(&d->view);
    arena_free(&d->arena);
    free(d->rows);
    free(d);
}
