/* The guard itself: what it must catch faults, what it must allow does not. */
#include "test/support/guard.h"

#include "test/support/unit.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

enum access { READ, WRITE };

/* Whether touching a byte ends a process. */
static int faults(const struct guard *guard, long offset, enum access access) {
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        volatile char *at = (volatile char *)guard->data + offset;
        signal(SIGSEGV, SIG_DFL);
        if (access == WRITE) *at = 1;
        (void)*at;
        _exit(0);
    }
    int status = 0;
    waitpid(child, &status, 0);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV;
}

int main(void) {
    static const size_t sizes[] = {1, 4, 64, 4095, 4096, 4097, 100000};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        long n = (long)sizes[i];
        struct guard after = guard_make(sizes[i], GUARD_AFTER), before = guard_make(sizes[i], GUARD_BEFORE);
        CHECK(faults(&after, n, READ) && !faults(&after, n - 1, WRITE) && !faults(&after, 0, WRITE));
        CHECK(faults(&before, -1, READ) && !faults(&before, n - 1, WRITE) && !faults(&before, 0, WRITE));
        guard_poison(&after);
        CHECK(guard_poisoned(&after) == sizes[i]);
        ((char *)after.data)[n - 1] = 0;
        CHECK(guard_poisoned(&after) == sizes[i] - 1);
        guard_read_only(&after);
        CHECK(!faults(&after, n - 1, READ) && faults(&after, n - 1, WRITE));
        guard_writable(&after);
        CHECK(!faults(&after, n - 1, WRITE));
        guard_free(&after);
        guard_free(&before);
    }
    struct guard empty = guard_make(0, GUARD_AFTER);
    CHECK(faults(&empty, 0, READ));
    guard_read_only(&empty);
    guard_free(&empty);
    return unit_status();
}
