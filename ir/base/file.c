#include "ir/base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static enum status failed(struct diag *diag, const char *what, const char *path, int error) {
    return diag_error(diag, (struct loc){0}, "cannot %s '%s': %s", what, path, strerror(error));
}

/* Streams may have no end (/dev/zero), so what is read into memory has one. */
static const size_t longest_stream = (size_t)1 << 30;

static enum status read_stream(int descriptor, const char *path, struct diag *diag, struct file_view *out) {
    size_t size = 0, capacity = 1 << 16;
    unsigned char *bytes = xmalloc_aligned(capacity);
    for (;;) {
        if (size == capacity) {
            unsigned char *bigger = xmalloc_aligned(capacity * 2);
            memcpy(bigger, bytes, size);
            free(bytes);
            bytes = bigger;
            capacity *= 2;
        }
        if (size > longest_stream) {
            free(bytes);
            return failed(diag, "read", path, EFBIG);
        }
        ssize_t got = read(descriptor, bytes + size, capacity - size);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) {
            int error = errno;
            free(bytes);
            return failed(diag, "read", path, error);
        }
        if (!got) break;
        size += (size_t)got;
    }
    *out = (struct file_view){bytes, size, false};
    return STATUS_OK;
}

enum status file_view_of(int descriptor, const char *path, struct diag *diag, struct file_view *out) {
    struct stat info;
    *out = (struct file_view){0};
    if (fstat(descriptor, &info)) return failed(diag, "read", path, errno);
    if (S_ISDIR(info.st_mode)) return failed(diag, "read", path, EISDIR);
    /* Files of /proc say that they are regular and empty. */
    if (!S_ISREG(info.st_mode) || !info.st_size) return read_stream(descriptor, path, diag, out);
    void *map = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE, descriptor, 0);
    if (map == MAP_FAILED) return failed(diag, "map", path, errno);
    *out = (struct file_view){map, (size_t)info.st_size, true};
    return STATUS_OK;
}

enum status file_open_view(const char *path, struct diag *diag, struct file_view *out) {
    *out = (struct file_view){0};
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0) return failed(diag, "open", path, errno);
    enum status status = file_view_of(descriptor, path, diag, out);
    close(descriptor);
    return status;
}

void file_close_view(struct file_view *view) {
    if (view->mapped)
        munmap((void *)(uintptr_t)view->bytes, view->size);
    else
        free((void *)(uintptr_t)view->bytes);
    *view = (struct file_view){0};
}

static char *copy_text(const char *text) {
    size_t bytes = strlen(text) + 1;
    return memcpy(xmalloc(bytes), text, bytes);
}

/* A new file beside `target`; its name is free because O_EXCL says so. */
static int create_beside(const char *target, unsigned mode, char **name) {
    enum { TRIES = 100 };
    size_t bytes = strlen(target) + 48;
    *name = xmalloc(bytes);
    for (int i = 0; i < TRIES; i++) {
        snprintf(*name, bytes, "%s.%ld-%d.tmp", target, (long)getpid(), i);
        int descriptor = open(*name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, (mode_t)mode);
        if (descriptor >= 0 || errno != EEXIST) return descriptor;
    }
    return -1;
}

enum status file_create(const char *path, unsigned mode, struct diag *diag, struct file_writer *out) {
    *out = (struct file_writer){0};
    struct stat info;
    bool exists = !stat(path, &info);
    int descriptor;
    if (exists && S_ISDIR(info.st_mode)) return failed(diag, "write", path, EISDIR);
    if (exists && !S_ISREG(info.st_mode)) {
        descriptor = open(path, O_WRONLY | O_CLOEXEC);
    } else {
        if (exists && access(path, W_OK)) return failed(diag, "write", path, errno);
        out->target = exists ? realpath(path, NULL) : NULL;
        if (!out->target) out->target = copy_text(path);
        descriptor = create_beside(out->target, mode, &out->temporary);
    }
    if (descriptor < 0) {
        int error = errno;
        free(out->target);
        free(out->temporary);
        *out = (struct file_writer){0};
        return failed(diag, "write", path, error);
    }
    out->stream = fdopen(descriptor, "wb");
    if (!out->stream) bug("fdopen: %s", strerror(errno));
    out->path = copy_text(path);
    return STATUS_OK;
}

void file_abandon(struct file_writer *writer) {
    if (writer->stream) fclose(writer->stream);
    if (writer->temporary) unlink(writer->temporary);
    free(writer->path);
    free(writer->target);
    free(writer->temporary);
    *writer = (struct file_writer){0};
}

void file_put(struct file_writer *writer, const void *bytes, size_t size) {
    errno = 0;
    if (size && fwrite(bytes, 1, size, writer->stream) != size && !writer->error)
        writer->error = errno ? errno : EIO;
}

enum status file_commit(struct file_writer *writer, struct diag *diag) {
    errno = 0;
    bool bad = ferror(writer->stream) != 0;
    if (fclose(writer->stream)) bad = true;
    writer->stream = NULL;
    if (!bad && writer->temporary && rename(writer->temporary, writer->target)) bad = true;
    enum status status = STATUS_OK;
    if (bad) {
        status = failed(diag, "write", writer->path, writer->error ? writer->error : errno ? errno : EIO);
    } else {
        free(writer->temporary); /* it is the target now: nothing to remove */
        writer->temporary = NULL;
    }
    file_abandon(writer);
    return status;
}

enum status file_write(const char *path, const void *bytes, size_t size, struct diag *diag) {
    struct file_writer writer;
    TRY(file_create(path, FILE_MODE_DATA, diag, &writer));
    file_put(&writer, bytes, size);
    return file_commit(&writer, diag);
}
