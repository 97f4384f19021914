/* Ranges of activations: from the extremes, or from a histogram. */
#include "passes/quantize.h"

#include <math.h>
#include <stdio.h>

/* A number that prints with few digits: scales are literals of the text. */
static double short_decimal(double value) {
    char text[32];
    snprintf(text, sizeof text, "%.6g", value);
    return strtod(text, NULL);
}

struct scale_zero quantize_scale_zero(double lo, double hi) {
    struct scale_zero s = {short_decimal((hi - lo) / 255), 0};
    if (!(s.scale > 1e-30)) return (struct scale_zero){1e-30, 0};
    s.zero = (int64_t)nearbyint(-128 - lo / s.scale);
    s.zero = max_i64(-128, min_i64(127, s.zero));
    return s;
}

struct histogram {
    double lo, width; /* of the first bin, of each */
    uint64_t count[RANGE_BINS], total;
};

static double bin_middle(const struct histogram *h, uint32_t bin) {
    return h->lo + ((double)bin + 0.5) * h->width;
}

/* The least interval of bins that leaves at most `share` of the numbers out at each end. */
static void percentile(const struct histogram *h, double share, double *lo, double *hi) {
    double out = share * (double)h->total, below = 0, above = 0;
    uint32_t first = 0, last = RANGE_BINS - 1;
    while (first < last && below + (double)h->count[first] <= out) below += (double)h->count[first++];
    while (last > first && above + (double)h->count[last] <= out) above += (double)h->count[last--];
    *lo = h->lo + first * h->width;
    *hi = h->lo + (last + 1) * h->width;
}

/* Mean squared error of 8 bits over [lo, hi]: of what is inside by the distance of two integers, of what is
 * outside by its distance to the end. Numbers in the bin of zero cost nothing: zero is exact. */
static double squared_error(const struct histogram *h, double lo, double hi) {
    double step = (hi - lo) / 255, sum = 0;
    for (uint32_t b = 0; b < RANGE_BINS; b++) {
        double x = bin_middle(h, b), beyond = x < lo ? lo - x : x > hi ? x - hi : 0;
        bool has_zero = x - h->width / 2 <= 0 && x + h->width / 2 >= 0;
        if (!h->count[b] || has_zero) continue;
        sum += (double)h->count[b] * (beyond * beyond + step * step / 12);
    }
    return sum;
}

/* Relative entropy between the histogram, cut to the range with what lies outside in the end bins, and what
 * 255 levels make of it (Migacz: 8-bit inference with TensorRT, 2017). */
static double entropy_loss(const struct histogram *h, double lo, double hi) {
    double p[RANGE_BINS] = {0}, level_sum[256] = {0}, loss = 0, total = 0;
    uint32_t level_bins[256] = {0};
    for (uint32_t b = 0; b < RANGE_BINS; b++) {
        double x = fmin(fmax(bin_middle(h, b), lo), hi);
        uint32_t at = (uint32_t)fmin((x - h->lo) / h->width, RANGE_BINS - 1);
        p[at] += (double)h->count[b];
        total += (double)h->count[b];
    }
    for (uint32_t b = 0; b < RANGE_BINS; b++) {
        double x = bin_middle(h, b);
        if (!h->count[b] || x < lo || x > hi) continue;
        uint32_t level = (uint32_t)fmin((x - lo) / (hi - lo) * 255, 255);
        level_sum[level] += (double)h->count[b];
        level_bins[level]++;
    }
    for (uint32_t b = 0; b < RANGE_BINS; b++) {
        double x = bin_middle(h, b);
        if (p[b] <= 0) continue;
        uint32_t level = (uint32_t)fmin(fmax((x - lo) / (hi - lo) * 255, 0), 255);
        double q = level_bins[level] ? level_sum[level] / level_bins[level] : 0;
        loss += p[b] * log(p[b] / fmax(q, 1e-3));
    }
    return loss / fmax(total, 1);
}

/* The cut of [lo, hi] towards zero, both ends alike, that costs least. */
static void best_cut(const struct histogram *h, double lo, double hi,
                     double (*cost)(const struct histogram *, double, double), double *out_lo,
                     double *out_hi) {
    double least = INFINITY;
    for (int i = 0; i <= 60; i++) {
        double share = pow(0.9, i / 1.5), c = cost(h, lo * share, hi * share);
        if (c >= least) continue;
        least = c;
        *out_lo = lo * share;
        *out_hi = hi * share;
    }
}

struct value_ranges quantize_ranges(const struct replay *r, value_id v, enum range_method method) {
    static const double shares[] = {1e-3, 1e-4, 1e-5};
    struct value_ranges out = {0};
    struct value_range all = replay_range(r, v);
    double lo = fmin(all.lo, 0), hi = fmax(all.hi, 0);
    bool any = method == RANGE_AUTO;
    out.lo[0] = lo;
    out.hi[0] = hi;
    out.tried[0] = any || method == RANGE_MINMAX || !(hi > lo);
    if (!(hi > lo) || method == RANGE_MINMAX) return out;
    struct histogram *h = xcalloc(1, sizeof *h);
    h->lo = lo;
    h->width = (hi - lo) / RANGE_BINS;
    replay_histogram(r, v, lo, hi, RANGE_BINS, h->count);
    for (uint32_t b = 0; b < RANGE_BINS; b++) h->total += h->count[b];
    for (uint32_t i = 0; i < 3; i++) {
        percentile(h, shares[i], &out.lo[1 + i], &out.hi[1 + i]);
        out.tried[1 + i] = any || (method == RANGE_PERCENTILE && i == 1);
    }
    best_cut(h, lo, hi, squared_error, &out.lo[4], &out.hi[4]);
    best_cut(h, lo, hi, entropy_loss, &out.lo[5], &out.hi[5]);
    out.tried[4] = any || method == RANGE_MSE;
    out.tried[5] = any || method == RANGE_ENTROPY;
    for (uint32_t i = 0; i < RANGE_CANDIDATES; i++) {
        out.lo[i] = fmin(out.lo[i], 0);
        out.hi[i] = fmax(out.hi[i], 0);
        if (!(out.hi[i] > out.lo[i])) out.tried[i] = false;
    }
    free(h);
    return out;
}
