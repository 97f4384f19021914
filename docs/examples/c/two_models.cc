// Two models in one C++ program: names do not clash, and each keeps its own weights.
#include "digits.h"
#include "other.h"

#include <cstdio>
#include <cstdlib>
#include <vector>

template <typename Run> static int scores_of(const adze_model &model, size_t scratch_bytes, Run run) {
    adze_call how = ADZE_CALL_INIT;
    std::vector<unsigned char> memory(scratch_bytes + ADZE_ALIGN);
    how.scratch = memory.data() + (ADZE_ALIGN - reinterpret_cast<uintptr_t>(memory.data()) % ADZE_ALIGN) % ADZE_ALIGN;
    how.scratch_bytes = scratch_bytes;
    int code = model.select(nullptr, &how.variant);
    return code == ADZE_OK ? run(&how) : code;
}

int main() {
    std::vector<float> image(DIGITS_IMAGE_ELEMENTS, 0.5f), a(DIGITS_SCORES_ELEMENTS), b(OTHER_SCORES_ELEMENTS);
    int first = scores_of(digits_model, DIGITS_SCRATCH_BYTES(1),
                          [&](const adze_call *how) { return digits_run(how, image.data(), a.data()); });
    int second = scores_of(other_model, OTHER_SCRATCH_BYTES(1),
                           [&](const adze_call *how) { return other_run(how, image.data(), b.data()); });
    if (first != ADZE_OK || second != ADZE_OK) return EXIT_FAILURE;
    std::printf("%s: %g\n%s: %g\n", digits_model.name, static_cast<double>(a[0]), other_model.name, static_cast<double>(b[0]));
    return EXIT_SUCCESS;
}
