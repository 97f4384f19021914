/* What the parts of the pass quantize share. */
#ifndef ADZE_PASSES_QUANTIZE_H
#define ADZE_PASSES_QUANTIZE_H

#include "ir/quant.h"
#include "passes/gram.h"
#include "passes/layers.h"
#include "passes/pass.h"
#include "passes/replay.h"

/* How the range of an activation is chosen. auto: whichever of the others gives the layers that read it the
 * least error, measured. */
enum range_method { RANGE_MINMAX, RANGE_PERCENTILE, RANGE_MSE, RANGE_ENTROPY, RANGE_AUTO };

/* Candidates for a range; percentiles: 99.9, 99.99, 99.999. */
enum { RANGE_CANDIDATES = 6, RANGE_BINS = 2048 };
struct value_ranges {
    double lo[RANGE_CANDIDATES], hi[RANGE_CANDIDATES]; /* lo <= 0 <= hi */
    bool tried[RANGE_CANDIDATES];
};

struct scale_zero {
    double scale;
    int64_t zero;
};

struct quantize_layer {
    op_id op;
    struct columns c;
    uint32_t first,
        family; /* of those with the same weight: the first, which stores it; and how many there are */
    bool measured, integer; /* integer: its input is to be quantized, too */
    struct value_ranges ranges;
    double error[RANGE_CANDIDATES], energy; /* of the outputs, for each range of the input */
    double weight_error;                    /* of the outputs, by the weights alone */
    struct tensor codes, scale;             /* of the weight */
    double *shift;                          /* what the bias should grow by, [outputs]; NULL: unknown */
};

struct quantize {
    struct module *m;
    const struct pass_options *options;
    struct diag *diag;
    const struct sample_source *data; /* NULL: none */
    enum elem weights;                /* i8, i4, f16 or bf16 */
    bool activations;
    int64_t group; /* 0: a scale for each output */
    enum range_method range;
    double min_snr, damp; /* dB */
    bool correct, balance;
    VEC(struct quantize_layer) layers;
    VEC(value_id) tables; /* parameters that are read by rows */
};

/* Reads and checks the options. */
MUST_USE enum status quantize_read(const struct pass_options *options, struct quantize *q);

/* -- ranges -- */
/* The candidates that `method` allows for a live value, over all samples. */
struct value_ranges quantize_ranges(const struct replay *r, value_id v, enum range_method method);
/* 8 bits over the range; the scale has few digits. */
struct scale_zero quantize_scale_zero(double lo, double hi);

/* -- channels -- */
/* Moves factors of channels from activations into weights, where their error measured on some samples falls:
 * the network in f32 stays the same. Needs data. */
MUST_USE enum status quantize_balance(struct quantize *q);

/* -- weights -- */
/* Codes and scales of the layer's weight (layer->codes, layer->scale), rounded to nearest with the scale of
 * least error, or with `gram` (second moments of the input, mean over columns) so that the outputs change
 * least. fresh[...] gets the decoded weight. Zeros of a sparse weight stay. */
void quantize_weight(const struct quantize *q, struct quantize_layer *layer, const struct gram *gram,
                     struct tensor *fresh);
/* Rounded to nearest, a scale for each row of dimension 0 (or its groups): for tables and layers without
 * data. */
void quantize_rows(const struct tensor *w, enum elem elem, int64_t group, struct tensor *codes,
                   struct tensor *scale);

/* -- the graph -- */
/* Puts quantize in front of the layers that are integer, and integers through what lies between them. */
MUST_USE enum status quantize_rewrite(struct quantize *q);
/* After a table has become narrow floats: what reads its rows gives f32 still. */
MUST_USE enum status quantize_widen_rows(struct quantize *q, value_id table);

#endif
