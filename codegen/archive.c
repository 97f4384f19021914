#include "codegen/archive.h"

#include <ar.h>
#include <string.h>

/* A member's header; `name` with the slash that ends it. */
static void put_header(struct file_writer *to, const char *name, size_t size) {
    char text[sizeof(struct ar_hdr) + 1];
    int n = snprintf(text, sizeof text, "%-16s%-12d%-6d%-6d%-8o%-10zu%s", name, 0, 0, 0, 0644u, size, ARFMAG);
    if (n != (int)sizeof(struct ar_hdr)) bug("an archive member '%s' of %zu bytes", name, size);
    file_put(to, text, sizeof(struct ar_hdr));
}

static void put_big_endian(struct file_writer *to, uint32_t value) {
    const unsigned char bytes[] = {(unsigned char)(value >> 24), (unsigned char)(value >> 16),
                                   (unsigned char)(value >> 8), (unsigned char)value};
    file_put(to, bytes, sizeof bytes);
}

void archive_write(struct file_writer *to, const char *member, const char *symbol, const void *object,
                   size_t size) {
    size_t name = strlen(symbol) + 1, index = 8 + name;
    char header_name[17];
    snprintf(header_name, sizeof header_name, "%s/", member);
    file_put(to, ARMAG, SARMAG);
    put_header(to, "/", index);
    put_big_endian(to, 1);
    put_big_endian(to, (uint32_t)(SARMAG + sizeof(struct ar_hdr) + index + index % 2));
    file_put(to, symbol, name);
    if (index % 2) file_put(to, "\n", 1); /* members begin at even offsets */
    put_header(to, header_name, size);
    file_put(to, object, size);
    if (size % 2) file_put(to, "\n", 1);
}
