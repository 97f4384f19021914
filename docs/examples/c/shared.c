/* A shared library found at run time, as a program would do that takes models from its users: the descriptor
 * says what the ports are. Build: cc shared.c -I… -L… -ladze_runtime -ldl -lpthread; run: ./shared
 * ./digits.so */
#include "adze_runtime.h"

#include <stdio.h>
#include <stdlib.h>

static size_t port_bytes(const struct adze_model *model, uint32_t port) {
    size_t bytes = adze_elem_bytes(model->port[port]->elem);
    int64_t dims[8];
    if (model->port[port]->rank > 8 || model->shape(port, NULL, dims) != ADZE_OK) exit(1);
    for (uint32_t d = 0; d < model->port[port]->rank; d++) bytes *= (size_t)dims[d];
    return bytes;
}

int main(int argc, char **argv) {
    struct adze_library *library;
    const struct adze_model *model;
    const char *why = NULL;
    if (argc != 2) return 2;
    int code = adze_library_open(argv[1], &library, &model, &why);
    if (code != ADZE_OK) {
        fprintf(stderr, "%s: %s%s%s\n", argv[1], adze_error_text(code), why ? ": " : "", why ? why : "");
        return 1;
    }
    void **port = calloc(model->ports, sizeof *port);
    for (uint32_t i = 0; i < model->ports; i++) {
        port[i] = calloc(1, port_bytes(model, i));
        printf("%s %s: %s, %zu bytes\n", model->port[i]->role == ADZE_INPUT ? "input" : "output",
               model->port[i]->name, adze_elem_name(model->port[i]->elem), port_bytes(model, i));
    }
    struct adze_session *session;
    code = adze_open(model, NULL, 1, &session);
    if (code == ADZE_OK) {
        struct adze_call call = *adze_session_call(session);
        call.port = port;
        code = model->run(&call);
        adze_close(session);
    }
    printf("run: %s\n", adze_error_text(code));
    if (code == ADZE_OK)
        printf("first score of a black picture: %g\n", (double)((float *)port[model->ports - 1])[0]);
    for (uint32_t i = 0; i < model->ports; i++) free(port[i]);
    free(port);
    adze_library_close(library);
    return code;
}
