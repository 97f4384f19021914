/* How a kernel is cut into tiles: data on a fuse op (internals: one generator, the schedule is data). */
#ifndef ADZE_IR_SCHEDULE_H
#define ADZE_IR_SCHEDULE_H

#include "ir/base/base.h"

struct schedule {
#define SCHEDULE(name, doc) uint32_t name;
#include "ir/schedule.def"
};

#endif
