# RUN: %python %s
# The compiled recognition model reads the words that the original reads, and nearly all of them right.
from tools import demo, models, ocr_data, reference

read, drawn, pictures = demo.ocr(60)
original = models.path("ppocr_rec.onnx")
want = ocr_data.decode(reference.run_each(original, "x", pictures), ocr_data.read_alphabet(original))
assert read == want, [pair for pair in zip(read, want) if pair[0] != pair[1]]
assert sum(a == b for a, b in zip(read, drawn)) >= 57
