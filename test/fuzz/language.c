/* Feeds damaged texts to the reader. No text may crash it or make it hang, and what it accepts and the
 * verifier too must print as a text that reads back and prints the same.
 *
 *   language RUNS SEED FILE...    mutates the files RUNS times, the same way for the same SEED
 *
 * Or with libFuzzer:
 *
 *   CC=clang cmake -S . -B build/libfuzzer -G Ninja -DADZE_LIBFUZZER=ON -DADZE_SANITIZE=ON -DADZE_WERROR=OFF
 *   ninja -C build/libfuzzer bin/fuzz/language && build/libfuzzer/bin/fuzz/language CORPUS */
#include "frontend/read.h"
#include "ir/base/file.h"
#include "ir/print.h"
#include "ir/verify.h"

#include <stdlib.h>
#include <string.h>

/* Diagnostics are printed too: carets walk the hostile text. */
static void discard(struct diag *diag) {
    FILE *nowhere = fopen("/dev/null", "w");
    if (nowhere) {
        diag_print(diag, nowhere);
        fclose(nowhere);
    }
    diag_free(diag);
}

static struct module *read(const char *text, size_t length, struct diag *diag) {
    static const struct read_options options = {.missing = MISSING_IS_RANDOM};
    struct module *m = NULL;
    enum status status = read_adz_text("fuzz.adz", text, length, &options, diag, &m);
    if ((status == STATUS_OK) != (diag->errors == 0)) bug("status and diagnostics disagree");
    if (status != STATUS_OK) return NULL;
    if (verify_module(m, true, diag) == STATUS_OK) return m;
    module_free(m);
    return NULL;
}

static void check_text(const char *text, size_t length) {
    struct diag diag = {0};
    struct module *m = read(text, length, &diag), *again = NULL;
    struct str first = {0}, second = {0};
    if (m) {
        print_module(m, &first);
        again = read(str_text(&first), first.length, &diag);
        if (!again) {
            diag_print(&diag, stderr);
            bug("what was printed does not read back:\n%s", str_text(&first));
        }
        print_module(again, &second);
        if (strcmp(str_text(&first), str_text(&second)))
            bug("printed differently the second time:\n%s\n%s", str_text(&first), str_text(&second));
    }
    str_free(&first);
    str_free(&second);
    module_free(m);
    module_free(again);
    discard(&diag);
}

#ifdef ADZE_LIBFUZZER
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    check_text((const char *)data, size);
    return 0;
}
#else

static uint64_t next_random(uint64_t *state) { /* xorshift64 */
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static size_t below(uint64_t *state, size_t bound) {
    return bound ? (size_t)(next_random(state) % bound) : 0;
}

struct seeds {
    struct file_view *at;
    uint32_t count;
};

/* What to put in: words and numbers that mean something. */
static const char *const words[] = {
    "(",
    ")",
    "{",
    "}",
    "[",
    "]",
    ",",
    "=",
    ":",
    "..",
    "..=",
    "@",
    "%",
    "*",
    "-",
    "/",
    "+",
    ".",
    "\"",
    "f\"{i}\"",
    "0",
    "-1",
    "1",
    "2",
    "65536",
    "1073741824",
    "9223372036854775807",
    "1e308",
    "nan",
    "-inf",
    "input ",
    "output ",
    "weight ",
    "block ",
    "repeat ",
    "return ",
    "fuse(x) { return x }",
    "plan {",
    "dim n in 0..=4\n",
    "f32[",
    "i64[2] {1, 2}",
    "bool true",
    "layout(n, c/16, h, w, c%16)",
    " at scratch(0) ",
    " schedule(mr = 1) ",
    "\n",
    "#",
    "\xc3\xa9",
    "\\x00",
    "include \"fuzz.adz\"\n",
    "weights \"no.safetensors\"\n",
    "metadata \"a\" = \"b\"\n",
    "[i]",
    ".weight",
};

static void insert(struct str *text, size_t at, const char *bytes, size_t length) {
    struct str out = {0};
    str_add_bytes(&out, str_text(text), at);
    str_add_bytes(&out, bytes, length);
    str_add_bytes(&out, str_text(text) + at, text->length - at);
    str_free(text);
    *text = out;
}

static void erase(struct str *text, size_t at, size_t length) {
    memmove(text->text + at, text->text + at + length, text->length - at - length + 1);
    text->length -= length;
}

static void mutate(struct str *text, const struct seeds *seeds, uint64_t *state) {
    const struct file_view *other = &seeds->at[below(state, seeds->count)];
    size_t at = below(state, text->length), left = text->length - at, from;
    const char *word = words[below(state, COUNT_OF(words))];
    if (!left) return;
    switch (below(state, 7)) {
    case 0:
        text->text[at] = (char)next_random(state);
        break;
    case 1:
        text->text[at] ^= (char)(1 << below(state, 7));
        break;
    case 2:
        erase(text, at, 1 + below(state, left < 40 ? left : 40));
        break;
    case 3:
    case 4:
        insert(text, at, word, strlen(word));
        break;
    case 5: { /* a stretch of its own once more */
        char *copy = strndup(text->text + at, 1 + below(state, left < 80 ? left : 80));
        insert(text, below(state, text->length), copy, strlen(copy));
        free(copy);
        break;
    }
    default:
        from = below(state, other->size);
        insert(text, at, (const char *)other->bytes + from,
               below(state, other->size - from < 80 ? other->size - from : 80));
    }
}

static void run_once(const struct seeds *seeds, uint64_t *state) {
    const struct file_view *seed = &seeds->at[below(state, seeds->count)];
    struct str text = {0};
    str_add_bytes(&text, (const char *)seed->bytes, seed->size);
    for (size_t n = 1 + below(state, 6); n; n--) mutate(&text, seeds, state);
    if (getenv("FUZZ_TRACE"))
        (void)!file_write(getenv("FUZZ_TRACE"), str_text(&text), text.length, &(struct diag){0});
    check_text(str_text(&text), text.length);
    str_free(&text);
}

int main(int argc, char **argv) {
    struct diag diag = {0};
    struct seeds seeds = {0};
    if (argc < 4) {
        fprintf(stderr, "usage: language RUNS SEED FILE...\n");
        return 2;
    }
    seeds.at = xcalloc((size_t)argc, sizeof *seeds.at);
    for (int i = 3; i < argc; i++) {
        if (file_open_view(argv[i], &diag, &seeds.at[seeds.count++]) == STATUS_OK) continue;
        diag_print(&diag, stderr);
        return 1;
    }
    uint64_t state = strtoull(argv[2], NULL, 10) * UINT64_C(0x9e3779b97f4a7c15) + 1;
    for (uint32_t i = 0; i < seeds.count; i++) check_text((const char *)seeds.at[i].bytes, seeds.at[i].size);
    for (long runs = strtol(argv[1], NULL, 10); runs > 0; runs--) run_once(&seeds, &state);
    for (uint32_t i = 0; i < seeds.count; i++) file_close_view(&seeds.at[i]);
    free(seeds.at);
    diag_free(&diag);
    return 0;
}
#endif
