/* Problems and schedules turned into nests: all that the generator must know of convolutions and products. */
#ifndef ADZE_CODEGEN_GEMM_FORMS_H
#define ADZE_CODEGEN_GEMM_FORMS_H

#include "codegen/gemm/nest.h"

/* NULL when tiles and loops of this schedule can be generated at all: it may come from a file. */
const char *schedule_refuse(const struct schedule *s, uint32_t lanes);

/* Each returns NULL, or the reason why the schedule does not fit the problem. `lanes`: f32 of a vector. */
const char *conv_nest(const struct conv_problem *p, uint32_t lanes, const struct schedule *s,
                      struct nest *out_nest);
const char *depthwise_nest(const struct conv_problem *p, uint32_t lanes, const struct schedule *s,
                           struct nest *out_nest);
/* One nest for each phase of the output's grid that exists; returns the reason, and their number. */
enum { TRANSPOSE_MAX_PHASES = 16 };
const char *transpose_nests(const struct conv_problem *p, uint32_t lanes, const struct schedule *s,
                            struct nest out_nests[TRANSPOSE_MAX_PHASES], uint32_t *out_count);
const char *matmul_nest(const struct matmul_problem *p, uint32_t lanes, const struct schedule *s,
                        struct nest *out_nest);

#endif
