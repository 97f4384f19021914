/* adze_model.h: what a compiled model and its caller agree on.
 *
 * A compiled model is plain code and constants. It exports one symbol, NAME_model (a shared library
 * exports it as `adze_model` too, which is what a loader asks dlsym for). It allocates nothing, starts no
 * thread, calls no library and keeps nothing between two runs: it reads its inputs and its weights, writes
 * its outputs and the scratch memory it was handed, and may run in any number of threads at once as long as
 * each run has its own scratch and outputs. It expects the floating-point environment that a program starts
 * with (round to nearest, subnormal numbers kept).
 *
 * How this file grows: fields are only ever appended to a struct, and whoever fills a struct in writes its
 * own sizeof into the first field, so either side can be the newer one. Arrays are arrays of pointers for
 * the same reason. ADZE_ABI changes only when that is not enough.
 */
#ifndef ADZE_MODEL_H
#define ADZE_MODEL_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define ADZE_ABI 1u

/* The alignment in bytes that scratch memory and external weights must have. Ports need only the alignment
 * of their element type. */
#define ADZE_ALIGN 64u

/* What every function of a model returns: 0, or what went wrong and who has to do something about it.
 * Nothing has been written to the outputs when a code other than ADZE_OK comes back. */
enum adze_error {
    ADZE_OK = 0,
    ADZE_WRONG_ABI = 1, /* caller and model were built against headers that do not go together: rebuild */
    ADZE_NO_CPU = 2,    /* this CPU (or its OS) lacks instructions the variant needs: compile for it */
    ADZE_BAD_ARGUMENT =
        3, /* a null or misaligned pointer, or a port or variant there is none of: fix the call */
    ADZE_OUT_OF_RANGE = 4,  /* a symbol's value that no variant was compiled for: see adze_symbol.lo, hi */
    ADZE_BAD_SCRATCH = 5,   /* scratch is null, misaligned, or smaller than scratch() says */
    ADZE_WRONG_WEIGHTS = 6, /* null, misaligned, or the weights file of another model */
    /* The runtime library (adze_runtime.h) alone returns these. */
    ADZE_NO_MEMORY = 7,
    ADZE_NO_FILE = 8,     /* a file that cannot be opened or read */
    ADZE_NOT_A_MODEL = 9, /* a library without an adze model in it, or a damaged weights file */
    ADZE_NO_THREAD = 10   /* the system refused a thread */
};

/* Element types of ports. A bool takes one byte that holds 0 or 1. The numbers are part of the ABI. */
enum adze_elem {
    ADZE_BOOL = 1,
    ADZE_I8 = 2,
    ADZE_I16 = 3,
    ADZE_I32 = 4,
    ADZE_I64 = 5,
    ADZE_U8 = 6,
    ADZE_U16 = 7,
    ADZE_U32 = 8,
    ADZE_U64 = 9,
    ADZE_F16 = 10,
    ADZE_BF16 = 11,
    ADZE_F32 = 12,
    ADZE_F64 = 13
};

enum adze_role { ADZE_INPUT = 1, ADZE_OUTPUT = 2 };

/* In adze_port.dim: a value >= 0 is that constant; -1 - s stands for the value of symbol s; ADZE_COMPUTED
 * for an expression over symbols that shape() evaluates. */
#define ADZE_COMPUTED INT64_MIN

/* A port is a dense row-major array: the last dimension varies fastest, and nothing lies between elements.
 * Its place in adze_model.port is its place in adze_call.port; inputs come first, then outputs, each in the
 * model's order. */
struct adze_port {
    const char *name; /* UTF-8, as the model spells it */
    uint32_t role;    /* enum adze_role */
    uint32_t elem;    /* enum adze_elem */
    uint32_t rank;
    int32_t updates;    /* of an output: the input port whose memory it may be given too; -1: none */
    const int64_t *dim; /* [rank], see ADZE_COMPUTED */
};

/* A dimension the caller chooses at run time, within [lo, hi]. */
struct adze_symbol {
    const char *name;
    int64_t lo, hi;
};

/* One entry of a variant's list of steps, in the order they run. */
struct adze_step {
    const char *name;    /* what it computes, for a person to read */
    uint64_t operations; /* multiply-adds of one run at the upper bound of the symbols; 0: not counted */
    uint64_t bytes;      /* bytes of operands and results, counted likewise; 0: not counted */
};

/* One compilation of the model, for a range of symbol values and a CPU. */
struct adze_variant {
    const char *target;     /* e.g. "x86-64-v3" */
    const char *features;   /* what the CPU must have, comma separated; "" when the baseline will do */
    const int64_t *lo, *hi; /* [symbols] each: the values it was compiled for, both ends included */
    uint32_t steps;
    uint32_t reserved;
    const struct adze_step *const *step;
};

/* How to run. Null in adze_call means: in the calling thread, without a clock. */
struct adze_exec {
    uint32_t size; /* sizeof(struct adze_exec) */
    /* How many workers take part, 1 to 65534. Scratch memory must be enough for that many. */
    uint32_t workers;
    void *pool; /* handed back to the two functions below */
    /* Calls body(ctx, item, worker) once for each item in [0, items), in any order and from any thread, and
     * returns when all calls have returned; what they wrote is then visible to the caller. No two calls
     * that overlap in time have the same worker, and worker < workers. Results do not depend on who
     * computes what. Null: the calling thread does it all. */
    void (*parallel_for)(void *pool, void (*body)(void *ctx, uint32_t item, uint32_t worker), void *ctx,
                         uint32_t items);
    /* Both null, or both set: the model reads the clock before and after each step and stores the
     * difference in ticks[step], which has room for adze_variant.steps entries. */
    uint64_t (*clock)(void *pool);
    uint64_t *ticks;
};

/* In adze_call.variant and for scratch(): a variant's index says which to run and makes run() check the CPU
 * (a few microseconds in a virtual machine). What select() returned has ADZE_SELECTED set beside the index:
 * select() has checked the CPU in this process, and run() believes it. */
#define ADZE_SELECT (-1) /* run() chooses, as select() does */
#define ADZE_SELECTED 0x40000000
#define ADZE_VARIANT_INDEX(variant) ((uint32_t)(variant)&0xffffu)

/* One run. */
struct adze_call {
    uint32_t size;          /* sizeof(struct adze_call) */
    int32_t variant;        /* what select() returned, an index, or ADZE_SELECT */
    const int64_t *symbols; /* [symbols]; may be null when the model has none */
    /* [ports]. A port without elements may be null. Outputs overlap nothing else, but for what
     * adze_port.updates allows; inputs may overlap each other and are only read. */
    void *const *port;
    void *scratch; /* aligned to ADZE_ALIGN; its content before the run means nothing, after it neither */
    size_t scratch_bytes;
    /* A whole weights file, aligned to ADZE_ALIGN, when weights_bytes is not 0; else ignored. */
    const void *weights;
    const struct adze_exec *exec; /* may be null */
};

/* A call with nothing filled in but its size and the variant. */
#define ADZE_CALL_INIT                                                                                       \
    { sizeof(struct adze_call), ADZE_SELECT, NULL, NULL, NULL, 0, NULL, NULL }

struct adze_model {
    uint32_t abi;         /* ADZE_ABI. Read no other field when it differs. */
    uint32_t size;        /* sizeof(struct adze_model) when the model was compiled */
    const char *name;     /* UTF-8 */
    const char *text;     /* the model in adze's language, as it was compiled; "" when left out */
    const char *metadata; /* key NUL value NUL … and an empty key; see adze_metadata */
    uint32_t ports, symbols, variants;
    uint32_t reserved;
    const struct adze_port *const *port;
    const struct adze_symbol *const *symbol;
    const struct adze_variant *const *variant;
    /* The weights file this model goes with: its size (0: the weights are inside) and the hash in its
     * header. run() compares the header, which costs nothing; adze_weights_check reads all of it. */
    uint64_t weights_bytes;
    uint8_t weights_hash[32];

    /* Finds a variant for these symbol values that this CPU can run.
     * ADZE_OUT_OF_RANGE: none for these values; ADZE_NO_CPU: there is, but not for this CPU. */
    int (*select)(const int64_t *symbols, int32_t *variant);
    /* Writes the dimensions of a port. */
    int (*shape)(uint32_t port, const int64_t *symbols, int64_t *dims);
    /* Bytes of scratch memory that a run with so many workers needs, 1 to 65534 of them. */
    int (*scratch)(int32_t variant, const int64_t *symbols, uint32_t workers, size_t *bytes);
    int (*run)(const struct adze_call *call);
};

/* A weights file: this header, then weights_bytes - 64 bytes that hash to `hash` (BLAKE2b, 32 bytes). */
#define ADZE_WEIGHTS_MAGIC "adze-w1" /* and its NUL: 8 bytes */
struct adze_weights_header {
    char magic[8];
    uint64_t bytes; /* of the file, this header included; little-endian */
    uint8_t hash[32];
    uint8_t reserved[16]; /* zero */
};

#ifdef __cplusplus
}
#endif

#endif
