/* adze bench: latency of a compiled library, and where the time goes. */
#include "frontend/cli/compiled.h"
#include "frontend/cli/load.h"
#include "frontend/cli/peak.h"

#include <stdlib.h>
#include <string.h>

struct timing {
    VEC(uint64_t) ns; /* of every run */
    uint64_t *step;   /* least time of every step */
    uint32_t steps;
};

static int compare_u64(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static double percentile_ms(const struct timing *t, double share) {
    uint32_t last = t->ns.count - 1, at = (uint32_t)(share * (double)last + 0.5);
    return (double)t->ns.at[at] * 1e-6;
}

/* Runs without a clock are timed as a whole; then as many with one give the steps, so that reading the clock
 * costs the first nothing. */
static int measure(const struct compiled *c, const struct tensor *in, struct tensor *out, uint32_t runs,
                   double seconds, struct timing *t) {
    int error = compiled_run(c, in, out, NULL);
    uint64_t start = adze_clock(NULL);
    while (!error && (t->ns.count < runs || (double)(adze_clock(NULL) - start) < seconds * 1e9)) {
        uint64_t before = adze_clock(NULL);
        error = compiled_run(c, in, out, NULL);
        *vec_push(&t->ns) = adze_clock(NULL) - before;
    }
    t->steps = compiled_variant(c)->steps;
    t->step = xmalloc((t->steps + 1) * sizeof *t->step);
    memset(t->step, 0xFF, (t->steps + 1) * sizeof *t->step);
    uint64_t *ticks = xcalloc(t->steps + 1, sizeof *ticks);
    for (uint32_t r = 0; !error && r < (t->ns.count < 50 ? t->ns.count : 50); r++) {
        error = compiled_run(c, in, out, ticks);
        for (uint32_t s = 0; s < t->steps; s++)
            if (ticks[s] < t->step[s]) t->step[s] = ticks[s];
    }
    free(ticks);
    qsort(t->ns.at, t->ns.count, sizeof *t->ns.at, compare_u64);
    return error;
}

static double total_operations(const struct adze_variant *v) {
    double total = 0;
    for (uint32_t s = 0; s < v->steps; s++) total += (double)v->step[s]->operations;
    return total;
}

static void print_text(struct invocation *inv, const struct compiled *c, const struct timing *t,
                       uint32_t threads, double peak) {
    const struct adze_variant *v = compiled_variant(c);
    double min_ms = percentile_ms(t, 0), operations = total_operations(v);
    printf("%s for %s, %u thread%s, %u runs\nmin_ms %.4f  p50_ms %.4f  p99_ms %.4f\n", c->model->name,
           v->target, threads, threads > 1 ? "s" : "", t->ns.count, min_ms, percentile_ms(t, 0.5),
           percentile_ms(t, 0.99));
    if (operations > 0)
        printf("%.1f MMAC, %.2f GMAC/s, %.1f%% of the peak of %.1f GMAC/s on each core\n", operations * 1e-6,
               operations / min_ms * 1e-6, operations / min_ms * 1e-6 / (peak * threads) * 100, peak);
    if (!option_given(inv, "per-op")) return;
    for (uint32_t s = 0; s < v->steps; s++) {
        double us = (double)t->step[s] * 1e-3, macs = (double)v->step[s]->operations;
        printf("%10.2f us %5.1f%%", us, us / min_ms * 0.1);
        if (macs > 0)
            printf(" %7.2f GMAC/s %5.1f%% of peak", macs / us * 1e-3,
                   macs / us * 1e-3 / (peak * threads) * 100);
        else
            printf(" %7.2f GB/s               ", (double)v->step[s]->bytes / us * 1e-3);
        printf("  %s\n", v->step[s]->name);
    }
}

static void json_string(const char *text) {
    putchar('"');
    for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
        if (*p == '"' || *p == '\\')
            printf("\\%c", *p);
        else if (*p < 0x20)
            printf("\\u%04x", *p);
        else
            putchar(*p);
    }
    putchar('"');
}

static void print_json(const struct compiled *c, const struct timing *t, uint32_t threads, double peak) {
    const struct adze_variant *v = compiled_variant(c);
    printf("{\"model\": ");
    json_string(c->model->name);
    printf(", \"target\": ");
    json_string(v->target);
    double min_ms = percentile_ms(t, 0), rate = total_operations(v) / min_ms * 1e-6;
    printf(", \"threads\": %u, \"runs\": %u, \"min_ms\": %.6f, \"p50_ms\": %.6f, \"p99_ms\": %.6f, "
           "\"operations\": %.0f, "
           "\"gmacs\": %.4f, \"peak_gmacs\": %.4f, \"share_of_peak\": %.4f, \"steps\": [",
           threads, t->ns.count, min_ms, percentile_ms(t, 0.5), percentile_ms(t, 0.99), total_operations(v),
           rate, peak, rate / (peak * threads));
    for (uint32_t s = 0; s < v->steps; s++) {
        printf("%s\n  {\"name\": ", s ? "," : "");
        json_string(v->step[s]->name);
        printf(", \"us\": %.3f, \"operations\": %llu, \"bytes\": %llu}", (double)t->step[s] * 1e-3,
               (unsigned long long)v->step[s]->operations, (unsigned long long)v->step[s]->bytes);
    }
    puts("]}");
}

static enum exit_code bench(struct invocation *inv, struct compiled *c, uint32_t threads, uint32_t runs,
                            double seconds, double peak) {
    struct tensor *inputs = arena_array(&inv->arena, struct tensor, c->inputs + 1),
                  *outputs = arena_array(&inv->arena, struct tensor, c->outputs + 1);
    enum exit_code code = read_inputs(inv, 1, c->input_names, c->inputs, inputs);
    for (uint32_t i = 0; i < c->inputs && !code; i++)
        if (inputs[i].elem == ELEM_NONE) {
            struct tensor shape = compiled_port(c, i);
            inputs[i] = tensor_new(shape.elem, shape.rank, shape.dim);
            fill_random(&inputs[i], i + 1);
        }
    if (!code && compiled_outputs(inv, c, inputs, outputs) != STATUS_OK) code = EXIT_INPUT;
    struct timing t = {0};
    int error = code ? ADZE_OK : measure(c, inputs, outputs, runs, seconds, &t);
    if (error) {
        diag_error(&inv->diag, (struct loc){0}, "%s: %s", inv->arguments.at[0], adze_error_text(error));
        code = EXIT_INPUT;
    }
    if (!code && option_given(inv, "json"))
        print_json(c, &t, threads, peak);
    else if (!code)
        print_text(inv, c, &t, threads, peak);
    vec_free(&t.ns);
    free(t.step);
    for (uint32_t i = 0; i < c->inputs; i++) tensor_free(&inputs[i]);
    for (uint32_t i = 0; i < c->outputs; i++) tensor_free(&outputs[i]);
    return code;
}

enum exit_code cmd_bench(struct invocation *inv) {
    int64_t threads, runs;
    char *end;
    if (!option_int(inv, "threads", 1, 1024, 1, &threads) || !option_int(inv, "runs", 1, 1000000, 20, &runs))
        return EXIT_USAGE;
    const char *seconds_text = option_text(inv, "seconds", "1"), *peak_text = option_text(inv, "peak", "0");
    double seconds = strtod(seconds_text, &end);
    if (*end || !*seconds_text || !(seconds >= 0))
        return usage_error(inv, "--seconds is '%s', expected a number", seconds_text);
    double peak = strtod(peak_text, &end);
    if (*end || !*peak_text || !(peak >= 0))
        return usage_error(inv, "--peak is '%s', expected a number", peak_text);
    struct compiled c;
    if (compiled_open(inv, inv->arguments.at[0], option_text(inv, "weights-file", NULL), (uint32_t)threads,
                      &c) != STATUS_OK)
        return EXIT_INPUT;
    if (peak == 0) peak = fma_peak(compiled_variant(&c)->features, NULL);
    enum exit_code code = bench(inv, &c, (uint32_t)threads, (uint32_t)runs, seconds, peak);
    compiled_close(&c);
    return code;
}
