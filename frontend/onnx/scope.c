/* Graphs within graphs: bodies of control flow and model functions, imported in place of the node that has
 * them.
 *
 * While a body is imported, the importer's names are those of the body and what it reads from around it. */
#include "frontend/onnx/scope.h"

#include "frontend/onnx/graph.h"

#include <string.h>

enum { DEEPEST = 32, MOST_NODES = 1 << 20 };

struct scope { /* what a body replaces while it is imported */
    const Onnx__GraphProto *graph;
    const struct map *needed;
    const struct function_call *call;
    struct map names;
    int64_t opset;
};

static struct scope enter(struct importer *im, const struct body *body, const struct graph_order *order) {
    struct scope around = {im->graph, im->needed, im->call, im->names, im->opset};
    im->names = (struct map){0};
    im->graph = body->graph;
    im->needed = &order->needed;
    im->opset = body->opset;
    if (body->is_function) im->call = body->call;
    im->depth++;
    return around;
}

static void leave(struct importer *im, const struct scope *around) {
    map_free(&im->names);
    im->graph = around->graph;
    im->needed = around->needed;
    im->call = around->call;
    im->names = around->names;
    im->opset = around->opset;
    im->depth--;
}

/* Values around the body first, as its own names hide them. */
static void name_values(struct importer *im, const struct body *body, const struct graph_order *order,
                        const struct map *around) {
    const Onnx__GraphProto *graph = body->graph;
    for (uint32_t i = 0; !body->is_function && i < order->count; i++) {
        struct names reads = {0};
        graph_node_reads(graph->node[order->nodes[i]], &reads);
        for (uint32_t k = 0; k < reads.list.count; k++) {
            const uint32_t *index = map_get_str(around, reads.list.at[k]);
            if (index) *map_put_str(&im->names, reads.list.at[k], NULL) = *index;
        }
        vec_free(&reads.list);
    }
    for (size_t i = 0; !body->is_function && i < graph->n_output; i++) {
        const uint32_t *index = map_get_str(around, onnx_text(graph->output[i]->name));
        if (index) *map_put_str(&im->names, onnx_text(graph->output[i]->name), NULL) = *index;
    }
    for (size_t i = 0; i < graph->n_node; i++)
        for (size_t k = 0; k < graph->node[i]->n_output; k++)
            *map_put_str(&im->names, graph->node[i]->output[k], NULL) = 0;
    for (uint32_t i = 0; i < graph->n_input; i++)
        *map_put_str(&im->names, onnx_text(graph->input[i]->name), NULL) =
            i < body->input_count ? body->inputs[i].i : 0;
}

static enum status read_results(struct importer *im, const Onnx__GraphProto *graph, ref *out) {
    for (size_t i = 0; i < graph->n_output; i++) {
        const uint32_t *index = map_get_str(&im->names, onnx_text(graph->output[i]->name));
        if (!index || !*index || item_get(im, (ref){*index})->kind == ITEM_BROKEN) return STATUS_FAILED;
        out[i] = (ref){*index};
    }
    return STATUS_OK;
}

static enum status import_sorted(struct node *n, const struct body *body, const struct graph_order *order,
                                 ref *out) {
    struct importer *im = n->im;
    struct scope around = enter(im, body, order);
    name_values(im, body, order, &around.names);
    enum status status = import_initializers(im, order);
    if (status == STATUS_OK) import_nodes(im, order);
    if (status == STATUS_OK) status = read_results(im, body->graph, out);
    leave(im, &around);
    return status;
}

enum status import_body(struct node *n, const struct body *body, ref *out) {
    struct importer *im = n->im;
    struct graph_order order = {0};
    if (im->depth >= DEEPEST) return node_error(n, "graphs are nested more than %d levels", DEEPEST);
    im->body_nodes += body->graph->n_node;
    if (im->body_nodes > MOST_NODES)
        return unsupported(n, "bodies of %s that come to more than %d nodes", n->proto->op_type, MOST_NODES);
    const struct map *outer = body->is_function ? NULL : &im->names;
    enum status status = graph_sort(body->graph, outer, im->model->loc, im->diag, &order);
    if (status == STATUS_OK)
        status = import_sorted(n, body, &order, out);
    else
        n->failed = true;
    graph_order_free(&order);
    return status;
}

/* -- functions of the model -- */

static int64_t function_opset(const struct importer *im, const Onnx__FunctionProto *function) {
    int64_t opset = 0;
    for (size_t i = 0; i < function->n_opset_import; i++)
        if (!*onnx_text(function->opset_import[i]->domain))
            opset = max_i64(opset, function->opset_import[i]->version);
    return opset ? opset : im->opset;
}

static Onnx__ValueInfoProto **ports_of(struct importer *im, char *const *names, size_t count) {
    Onnx__ValueInfoProto **ports = arena_array(&im->m->arena, Onnx__ValueInfoProto *, count);
    for (size_t i = 0; i < count; i++) {
        ports[i] = arena_array(&im->m->arena, Onnx__ValueInfoProto, 1);
        onnx__value_info_proto__init(ports[i]);
        ports[i]->name = names[i];
    }
    return ports;
}

static enum status call_function(struct node *n, const Onnx__FunctionProto *function,
                                 Onnx__GraphProto *graph) {
    struct importer *im = n->im;
    uint32_t count = (uint32_t)n->proto->n_input;
    struct function_call call = {n->proto, functions_defaults(im->model, function), im->call};
    ref *in = arena_array(&im->m->arena, ref, count + 1);
    ref *out = arena_array(&im->m->arena, ref, function->n_output + 1);
    for (uint32_t i = 0; i < count; i++) in[i] = node_in(n, i);
    struct body body = {.graph = graph,
                        .inputs = in,
                        .input_count = count,
                        .opset = function_opset(im, function),
                        .is_function = true,
                        .call = &call};
    TRY(import_body(n, &body, out));
    for (uint32_t i = 0; i < function->n_output; i++) node_out(n, i, out[i]);
    return STATUS_OK;
}

enum status import_function(struct node *n, const Onnx__FunctionProto *function) {
    Onnx__GraphProto graph = ONNX__GRAPH_PROTO__INIT;
    if (n->proto->n_input > function->n_input || n->proto->n_output > function->n_output)
        return node_error(n, "it has %zu inputs and %zu outputs, the function %zu and %zu", n->proto->n_input,
                          n->proto->n_output, function->n_input, function->n_output);
    const struct attr_defaults *defaults = functions_defaults(n->im->model, function);
    for (size_t i = 0; i < function->n_attribute; i++) (void)node_attr(n, function->attribute[i]);
    for (uint32_t i = 0; i < defaults->count; i++) (void)node_attr(n, onnx_text(defaults->at[i]->name));
    graph.n_node = function->n_node, graph.node = function->node;
    graph.n_input = function->n_input, graph.input = ports_of(n->im, function->input, function->n_input);
    graph.n_output = function->n_output, graph.output = ports_of(n->im, function->output, function->n_output);
    return call_function(n, function, &graph);
}
