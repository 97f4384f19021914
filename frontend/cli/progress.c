#include "frontend/cli/data.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

static double seconds_now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void draw_bar(const char *what, double part, double left) {
    enum { WIDTH = 30 };
    char bar[WIDTH + 1];
    for (int i = 0; i < WIDTH; i++) bar[i] = i < (int)(part * WIDTH) ? '#' : '.';
    bar[WIDTH] = 0;
    fprintf(stderr, "\r%s [%s] %3.0f%% %4.0f s left ", what, bar, part * 100, left);
}

void progress_report(void *ctx, const char *what, uint64_t done, uint64_t total) {
    enum { SHORT = 2 }; /* seconds that pass without a word */
    struct progress_bar *bar = ctx;
    double now = seconds_now(), part = total ? (double)done / (double)total : 1;
    bool terminal = isatty(STDERR_FILENO), end = done >= total;
    if (!bar->start || done <= 1) *bar = (struct progress_bar){.start = now};
    double spent = now - bar->start, left = part > 0 ? spent / part - spent : 0;
    if (terminal && !end && spent > SHORT && now - bar->drawn > 0.1) {
        draw_bar(what, part, left);
        bar->drawn = now;
        bar->shown = true;
    }
    if (terminal && end && bar->shown) fprintf(stderr, "\r\033[K");
    if (!terminal && spent > SHORT && (unsigned)(part * 10) > bar->tenth) {
        bar->tenth = (unsigned)(part * 10);
        fprintf(stderr, "%s: %u%%, %.0f s left\n", what, bar->tenth * 10, left);
    }
    if (end) *bar = (struct progress_bar){0};
}
