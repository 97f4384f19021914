# RUN: %python %s
# The drawn words and their decoding are fit for the original model, run by onnxruntime.
from tools import models, ocr_data, reference

recognition = models.path("ppocr_rec.onnx")
pictures, texts = ocr_data.make(40, seed=11)
assert pictures.shape == (40, 3, 48, 320) and abs(pictures).max() <= 1
letters = ocr_data.read_alphabet(recognition)
assert len(letters) == 6625
read = ocr_data.decode(reference.run_each(recognition, "x", pictures), letters)
right = sum(got == want for got, want in zip(read, texts))
assert right >= 38, [pair for pair in zip(read, texts) if pair[0] != pair[1]]
assert ocr_data.unpack_texts(ocr_data.pack_texts(texts)) == texts

again, same = ocr_data.make(40, seed=11)
assert same == texts and (again == pictures).all()

pictures, labels = ocr_data.make_directions(40, seed=12)
answers = reference.run_each(models.path("ppocr_cls.onnx"), "x", pictures).argmax(1)
assert (answers == labels).sum() >= 38
