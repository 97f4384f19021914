/* Files: a read-only view of a whole file, and a writer whose result appears complete or not at all.
 *
 * Paths are what the user wrote; diagnostics name them. */
#ifndef ADZE_IR_BASE_FILE_H
#define ADZE_IR_BASE_FILE_H

#include "ir/base/diag.h"

/* The bytes of a file. Regular files are mapped, so that pages nobody reads cost nothing; pipes and devices
 * are read into memory. The contents are as hostile as the file. */
struct file_view {
    const unsigned char *bytes; /* page aligned when mapped, 64-byte aligned otherwise */
    size_t size;
    bool mapped;
};

/* Opens `path`; errors: cannot be opened or read, a folder. */
MUST_USE enum status file_open_view(const char *path, struct diag *diag, struct file_view *out);
/* The same for an open file descriptor (`path` is for diagnostics); the descriptor stays the caller's. */
MUST_USE enum status file_view_of(int descriptor, const char *path, struct diag *diag, struct file_view *out);
void file_close_view(struct file_view *view); /* accepts a zeroed one */

/* A file being written: bytes go to a temporary file in the same folder, which takes the name `path` when
 * file_commit succeeds and is removed otherwise, so that a file half written never replaces a good one. A
 * path that is a device or a pipe is written to directly; a symbolic link is followed. */
struct file_writer {
    FILE *stream;             /* for file_put, or any stdio function */
    char *path;               /* as the user wrote it */
    char *target, *temporary; /* where the bytes go at last, and until then; NULL: directly */
    int error;                /* errno of the first file_put that failed */
};

enum { FILE_MODE_DATA = 0666, FILE_MODE_PROGRAM = 0777 }; /* before the umask */

MUST_USE enum status file_create(const char *path, unsigned mode, struct diag *diag, struct file_writer *out);
/* Appends bytes; failures are kept for the commit. */
void file_put(struct file_writer *writer, const void *bytes, size_t size);
/* Ends the writer: on success the file is there, on failure an error says why and nothing is. */
MUST_USE enum status file_commit(struct file_writer *writer, struct diag *diag);
void file_abandon(struct file_writer *writer); /* removes what was written; accepts an ended or zeroed one */

/* All of `size` bytes as the new contents of `path`. */
MUST_USE enum status file_write(const char *path, const void *bytes, size_t size, struct diag *diag);

#endif
