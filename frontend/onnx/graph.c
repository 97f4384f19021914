#include "frontend/onnx/graph.h"

#include <stdlib.h>
#include <string.h>

struct sorter {
    const Onnx__GraphProto *graph;
    const struct map *outer; /* values around the graph */
    struct names *reads;     /* of each node */
    struct map makers;       /* value -> node index + 1; 0: an input or initializer */
    uint32_t *order;         /* all nodes, sorted */
    uint32_t count;          /* in order so far */
    uint32_t *waiting;       /* of each node: inputs that sorted nodes have not made yet */
    struct loc loc;
    struct diag *diag;
};

static const Onnx__NodeProto *node_at(const struct sorter *s, uint32_t i) {
    return s->graph->node[i];
}

/* -- what nodes read: their inputs, and what graphs in their attributes read from around them -- */

static void add_captures(const Onnx__GraphProto *graph, struct names *out) {
    struct map own = {0};
    struct names read = {0};
    for (size_t i = 0; i < graph->n_input; i++) map_put_str(&own, onnx_text(graph->input[i]->name), NULL);
    for (size_t i = 0; i < graph->n_initializer; i++)
        map_put_str(&own, onnx_text(graph->initializer[i]->name), NULL);
    for (size_t i = 0; i < graph->n_sparse_initializer; i++)
        map_put_str(&own, onnx_sparse_name(graph->sparse_initializer[i]), NULL);
    for (size_t i = 0; i < graph->n_node; i++) {
        graph_node_reads(graph->node[i], &read);
        for (size_t k = 0; k < graph->node[i]->n_output; k++)
            map_put_str(&own, graph->node[i]->output[k], NULL);
    }
    for (size_t i = 0; i < graph->n_output; i++) *vec_push(&read.list) = onnx_text(graph->output[i]->name);
    for (uint32_t i = 0; i < read.list.count; i++)
        if (!map_get_str(&own, read.list.at[i])) *vec_push(&out->list) = read.list.at[i];
    vec_free(&read.list);
    map_free(&own);
}

void graph_node_reads(const Onnx__NodeProto *node, struct names *out) {
    for (size_t i = 0; i < node->n_input; i++) *vec_push(&out->list) = node->input[i];
    for (size_t i = 0; i < node->n_attribute; i++) {
        const Onnx__AttributeProto *a = node->attribute[i];
        if (a->g) add_captures(a->g, out);
        for (size_t k = 0; k < a->n_graphs; k++) add_captures(a->graphs[k], out);
    }
}

static const struct names *reads_of(const struct sorter *s, uint32_t i) {
    return &s->reads[i];
}

/* Initializers may be listed as inputs too, as format version 3 demands. */
static void add_sources(struct sorter *s) {
    bool is_new;
    for (size_t i = 0; i < s->graph->n_initializer; i++) {
        const char *name = onnx_text(s->graph->initializer[i]->name);
        map_put_str(&s->makers, name, &is_new);
        if (!*name)
            diag_error(s->diag, s->loc, "initializer %zu has no name", i);
        else if (!is_new)
            diag_error(s->diag, s->loc, "two initializers are named '%s'", name);
    }
    for (size_t i = 0; i < s->graph->n_sparse_initializer; i++) {
        const char *name = onnx_sparse_name(s->graph->sparse_initializer[i]);
        map_put_str(&s->makers, name, &is_new);
        if (!*name)
            diag_error(s->diag, s->loc, "sparse initializer %zu has no name", i);
        else if (!is_new)
            diag_error(s->diag, s->loc, "two initializers are named '%s'", name);
    }
    struct map inputs = {0};
    for (size_t i = 0; i < s->graph->n_input; i++) {
        const char *name = onnx_text(s->graph->input[i]->name);
        if (!*name) diag_error(s->diag, s->loc, "graph input %zu has no name", i);
        map_put_str(&s->makers, name, NULL);
        map_put_str(&inputs, name, &is_new);
        if (!is_new) diag_error(s->diag, s->loc, "two graph inputs are named '%s'", name);
    }
    map_free(&inputs);
}

static void add_results(struct sorter *s) {
    for (uint32_t i = 0; i < s->graph->n_node; i++)
        for (size_t k = 0; k < node_at(s, i)->n_output; k++) {
            bool is_new;
            const char *name = node_at(s, i)->output[k];
            if (!*name) continue;
            uint32_t *maker = map_put_str(&s->makers, name, &is_new);
            if (!is_new)
                diag_error(s->diag, s->loc, "value '%s' is defined twice, the second time by node '%s' (%s)",
                           name, onnx_text(node_at(s, i)->name), onnx_text(node_at(s, i)->op_type));
            *maker = i + 1;
        }
}

static bool is_known(const struct sorter *s, const char *name) {
    return map_get_str(&s->makers, name) || (s->outer && map_get_str(s->outer, name));
}

static void check_uses(struct sorter *s) {
    for (uint32_t i = 0; i < s->graph->n_node; i++)
        for (uint32_t k = 0; k < reads_of(s, i)->list.count; k++) {
            const char *name = reads_of(s, i)->list.at[k];
            if (*name && !is_known(s, name))
                diag_error(s->diag, s->loc, "node '%s' (%s) reads '%s', which nothing defines",
                           onnx_text(node_at(s, i)->name), onnx_text(node_at(s, i)->op_type), name);
        }
    for (size_t i = 0; i < s->graph->n_output; i++) {
        const char *name = onnx_text(s->graph->output[i]->name);
        if (!is_known(s, name)) diag_error(s->diag, s->loc, "graph output '%s' is defined by nothing", name);
    }
}

static uint32_t maker_of(const struct sorter *s, const char *name) {
    const uint32_t *maker = *name ? map_get_str(&s->makers, name) : NULL;
    return maker ? *maker : 0;
}

static bool is_sorted(const struct sorter *s) {
    for (uint32_t i = 0; i < s->graph->n_node; i++)
        for (uint32_t k = 0; k < reads_of(s, i)->list.count; k++)
            if (maker_of(s, reads_of(s, i)->list.at[k]) > i) return false;
    return true;
}

/* Edges from each node to those that read its results, as one array with a start for each node. */
struct edges {
    uint32_t *start, *to;
};

static struct edges edges_of(const struct sorter *s) {
    uint32_t nodes = (uint32_t)s->graph->n_node;
    struct edges e = {xcalloc((size_t)nodes + 2, sizeof *e.start), NULL};
    for (int pass = 0; pass < 2; pass++) {
        for (uint32_t i = 0; i < nodes; i++)
            for (uint32_t k = 0; k < reads_of(s, i)->list.count; k++) {
                uint32_t maker = maker_of(s, reads_of(s, i)->list.at[k]);
                if (!maker) continue;
                if (!pass)
                    e.start[maker + 1]++, s->waiting[i]++;
                else
                    e.to[e.start[maker]++] = i;
            }
        if (pass) break;
        for (uint32_t i = 1; i <= nodes + 1; i++) e.start[i] += e.start[i - 1];
        e.to = xcalloc(e.start[nodes + 1], sizeof *e.to);
    }
    return e; /* start[i + 1] is now where node i's edges end, and start[i] where they begin */
}

static void sort(struct sorter *s) {
    uint32_t nodes = (uint32_t)s->graph->n_node;
    if (is_sorted(s)) {
        for (; s->count < nodes; s->count++) s->order[s->count] = s->count;
        return;
    }
    struct edges e = edges_of(s);
    for (uint32_t i = 0; i < nodes; i++)
        if (!s->waiting[i]) s->order[s->count++] = i;
    for (uint32_t done = 0; done < s->count; done++)
        for (uint32_t k = e.start[s->order[done]]; k < e.start[s->order[done] + 1]; k++)
            if (!--s->waiting[e.to[k]]) s->order[s->count++] = e.to[k];
    free(e.start);
    free(e.to);
}

/* The value that node i waits for: made by a node that waits as well. */
static const char *awaited(const struct sorter *s, uint32_t i, uint32_t *maker) {
    for (uint32_t k = 0; k < reads_of(s, i)->list.count; k++) {
        *maker = maker_of(s, reads_of(s, i)->list.at[k]);
        if (*maker && s->waiting[--*maker]) return reads_of(s, i)->list.at[k];
    }
    bug("node %u waits for nothing", i);
}

static enum status report_cycle(const struct sorter *s) {
    enum { SHOWN = 8 };
    uint32_t nodes = (uint32_t)s->graph->n_node, at = 0, maker;
    while (!s->waiting[at]) at++;
    for (uint32_t i = 0; i < nodes; i++) { /* after that many steps it is on the cycle */
        (void)awaited(s, at, &maker);
        at = maker;
    }
    struct str text = {0};
    uint32_t first = at, length = 0;
    do {
        const char *name = awaited(s, at, &maker);
        if (length++ < SHOWN)
            str_printf(&text, "%s'%s' (made by node '%s', %s)", length > 1 ? ", " : "", name,
                       onnx_text(node_at(s, maker)->name), onnx_text(node_at(s, maker)->op_type));
        at = maker;
    } while (at != first);
    diag_error(s->diag, s->loc, "%u nodes wait for each other's results in a cycle: %s%s", length,
               str_text(&text), length > SHOWN ? ", …" : "");
    str_free(&text);
    return STATUS_FAILED;
}

/* Walks the order backwards from the outputs. */
static void keep_needed(const struct sorter *s, struct graph_order *out) {
    for (size_t i = 0; i < s->graph->n_output; i++)
        map_put_str(&out->needed, onnx_text(s->graph->output[i]->name), NULL);
    uint32_t *kept = xcalloc(s->count, sizeof *kept), count = 0;
    for (uint32_t i = s->count; i-- > 0;) {
        const Onnx__NodeProto *node = node_at(s, s->order[i]);
        bool needed = false;
        for (size_t k = 0; k < node->n_output; k++)
            needed = needed || (*node->output[k] && map_get_str(&out->needed, node->output[k]));
        if (!needed) continue;
        const struct names *reads = reads_of(s, s->order[i]);
        for (uint32_t k = 0; k < reads->list.count; k++) map_put_str(&out->needed, reads->list.at[k], NULL);
        kept[count++] = s->order[i];
    }
    for (uint32_t i = 0; i < count / 2; i++) {
        uint32_t swap = kept[i];
        kept[i] = kept[count - 1 - i];
        kept[count - 1 - i] = swap;
    }
    out->nodes = kept;
    out->count = count;
}

static enum status run(struct sorter *s, struct graph_order *out) {
    uint32_t errors = s->diag->errors;
    add_sources(s);
    add_results(s);
    check_uses(s);
    if (s->diag->errors > errors) return STATUS_FAILED;
    sort(s);
    if (s->count < s->graph->n_node) return report_cycle(s);
    keep_needed(s, out);
    return STATUS_OK;
}

enum status graph_sort(const Onnx__GraphProto *graph, const struct map *outer, struct loc loc,
                       struct diag *diag, struct graph_order *out) {
    struct sorter s = {.graph = graph, .outer = outer, .loc = loc, .diag = diag};
    *out = (struct graph_order){0};
    if (graph->n_node >= UINT32_MAX / 4)
        return diag_error(diag, loc, "%zu nodes are too many", graph->n_node);
    s.order = xcalloc(graph->n_node, sizeof *s.order);
    s.waiting = xcalloc(graph->n_node, sizeof *s.waiting);
    s.reads = xcalloc(graph->n_node, sizeof *s.reads);
    for (size_t i = 0; i < graph->n_node; i++) graph_node_reads(graph->node[i], &s.reads[i]);
    enum status status = run(&s, out);
    for (size_t i = 0; i < graph->n_node; i++) vec_free(&s.reads[i].list);
    free(s.reads);
    free(s.order);
    free(s.waiting);
    map_free(&s.makers);
    return status;
}

void graph_order_free(struct graph_order *order) {
    free(order->nodes);
    map_free(&order->needed);
    *order = (struct graph_order){0};
}
