/* Static libraries of one object file, in the format of System V. */
#ifndef ADZE_CODEGEN_ARCHIVE_H
#define ADZE_CODEGEN_ARCHIVE_H

#include "ir/base/file.h"

/* Writes an archive that holds `object` under `member` (at most 15 characters) and whose index says that it
 * defines `symbol`. No dates, owners or paths: the same object gives the same bytes. */
void archive_write(struct file_writer *to, const char *member, const char *symbol, const void *object,
                   size_t size);

#endif
