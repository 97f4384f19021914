# RUN: %python %s
# The features of files are what the original model expects: most types agree with the extension.
import numpy as np

from tools import filetype_data, models, reference

assert len(filetype_data.labels()) == 214
row = filetype_data.features(b"  ab \n")
assert list(row[:6]) == [97, 98, 32, 10, 256, 256] and list(row[-5:]) == [256, 32, 32, 97, 98]
whole = filetype_data.features(bytes(range(33, 133)) * 100)
assert whole[0] == 33 + 0 and (whole < 256).all()

inputs, classes, _ = filetype_data.make(each=2, roots=("/usr/include", "/usr/lib/python3", "/usr/share"))
answers = reference.run_each(models.path("magika.onnx"), "bytes", inputs).argmax(1)
assert np.mean(answers == classes) > 0.7, np.mean(answers == classes)
