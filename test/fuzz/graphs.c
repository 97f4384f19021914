/* Compares compiled random graphs with the interpreter; see usage. Each graph is made from a number, its
 * seed, alone: `graphs --seed=N --count=1` runs graph N again. */
#include "frontend/read.h"
#include "ir/print.h"

#include "test/support/fuzz/gen.h"
#include "test/support/fuzz/isolate.h"
#include "test/support/fuzz/shrink.h"
#include "test/support/fuzz/stats.h"
#include "test/support/fuzz/targets.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
    "usage: graphs [--seed=N] [--count=N] [OPTION...]\n"
    "       graphs --model=FILE [OPTION...]\n"
    "\n"
    "  --seed=N          the first graph (default 1)\n"
    "  --count=N         how many (default 1)\n"
    "  --model=FILE      a text instead of a random graph; N is the seed of its inputs\n"
    "  --target=NAME     for this CPU; default: levels of x86-64 that this machine has, in turn\n"
    "  --passes=TEXT     this pipeline; default: the compiler's, and now and then plain layouts only\n"
    "  --plain           plain layouts only\n"
    "  --all             every graph with every target and both layouts\n"
    "  --compress[=TEXT] run compression passes first, with `;` between them; default: networks, random "
    "passes\n"
    "  --samples=N       samples that these passes see, with --compress=TEXT (default 0)\n"
    "  --whole           weights and inputs are small whole numbers; default: every second network\n"
    "  --specials        NaN, infinities, denormals among the numbers; default: every third graph\n"
    "  --timeout=N       seconds for each graph (default 60)\n"
    "  --shrink          make failing graphs small and print them as tests\n"
    "  --print           print the graphs and run nothing\n"
    "  --stats           say what the graphs were made of, as JSON\n"
    "  --max-failures=N  stop after so many (default 20)\n";

struct options {
    uint64_t seed, count;
    const char *model, *target, *passes;
    const char *compress; /* "": random passes */
    bool plain, all, specials, shrink, print, stats, whole;
    unsigned timeout, max_failures, samples;
};

static const char *value_of(const char *argument, const char *option) {
    size_t n = strlen(option);
    return !strncmp(argument, option, n) && argument[n] == '=' ? argument + n + 1 : NULL;
}

static bool read_flag(struct options *o, const char *argument) {
    const struct {
        const char *name;
        bool *flag;
    } flags[] = {{"--plain", &o->plain},   {"--all", &o->all},     {"--specials", &o->specials},
                 {"--shrink", &o->shrink}, {"--print", &o->print}, {"--stats", &o->stats},
                 {"--whole", &o->whole}};
    for (size_t i = 0; i < COUNT_OF(flags); i++)
        if (!strcmp(argument, flags[i].name)) return *flags[i].flag = true;
    if (strcmp(argument, "--compress") != 0) return false;
    o->compress = "";
    return true;
}

static bool read_option(struct options *o, const char *argument) {
    const char *v;
    if ((v = value_of(argument, "--seed")))
        o->seed = strtoull(v, NULL, 10);
    else if ((v = value_of(argument, "--count")))
        o->count = strtoull(v, NULL, 10);
    else if ((v = value_of(argument, "--timeout")))
        o->timeout = (unsigned)strtoul(v, NULL, 10);
    else if ((v = value_of(argument, "--max-failures")))
        o->max_failures = (unsigned)strtoul(v, NULL, 10);
    else if ((v = value_of(argument, "--model")))
        o->model = v;
    else if ((v = value_of(argument, "--target")))
        o->target = v;
    else if ((v = value_of(argument, "--passes")))
        o->passes = v;
    else if ((v = value_of(argument, "--compress")))
        o->compress = v;
    else if ((v = value_of(argument, "--samples")))
        o->samples = (unsigned)strtoul(v, NULL, 10);
    else
        return read_flag(o, argument);
    return true;
}

struct fuzzer {
    struct options o;
    struct fuzz_targets targets;
    char *plain_pipeline;
    struct fuzz_stats stats;
    unsigned failures;
};

/* A test of its own: the graph as text with the command that runs it. */
static void print_test(const struct module *m, const struct fuzz_config *config, const struct fuzzer *f) {
    struct str text = {0};
    print_module(m, &text);
    printf("# RUN: %%build/bin/fuzz/graphs --model=%%s --seed=%llu --all%s%s",
           (unsigned long long)config->seed, config->specials ? " --specials" : "",
           config->whole ? " --whole" : "");
    if (config->samples) printf(" --samples=%u", config->samples);
    if (config->compress) printf(" '--compress=%s'", config->compress);
    printf("\n");
    printf("# found for %s%s\n", config->target,
           config->pipeline == f->plain_pipeline ? ", plain layouts" : "");
    printf("%s\n", str_text(&text));
    str_free(&text);
}

static void report(struct fuzzer *f, const struct module *m, const struct fuzz_config *config,
                   const struct fuzz_outcome *outcome) {
    f->failures++;
    const char *layouts = !config->pipeline                       ? ""
                          : config->pipeline == f->plain_pipeline ? ", plain layouts"
                                                                  : ", own pipeline";
    printf("seed %llu (%s%s%s%s%s): %s: %s\n", (unsigned long long)config->seed, config->target, layouts,
           config->specials ? ", specials" : "", config->compress ? ", " : "",
           config->compress ? config->compress : "", fuzz_failure_text(outcome->failure),
           str_text(&outcome->text));
    if (f->o.shrink) {
        struct module *small = fuzz_shrink(m, config, outcome->failure, 600);
        print_test(small, config, f);
        module_free(small);
    }
    fflush(stdout);
}

static void run_config(struct fuzzer *f, const struct module *m, struct fuzz_config config) {
    if (f->failures >= f->o.max_failures) return;
    struct fuzz_outcome outcome = fuzz_isolated(m, &config, f->o.timeout);
    fuzz_stats_add_run(&f->stats, &config, outcome.failure, &outcome.counts);
    if (outcome.failure) report(f, m, &config, &outcome);
    fuzz_outcome_free(&outcome);
}

static void run_graph(struct fuzzer *f, const struct module *m, uint64_t seed, struct fuzz_config config) {
    config.seed = seed;
    config.specials = f->o.specials || (!f->o.model && !config.whole && seed % 3 == 0);
    if (config.compress) fuzz_stats_add_passes(&f->stats, config.compress);
    bool plain = f->o.plain || (!f->o.model && seed % 5 == 0);
    config.target = f->targets.name[seed % f->targets.count];
    config.pipeline = f->o.passes ? f->o.passes : plain ? f->plain_pipeline : NULL;
    fuzz_stats_add(&f->stats, m);
    if (!f->o.all) {
        run_config(f, m, config);
        return;
    }
    for (uint32_t t = 0; t < f->targets.count; t++)
        for (int layout = 0; layout < 2; layout++) {
            config.target = f->targets.name[t];
            config.pipeline = f->o.passes ? f->o.passes : layout ? f->plain_pipeline : NULL;
            run_config(f, m, config);
        }
}

static void print_graph(const struct module *m) {
    struct str text = {0};
    print_module(m, &text);
    printf("%s\n", str_text(&text));
    str_free(&text);
}

static int run_model(struct fuzzer *f) {
    struct diag diag = {0};
    struct module *m;
    struct read_options options = {.missing = MISSING_IS_RANDOM};
    if (read_adz(f->o.model, &options, &diag, &m) != STATUS_OK) {
        diag_print(&diag, stderr);
        return 1;
    }
    struct fuzz_config config = {.compress = f->o.compress, .samples = f->o.samples, .whole = f->o.whole};
    run_graph(f, m, f->o.seed, config);
    module_free(m);
    diag_free(&diag);
    return f->failures > 0;
}

/* With --compress two of three graphs are networks, and if passes are chosen here, half of those such that
 * can become integer ones. */
static bool wants_integers(const struct fuzzer *f, uint64_t seed) {
    return f->o.compress && !*f->o.compress && seed % 3 == 1;
}

static struct module *random_graph(struct fuzzer *f, uint64_t seed, struct fuzz_config *config) {
    config->whole = f->o.whole;
    if (!f->o.compress || seed % 3 == 2) return gen_module(seed, f->stats.patterns);
    return gen_network(seed, wants_integers(f, seed), f->stats.blocks, &config->whole);
}

static int run_random(struct fuzzer *f) {
    for (uint64_t i = 0; i < f->o.count && f->failures < f->o.max_failures; i++) {
        uint64_t seed = f->o.seed + i;
        struct fuzz_config config = {.compress = f->o.compress, .samples = f->o.samples};
        struct module *m = random_graph(f, seed, &config);
        char *passes = NULL;
        if (f->o.compress && !*f->o.compress) {
            uint32_t samples;
            config.compress = passes = fuzz_compression(seed, wants_integers(f, seed), &samples);
            config.samples = samples;
        }
        if (f->o.print)
            print_graph(m);
        else
            run_graph(f, m, seed, config);
        free(passes);
        module_free(m);
    }
    return f->failures > 0;
}

int main(int argc, char **argv) {
    struct fuzzer f = {.o = {.seed = 1, .count = 1, .timeout = 60, .max_failures = 20}};
    fuzz_want_one_thread(argv);
    for (int i = 1; i < argc; i++)
        if (!read_option(&f.o, argv[i])) {
            fputs(usage, strcmp(argv[i], "--help") ? stderr : stdout);
            return strcmp(argv[i], "--help") ? 2 : 0;
        }
    f.targets = f.o.target ? (struct fuzz_targets){{f.o.target}, 1} : fuzz_targets_here();
    f.stats.plain_pipeline = f.plain_pipeline = fuzz_plain_pipeline();
    int status = f.o.model ? run_model(&f) : run_random(&f);
    if (f.o.stats) fuzz_stats_print(&f.stats, stdout);
    if (!f.o.print && !f.o.model)
        printf("%llu graphs, %u failures\n", (unsigned long long)f.stats.graphs, f.failures);
    free(f.plain_pipeline);
    fuzz_stats_free(&f.stats);
    return status;
}
