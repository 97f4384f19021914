#include "test/support/fuzz/isolate.h"

#include "test/support/temporary.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* What the child sends first; then the text, up to the end of the pipe. */
struct message {
    enum fuzz_failure failure;
    struct fuzz_counts counts;
};

enum { MOST_TEXT = 4000 };

static void write_all(int to, const void *bytes, size_t count) {
    for (const char *at = bytes; count;) {
        ssize_t n = write(to, at, count);
        if (n <= 0) return;
        at += n;
        count -= (size_t)n;
    }
}

NORETURN static void child(const struct module *m, const struct fuzz_config *config, int to) {
    struct str why = {0};
    struct message message = {0};
    message.failure = fuzz_check(m, config, &message.counts, &why);
    write_all(to, &message, sizeof message);
    write_all(to, str_text(&why), why.length);
    _exit(0);
}

static int64_t milliseconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Reads up to the end, or until the time is over (false). */
static bool read_until(int from, int64_t deadline, struct str *out) {
    for (;;) {
        int64_t left = deadline - milliseconds();
        struct pollfd ready = {.fd = from, .events = POLLIN};
        if (left <= 0) return false;
        int n = poll(&ready, 1, (int)left);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return false;
        char chunk[4096];
        ssize_t got = read(from, chunk, sizeof chunk);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return true;
        if (out->length < sizeof(struct message) + MOST_TEXT) str_add_bytes(out, chunk, (size_t)got);
    }
}

static void add_file(const char *path, struct str *out) {
    FILE *file = fopen(path, "r");
    if (!file) return;
    char chunk[MOST_TEXT];
    size_t n = fread(chunk, 1, sizeof chunk, file);
    str_add_bytes(out, chunk, n);
    fclose(file);
}

static void judge(struct fuzz_outcome *outcome, const struct str *read, int status, const char *said) {
    struct message message;
    if (read->length >= sizeof message && WIFEXITED(status)) {
        memcpy(&message, read->text, sizeof message);
        outcome->failure = message.failure;
        outcome->counts = message.counts;
        str_add_bytes(&outcome->text, read->text + sizeof message, read->length - sizeof message);
        return;
    }
    outcome->failure = FUZZ_CRASH;
    if (WIFSIGNALED(status)) str_printf(&outcome->text, "%s: ", strsignal(WTERMSIG(status)));
    add_file(said, &outcome->text);
}

struct fuzz_outcome fuzz_isolated(const struct module *m, const struct fuzz_config *config,
                                  unsigned seconds) {
    struct fuzz_outcome outcome = {0};
    struct temporary folder = temporary_make();
    struct fuzz_config own = *config;
    own.folder = folder.folder;
    const char *said = temporary_path(&folder, "said");
    int ends[2];
    if (pipe(ends)) bug("no pipe: %s", strerror(errno));
    fflush(NULL);
    pid_t pid = fork();
    if (pid < 0) bug("no process: %s", strerror(errno));
    if (!pid) {
        close(ends[0]);
        if (!freopen(said, "w", stderr) || setvbuf(stderr, NULL, _IONBF, 0)) _exit(1);
        child(m, &own, ends[1]);
    }
    close(ends[1]);
    struct str read = {0};
    bool in_time = read_until(ends[0], milliseconds() + 1000 * (int64_t)seconds, &read);
    if (!in_time) kill(pid, SIGKILL);
    close(ends[0]);
    int status = 0;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    if (in_time) {
        judge(&outcome, &read, status, said);
    } else {
        outcome.failure = FUZZ_TIMEOUT;
        str_printf(&outcome.text, "not done after %u s", seconds);
    }
    str_free(&read);
    temporary_remove(&folder);
    return outcome;
}

void fuzz_outcome_free(struct fuzz_outcome *outcome) {
    str_free(&outcome->text);
}
