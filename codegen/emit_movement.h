/* The parts of emit_movement that have files of their own. */
#ifndef ADZE_CODEGEN_EMIT_MOVEMENT_H
#define ADZE_CODEGEN_EMIT_MOVEMENT_H

#include "codegen/kernel.h"

emit_fn emit_relayout; /* between any two layouts; fast where blocks divide or are the same */
emit_fn emit_lookup;   /* gather, embedding: an index outside is clamped */
emit_fn emit_scatter;
emit_fn emit_resize; /* plain, or channel-blocked when only the spatial dimensions change */

#endif
