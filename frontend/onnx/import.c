#include "frontend/onnx/import.h"

#include "frontend/onnx/graph.h"
#include "frontend/onnx/importer.h"
#include "frontend/onnx/inputs.h"
#include "frontend/onnx/scope.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const struct onnx_row {
    const char *name;
    int64_t since, until;
    uint32_t inputs; /* that must be there */
    onnx_handler *handler;
} rows[] = {
#define ONNX_OP(name, since, until, inputs, handler) {#name, since, until, inputs, handler},
#include "frontend/onnx/onnx_ops.def"
};

static bool is_default_domain(const char *domain) {
    return !*domain || !strcmp(domain, "ai.onnx");
}

static const struct onnx_row *find_row(const struct importer *im, const Onnx__NodeProto *node) {
    if (!is_default_domain(onnx_text(node->domain))) return NULL;
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        if (!strcmp(rows[i].name, onnx_text(node->op_type)) && im->opset >= rows[i].since &&
            im->opset <= rows[i].until)
            return &rows[i];
    return NULL;
}

/* -- one node -- */

static bool reads_broken(const struct importer *im, const Onnx__NodeProto *node) {
    for (size_t i = 0; i < node->n_input; i++) {
        const uint32_t *index = map_get_str(&im->names, node->input[i]);
        if (*node->input[i] && *index && item_get(im, (ref){*index})->kind == ITEM_BROKEN) return true;
    }
    return false;
}

static void break_outputs(struct importer *im, const Onnx__NodeProto *node) {
    for (size_t i = 0; i < node->n_output; i++) {
        uint32_t *index = map_get_str(&im->names, node->output[i]);
        if (!*node->output[i] || *index) continue;
        *index = im->items.count;
        *vec_push(&im->items) = (struct item){.kind = ITEM_BROKEN};
    }
}

/* What a handler did not ask for could change what the op means. */
static enum status check_attrs(struct node *n) {
    for (size_t i = 0; i < n->proto->n_attribute; i++)
        if (i >= 64 || !(n->attrs_read >> i & 1))
            return unsupported(n, "%s with the attribute %s", n->proto->op_type,
                               onnx_text(n->proto->attribute[i]->name));
    return STATUS_OK;
}

static enum status check_inputs(struct node *n, const struct onnx_row *row) {
    for (uint32_t i = 0; i < row->inputs; i++)
        if (ref_none(node_in(n, i))) return node_error(n, "input %u is missing", i);
    return STATUS_OK;
}

static enum status check_outputs(struct node *n) {
    for (uint32_t i = 0; i < n->proto->n_output; i++)
        if (node_wants(n, i) && !*map_get_str(&n->im->names, n->proto->output[i]))
            return unsupported(n, "%s with output %u", n->proto->op_type, i);
    return STATUS_OK;
}

static enum status run_handler(struct node *n, const struct onnx_row *row) {
    const Onnx__FunctionProto *function = row ? NULL : functions_find(n->im->model, n->proto);
    if (row) TRY(check_inputs(n, row));
    TRY(row ? row->handler(n) : import_function(n, function));
    if (n->failed) return STATUS_FAILED;
    TRY(check_attrs(n));
    return check_outputs(n);
}

static void import_node(struct importer *im, const Onnx__NodeProto *proto) {
    struct str label = {0};
    const char *type = onnx_text(proto->op_type), *domain = onnx_text(proto->domain);
    str_printf(&label, "node '%s' (%s)", onnx_text(proto->name), type);
    struct node n = {.im = im,
                     .proto = proto,
                     .opset = im->opset,
                     .label = str_text(&label),
                     .first_value = im->m->values.count};
    const struct onnx_row *row = find_row(im, proto);
    im->b.loc = im->model->loc;
    if (!row && !functions_find(im->model, proto)) {
        bool own = is_default_domain(domain);
        (void)unsupported(&n, "%s%s%s", own ? "" : domain, own ? "" : ".", type);
        break_outputs(im, proto);
    } else if (reads_broken(im, proto) || run_handler(&n, row) != STATUS_OK) {
        break_outputs(im, proto);
    }
    str_free(&label);
}

void import_nodes(struct importer *im, const struct graph_order *order) {
    for (uint32_t i = 0; i < order->count; i++) import_node(im, im->graph->node[order->nodes[i]]);
}

static enum status report_unsupported(struct importer *im) {
    struct str text = {0};
    if (!im->unsupported.count) return STATUS_OK;
    str_printf(&text, "the model needs what is not supported (opset %" PRId64 "):", im->opset);
    for (uint32_t i = 0; i < im->unsupported.count; i++) {
        const struct unsupported *u = &im->unsupported.at[i];
        str_printf(&text, "\n  %s: %u %s, %s%s", u->what, u->count, u->count == 1 ? "node" : "nodes",
                   str_text(&u->nodes), u->count > 5 ? ", …" : "");
    }
    diag_error(im->diag, im->model->loc, "%s", str_text(&text));
    str_free(&text);
    return STATUS_FAILED;
}

/* -- the model -- */

static enum status find_opset(struct importer *im) {
    const Onnx__ModelProto *model = im->model->proto;
    im->opset = 0;
    for (size_t i = 0; i < model->n_opset_import; i++)
        if (is_default_domain(onnx_text(model->opset_import[i]->domain)))
            im->opset = max_i64(im->opset, model->opset_import[i]->version);
    if (!im->opset && model->ir_version < 3) im->opset = 1;
    if (im->opset > 0) return STATUS_OK;
    return diag_error(im->diag, im->model->loc,
                      "not an ONNX model: it imports no opset of the default domain");
}

/* Every name of the file gets its place, so that names made here can avoid them. */
static void reserve_names(struct importer *im) {
    for (size_t i = 0; i < im->graph->n_node; i++)
        for (size_t k = 0; k < im->graph->node[i]->n_output; k++)
            map_put_str(&im->names, im->graph->node[i]->output[k], NULL);
}

static enum status add_output(struct importer *im, const char *name) {
    const uint32_t *index = map_get_str(&im->names, name);
    check(index && *index);
    struct item *item = item_get(im, (ref){*index});
    if (item->kind == ITEM_BROKEN) return STATUS_FAILED; /* has been said */
    if (item->kind == ITEM_SHAPE)
        return diag_error(im->diag, im->model->loc,
                          "output '%s' depends on a dimension without a size; fix it by --shape or --dim",
                          name);
    if (item->is_nibble)
        return diag_error(im->diag, im->model->loc, "output '%s' is of 4 bits, which is not supported", name);
    if (value_none(item->value)) {
        weight_id weight = module_add_weight(im->m, name, item->tensor, im->model->loc);
        item->tensor.owned = false;
        item->value = module_parameter(im->m, weight);
    }
    module_add_output(im->m, name, item->value);
    return STATUS_OK;
}

static enum status add_outputs(struct importer *im) {
    struct map seen = {0};
    enum status status = STATUS_OK;
    if (!im->graph->n_output) status = diag_error(im->diag, im->model->loc, "the graph has no outputs");
    for (size_t i = 0; i < im->graph->n_output; i++) {
        bool is_new;
        const char *name = onnx_text(im->graph->output[i]->name);
        map_put_str(&seen, name, &is_new);
        if (!is_new) status = diag_error(im->diag, im->model->loc, "two graph outputs are named '%s'", name);
        if (add_output(im, name) != STATUS_OK) status = STATUS_FAILED;
    }
    map_free(&seen);
    return status;
}

static enum status build_module(struct importer *im, const struct graph_order *order) {
    const Onnx__ModelProto *model = im->model->proto;
    uint32_t errors = im->diag->errors;
    im->needed = &order->needed;
    reserve_names(im);
    TRY(import_inputs(im, order));
    import_nodes(im, order);
    TRY(report_unsupported(im));
    if (im->diag->errors > errors) return STATUS_FAILED;
    TRY(add_outputs(im));
    for (size_t i = 0; i < model->n_metadata_props; i++)
        module_add_metadata(im->m, onnx_text(model->metadata_props[i]->key),
                            onnx_text(model->metadata_props[i]->value));
    module_remove_dead(im->m);
    return STATUS_OK;
}

static void release_model(void *model) {
    onnx_model_free(model);
}

/* The file's name without folder and suffix. */
static struct module *new_module(const char *path) {
    const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path, *dot = strrchr(base, '.');
    struct str name = {0};
    str_add_bytes(&name, base, dot && dot != base ? (size_t)(dot - base) : strlen(base));
    struct module *m = module_new(str_text(&name));
    str_free(&name);
    return m;
}

static void free_importer(struct importer *im) {
    for (uint32_t i = 1; i < im->items.count; i++) tensor_free(&im->items.at[i].tensor);
    for (uint32_t i = 0; i < im->unsupported.count; i++) str_free(&im->unsupported.at[i].nodes);
    vec_free(&im->items);
    vec_free(&im->unsupported);
    map_free(&im->names);
    map_free(&im->unsupported_map);
}

enum status onnx_import(const char *path, const struct import_options *options, struct diag *diag,
                        struct module **out) {
    struct importer im = {.diag = diag, .options = options};
    struct graph_order order = {0};
    *out = NULL;
    TRY(onnx_model_load(path, diag, &im.model));
    im.graph = im.model->proto->graph;
    im.m = new_module(path);
    module_keep(im.m, release_model, im.model); /* weights are views of it */
    im.m->loc = im.model->loc;
    im.b = builder_at_end(im.m, im.m->root, diag);
    (void)vec_push(&im.items); /* ref 0 is none */
    enum status status = find_opset(&im);
    if (status == STATUS_OK) status = graph_sort(im.graph, NULL, im.model->loc, diag, &order);
    if (status == STATUS_OK) status = build_module(&im, &order);
    graph_order_free(&order);
    free_importer(&im);
    if (status == STATUS_OK)
        *out = im.m;
    else
        module_free(im.m);
    return status;
}
