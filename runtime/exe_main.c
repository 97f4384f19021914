/* The main function of a program made with --emit=exe: reads its inputs from .npy files, runs the model that
 * it was linked with, writes the outputs. */
#include "runtime/npy.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern const struct adze_model adze_model;

enum { EXIT_INPUT = 1, EXIT_USAGE = 2 };

struct program {
    const char *name;
    const struct adze_model *model;
    const char **file; /* [ports] of the command line; null: none given */
    struct npy *array; /* [ports] */
    int64_t *symbol;   /* [symbols]; -1: not known yet */
    const char *stem, *weights;
    uint32_t threads;
};

__attribute__((format(printf, 3, 4), noreturn)) static void stop(const struct program *p, int status,
                                                                 const char *fmt, ...) {
    va_list args;
    fprintf(stderr, "%s: error: ", p->name);
    va_start(args, fmt);
    vfprintf(stderr, fmt, args);
    va_end(args);
    fputc('\n', stderr);
    exit(status);
}

static void *allocate(const struct program *p, size_t count, size_t size) {
    void *memory = calloc(count ? count : 1, size);
    if (!memory) stop(p, EXIT_INPUT, "there is not enough memory");
    return memory;
}

static void print_shape(FILE *to, const struct adze_model *model, const struct adze_port *port) {
    fprintf(to, "%s[", adze_elem_name(port->elem));
    for (uint32_t d = 0; d < port->rank; d++) {
        int64_t dim = port->dim[d];
        if (d) fputs(", ", to);
        if (dim >= 0)
            fprintf(to, "%lld", (long long)dim);
        else
            fputs(dim == ADZE_COMPUTED ? "..." : model->symbol[-1 - dim]->name, to);
    }
    fputs("]", to);
}

static void help(const struct program *p) {
    printf("usage: %s NAME=FILE.npy... [-o STEM] [--threads=N]%s\n\n"
           "Runs the model \"%s\". Each input is read from a file. Each output is written to the file that\n"
           "NAME=FILE.npy gives it, else to STEM.NAME.npy, or NAME.npy without a STEM.\n\n",
           p->name, p->model->weights_bytes ? " [--weights=FILE]" : "", p->model->name);
    for (uint32_t i = 0; i < p->model->ports; i++) {
        const struct adze_port *port = p->model->port[i];
        printf("  %-7s %s: ", port->role == ADZE_INPUT ? "input" : "output", port->name);
        print_shape(stdout, p->model, port);
        putchar('\n');
    }
}

/* Names may hold "=": the longest port's name that fits wins. An input may be an output, too: of two ports of
 * one name the first has the first file. */
static void take_port(struct program *p, const char *argument) {
    uint32_t best = p->model->ports;
    size_t length = 0;
    for (uint32_t i = 0; i < p->model->ports; i++) {
        size_t n = strlen(p->model->port[i]->name);
        if (strncmp(argument, p->model->port[i]->name, n) != 0 || argument[n] != '=') continue;
        int first = best == p->model->ports || n > length, next = n == length && p->file[best] && !p->file[i];
        if (first || next) best = i, length = n;
    }
    if (best == p->model->ports) {
        fprintf(stderr, "%s: error: '%s' is no option and names no input or output\n\n", p->name, argument);
        exit(EXIT_USAGE);
    }
    p->file[best] = argument + length + 1;
}

static const char *option(const struct program *p, char **argv, int *i, const char *name) {
    size_t n = strlen(name);
    if (strncmp(argv[*i], name, n) != 0) return NULL;
    if (argv[*i][n] == '=') return argv[*i] + n + 1;
    if (argv[*i][n]) return NULL;
    if (!argv[*i + 1]) stop(p, EXIT_USAGE, "%s needs a value", name);
    return argv[++*i];
}

static void take_arguments(struct program *p, char **argv) {
    for (int i = 1; argv[i]; i++) {
        const char *value;
        if (strcmp(argv[i], "--help") == 0) {
            help(p);
            exit(0);
        } else if ((value = option(p, argv, &i, "-o"))) {
            p->stem = value;
        } else if ((value = option(p, argv, &i, "--weights"))) {
            p->weights = value;
        } else if ((value = option(p, argv, &i, "--threads"))) {
            char *end;
            unsigned long n = strtoul(value, &end, 10);
            if (*end || end == value || n > 1024) stop(p, EXIT_USAGE, "--threads=%s: not 0 to 1024", value);
            p->threads = (uint32_t)n;
        } else {
            take_port(p, argv[i]);
        }
    }
}

static void check_dim(struct program *p, const struct adze_port *port, uint32_t d, int64_t got) {
    int64_t want = port->dim[d];
    if (want == ADZE_COMPUTED) return;
    if (want < 0) {
        int64_t *symbol = &p->symbol[-1 - want];
        if (*symbol < 0) *symbol = got;
        want = *symbol;
    }
    if (got != want)
        stop(p, EXIT_INPUT, "input '%s': dimension %u is %lld, the model takes %lld", port->name, d,
             (long long)got, (long long)want);
}

static void read_inputs(struct program *p) {
    for (uint32_t i = 0; i < p->model->ports; i++) {
        const struct adze_port *port = p->model->port[i];
        if (port->role != ADZE_INPUT) continue;
        if (!p->file[i])
            stop(p, EXIT_USAGE, "input '%s' has no file: give %s=FILE.npy", port->name, port->name);
        const char *wrong = adze_npy_read(p->file[i], &p->array[i]);
        if (wrong) stop(p, EXIT_INPUT, "%s: %s", p->file[i], wrong);
        if (p->array[i].elem != port->elem)
            stop(p, EXIT_INPUT, "input '%s': the file holds %s, the model takes %s", port->name,
                 adze_elem_name(p->array[i].elem), adze_elem_name(port->elem));
        if (p->array[i].rank != port->rank)
            stop(p, EXIT_INPUT, "input '%s': the file has %u dimensions, the model takes %u", port->name,
                 p->array[i].rank, port->rank);
        for (uint32_t d = 0; d < port->rank; d++) check_dim(p, port, d, p->array[i].dim[d]);
    }
}

static void make_outputs(struct program *p) {
    for (uint32_t i = 0; i < p->model->ports; i++) {
        const struct adze_port *port = p->model->port[i];
        struct npy *array = &p->array[i];
        int64_t dim[NPY_MAX_RANK];
        if (port->rank > NPY_MAX_RANK) stop(p, EXIT_INPUT, "'%s' has %u dimensions", port->name, port->rank);
        int code = p->model->shape(i, p->symbol, dim);
        if (code != ADZE_OK) stop(p, EXIT_INPUT, "%s", adze_error_text(code));
        if (port->role == ADZE_INPUT) {
            for (uint32_t d = 0; d < port->rank; d++)
                if (dim[d] != array->dim[d])
                    stop(p, EXIT_INPUT, "input '%s': dimension %u is %lld, the others make it %lld",
                         port->name, d, (long long)array->dim[d], (long long)dim[d]);
            continue;
        }
        *array = (struct npy){.elem = port->elem, .rank = port->rank, .bytes = adze_elem_bytes(port->elem)};
        for (uint32_t d = 0; d < port->rank; d++) array->bytes *= (size_t)(array->dim[d] = dim[d]);
        array->data = allocate(p, array->bytes, 1);
    }
}

static void run(struct program *p) {
    struct adze_session *session;
    void **port = allocate(p, p->model->ports, sizeof *port);
    int code = adze_open(p->model, p->weights, p->threads, &session);
    if (code == ADZE_NO_FILE && !p->weights) stop(p, EXIT_USAGE, "the model needs --weights=FILE");
    if (code == ADZE_OK) {
        struct adze_call call = *adze_session_call(session);
        for (uint32_t i = 0; i < p->model->ports; i++) port[i] = p->array[i].data;
        call.symbols = p->symbol;
        call.port = port;
        code = p->model->run(&call);
        adze_close(session);
    }
    free(port);
    if (code != ADZE_OK) stop(p, EXIT_INPUT, "%s", adze_error_text(code));
}

/* STEM.NAME.npy; a name's slashes would lead into folders. */
static char *output_path(const struct program *p, const char *name) {
    const char *stem = p->stem ? p->stem : "";
    size_t bytes = strlen(stem) + strlen(name) + 8;
    char *path = allocate(p, bytes, 1), *at = path + snprintf(path, bytes, "%s%s", stem, p->stem ? "." : "");
    snprintf(at, bytes - (size_t)(at - path), "%s.npy", name);
    for (; *at; at++)
        if (*at == '/') *at = '_';
    return path;
}

static void write_outputs(const struct program *p) {
    for (uint32_t i = 0; i < p->model->ports; i++) {
        const struct adze_port *port = p->model->port[i];
        if (port->role != ADZE_OUTPUT) continue;
        char *path = output_path(p, port->name);
        const char *file = p->file[i] ? p->file[i] : path;
        const char *wrong = adze_npy_write(file, &p->array[i]);
        if (wrong) stop(p, EXIT_INPUT, "%s: %s", file, wrong);
        free(path);
    }
}

int main(int argc, char **argv) {
    struct program p = {.name = argc ? argv[0] : "model", .model = &adze_model, .threads = 1};
    const char *slash = strrchr(p.name, '/');
    if (slash) p.name = slash + 1;
    p.file = allocate(&p, p.model->ports, sizeof *p.file);
    p.array = allocate(&p, p.model->ports, sizeof *p.array);
    p.symbol = allocate(&p, p.model->symbols, sizeof *p.symbol);
    for (uint32_t s = 0; s < p.model->symbols; s++) p.symbol[s] = -1;
    take_arguments(&p, argv);
    read_inputs(&p);
    make_outputs(&p);
    run(&p);
    write_outputs(&p);
    for (uint32_t i = 0; i < p.model->ports; i++) adze_npy_free(&p.array[i]);
    free(p.symbol);
    free(p.array);
    free(p.file);
    return 0;
}
