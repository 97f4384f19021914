"""onnxruntime as a peer: one thread unless asked otherwise, its default graph optimisations."""

import numpy
import onnxruntime


def session(model, threads=1):
    """A session for a file, or for a model in bytes."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    source = model if isinstance(model, bytes) else str(model)
    return onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])


def run(model, **inputs):
    """The outputs of a model in its order."""
    return session(model).run(None, inputs)


def run_each(model, name, array):
    """The first output for each row of `array`, stacked: the model sees batches of one."""
    peer = session(model)
    return numpy.concatenate([peer.run(None, {name: row[None]})[0] for row in array])
