/* A static archive and its generated header: a typed call, memory of our own, no runtime library at all. The
 * model calls nothing outside itself, so this also works where there is no operating system. Build: cc
 * static.c digits.a -I… */
#include "digits.h"

#include <stdio.h>

static float image[DIGITS_IMAGE_ELEMENTS], scores[DIGITS_SCORES_ELEMENTS];
static _Alignas(ADZE_ALIGN) unsigned char scratch[DIGITS_SCRATCH_BYTES(1) + 1];

int main(void) {
    struct adze_call how = ADZE_CALL_INIT;
    how.scratch = scratch;
    how.scratch_bytes = DIGITS_SCRATCH_BYTES(1);
    /* Once: finds the variant for this CPU, or says that there is none. */
    int code = digits_model.select(NULL, &how.variant);
    if (code != ADZE_OK) {
        fprintf(stderr, "this CPU cannot run what the model was compiled for (code %d)\n", code);
        return 1;
    }
    for (int i = 0; i < DIGITS_IMAGE_ELEMENTS; i++) image[i] = (float)(i % 28) / 28.0f;
    code = digits_run(&how, image, scores);
    for (int i = 0; code == ADZE_OK && i < DIGITS_SCORES_ELEMENTS; i++)
        printf("%d: %g\n", i, (double)scores[i]);
    return code;
}
