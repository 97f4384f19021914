/* Values between cells: for each of a list of places, gathers of the cells around it, weighted by the
 * distance along each axis. */
#ifndef ADZE_FRONTEND_ONNX_SAMPLING_H
#define ADZE_FRONTEND_ONNX_SAMPLING_H

#include "frontend/onnx/importer.h"

enum { SAMPLING_AXES = 3, SAMPLING_TAPS = 4 };
enum sampling_mode { SAMPLING_LINEAR, SAMPLING_NEAREST, SAMPLING_CUBIC };
enum sampling_padding { PAD_ZEROS, PAD_BORDER, PAD_REFLECTION }; /* what lies outside */

struct sampling {
    enum sampling_mode mode;
    enum sampling_padding padding;
    bool align; /* reflected at the centres of the outermost cells, not at their edges */
    uint32_t axes;
    int64_t batch, cells; /* cells: the product of the extents */
    int64_t extent[SAMPLING_AXES];
    enum elem wide; /* of positions and weights, and unless the nearest cell is taken of the values */
};

/* [batch, places, channels] from rows [batch * cells, channels]; at[axis] is [batch, places], counted in
 * cells from the centre of the first one. 0 after a failure. */
ref emit_samples(struct node *n, const struct sampling *s, ref rows, const ref at[]);

#endif
