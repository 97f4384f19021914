/* Resize as a linear map of each axis, for the modes that the IR's own op does not have. */
#ifndef ADZE_FRONTEND_ONNX_RESIZE_H
#define ADZE_FRONTEND_ONNX_RESIZE_H

#include "frontend/onnx/importer.h"

enum sample_mode { SAMPLE_NEAREST, SAMPLE_LINEAR, SAMPLE_CUBIC };
/* As Resize names them, in this order. */
enum sample_coordinates {
    SAMPLE_HALF_PIXEL,
    SAMPLE_PYTORCH_HALF_PIXEL,
    SAMPLE_ALIGN_CORNERS,
    SAMPLE_ASYMMETRIC,
    SAMPLE_TF_HALF_PIXEL,
    SAMPLE_TF_CROP,
    SAMPLE_SYMMETRIC
};
enum sample_rounding { ROUND_PREFER_FLOOR, ROUND_PREFER_CEIL, ROUND_FLOOR, ROUND_CEIL };

struct sampling {
    enum sample_mode mode;
    enum sample_coordinates coordinates;
    enum sample_rounding rounding;
    double cubic_a, fill;         /* fill: outside the crop */
    bool exclude_outside, smooth; /* smooth: antialias */
};

struct sampled_axis {
    uint32_t axis;
    int64_t from, to;
    double scale, start, end; /* of the crop, in parts of the extent */
};

/* x with these axes sampled one after the other. 0 after a failure that has been noted. */
ref emit_sampled(struct node *n, ref x, const struct sampling *s, const struct sampled_axis *axes,
                 uint32_t count);

#endif
