/* BLAKE2b-256; expected values from Python's hashlib. */
#include "runtime/hash.h"

#include "test/support/unit.h"

static void check_hash(const void *bytes, size_t size, const char *want) {
    uint8_t hash[32];
    char text[65];
    adze_hash(bytes, size, hash);
    for (unsigned i = 0; i < 32; i++) snprintf(text + 2 * i, 3, "%02x", hash[i]);
    CHECK_TEXT(text, want);
}

int main(void) {
    unsigned char pattern[1000];
    for (unsigned i = 0; i < sizeof pattern; i++) pattern[i] = (unsigned char)(i * 7 % 251);
    check_hash("", 0, "0e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787faab45cdf12fe3a8");
    check_hash("abc", 3, "bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319");
    check_hash(pattern, 128, "9101ed0a248b57efc0c6070cfbf9cf316c182d125ad6191c1f7783c3d32b6346");
    check_hash(pattern, 129, "60f5e954d1a1775362ffd0762ed37bbe101ed5e88896dd793f1a889786fb3132");
    check_hash(pattern, 1000, "a494537cc57474059ebe7a7f7a76c03306551355abebb1967408ed04e7564fa9");
    return unit_status();
}
