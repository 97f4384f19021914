/* External weights and two threads: the library is small, the weights are a file that is mapped, and checked
 * against the hash that the library carries. Build: cc external.c digits.a -I… -L… -ladze_runtime -lpthread;
 * run: ./external digits.weights */
#include "adze_runtime.h"
#include "digits.h"

#include <stdio.h>

int main(int argc, char **argv) {
    if (argc != 2) return 2;
    struct adze_session *session;
    int code = adze_open(&digits_model, argv[1], 2, &session);
    if (code != ADZE_OK) {
        fprintf(stderr, "%s: %s\n", argv[1], adze_error_text(code));
        return 1;
    }
    static float image[DIGITS_IMAGE_ELEMENTS], scores[DIGITS_SCORES_ELEMENTS];
    code = digits_run(adze_session_call(session), image, scores);
    if (code == ADZE_OK) printf("first score of a black picture: %g\n", (double)scores[0]);
    adze_close(session);
    return code;
}
