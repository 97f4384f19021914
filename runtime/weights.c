#include "runtime/hash.h"
#include "runtime/include/adze_runtime.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

int adze_weights_check(const struct adze_model *model, const void *file, size_t bytes) {
    struct adze_weights_header header;
    uint8_t hash[32];
    if (bytes < sizeof header) return ADZE_NOT_A_MODEL;
    memcpy(&header, file, sizeof header);
    if (memcmp(header.magic, ADZE_WEIGHTS_MAGIC, sizeof header.magic) != 0 || header.bytes != bytes)
        return ADZE_NOT_A_MODEL;
    if (header.bytes != model->weights_bytes ||
        memcmp(header.hash, model->weights_hash, sizeof header.hash) != 0)
        return ADZE_WRONG_WEIGHTS;
    adze_hash((const char *)file + sizeof header, bytes - sizeof header, hash);
    return memcmp(hash, header.hash, sizeof hash) == 0 ? ADZE_OK : ADZE_NOT_A_MODEL;
}

int adze_weights_open(const struct adze_model *model, const char *path, const void **weights) {
    struct stat info;
    *weights = NULL;
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (file < 0) return ADZE_NO_FILE;
    int code = fstat(file, &info) == 0 && S_ISREG(info.st_mode) ? ADZE_OK : ADZE_NO_FILE;
    if (code == ADZE_OK && (uint64_t)info.st_size < sizeof(struct adze_weights_header))
        code = ADZE_NOT_A_MODEL;
    void *map = MAP_FAILED;
    if (code == ADZE_OK) {
        map = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE, file, 0);
        if (map == MAP_FAILED) code = ADZE_NO_FILE;
    }
    close(file);
    if (code == ADZE_OK) code = adze_weights_check(model, map, (size_t)info.st_size);
    if (code == ADZE_OK)
        *weights = map;
    else if (map != MAP_FAILED)
        munmap(map, (size_t)info.st_size);
    return code;
}

void adze_weights_close(const struct adze_model *model, const void *weights) {
    if (weights) munmap((void *)(uintptr_t)weights, (size_t)model->weights_bytes);
}
