# RUN: %python %s
# The compiled magika tells the types that the original tells.
from tools import demo, models, reference

answers, _, inputs = demo.filetype(60)
want = reference.run_each(models.path("magika.onnx"), "bytes", inputs).argmax(1)
assert (answers == want).all()
