"""Other ways to write a model that mean the same. Each takes a case of ONNX's node tests, changes it in place and returns
False where it does not apply."""

import base64
import zlib

import numpy as np
import onnx
import onnx.version_converter
from onnx import AttributeProto, TensorProto, helper, numpy_helper

GRAPHS = (AttributeProto.GRAPH, AttributeProto.GRAPHS)


class Case:
    """A model with numpy arrays of its inputs (by name) and outputs (in order)."""

    def __init__(self, model, inputs, outputs, folder):
        self.model, self.inputs, self.outputs, self.folder = model, inputs, outputs, folder
        self.graph = model.graph
        self.opset = max((o.version for o in model.opset_import if not o.domain), default=0)

    def fed(self):
        """Names of the inputs that are no constants."""
        return [i.name for i in self.graph.input if i.name in self.inputs]

    def schema(self, node):
        if node.domain or not onnx.defs.has(node.op_type):
            return None
        return onnx.defs.get_schema(node.op_type, self.opset)

    def has_bodies(self):
        return any(attribute.type in GRAPHS for node in self.graph.node for attribute in node.attribute)


def only_main(case):
    """Whether the model is nodes of the default domain without bodies, each result with a known type."""
    typed = all(o.type.WhichOneof("value") == "tensor_type" for o in case.graph.output)
    plain = all(not node.domain for node in case.graph.node) and not case.model.functions
    return typed and plain and not case.has_bodies() and bool(case.graph.node)


def defaults_said(case):
    """Attributes that are left out are there with their default; inputs left out at the end are there without a name."""
    changed = False
    for node in case.graph.node:
        schema = case.schema(node)
        if schema is None or schema.deprecated:
            continue
        given = {attribute.name for attribute in node.attribute}
        for name, attribute in schema.attributes.items():
            if name in given or attribute.required or attribute.default_value.type == AttributeProto.UNDEFINED:
                continue
            node.attribute.append(attribute.default_value)
            changed = True
        options = [i.option for i in schema.inputs]
        while len(node.input) < len(options) and options[len(node.input)] == onnx.defs.OpSchema.FormalParameterOption.Optional:
            node.input.append("")
            changed = True
    return changed


def defaults_left_out(case):
    """Attributes that are their default are not there; neither are nameless inputs at the end."""
    changed = False
    for node in case.graph.node:
        schema = case.schema(node)
        if schema is None:
            continue
        kept = []
        for attribute in node.attribute:
            known = schema.attributes.get(attribute.name)
            if known and known.default_value.type and value_of(known.default_value) == value_of(attribute):
                changed = True
            else:
                kept.append(attribute)
        del node.attribute[:]
        node.attribute.extend(kept)
        while node.input and not node.input[-1]:
            node.input.pop()
            changed = True
    return changed


def value_of(attribute):
    value = helper.get_attribute_value(attribute)
    return list(value) if hasattr(value, "__len__") and not isinstance(value, bytes) else value


TYPED_LISTS = {
    "float32": "float_data", "float64": "double_data", "int64": "int64_data", "uint64": "uint64_data", "uint32": "uint64_data",
    "int32": "int32_data", "int16": "int32_data", "int8": "int32_data", "uint16": "int32_data", "uint8": "int32_data",
    "bool": "int32_data", "float16": "int32_data",
}  # fmt: skip


def stored(array, name, how, case):
    """An initializer: raw bytes (0), the list of its type (1), or a file beside the model, behind others' bytes (2)."""
    tensor = numpy_helper.from_array(array, name)
    kind = array.dtype.name
    if how == 1 and kind in TYPED_LISTS:
        bits = array.view({"float16": np.uint16, "bool": np.uint8}.get(kind, kind))
        tensor.ClearField("raw_data")
        getattr(tensor, TYPED_LISTS[kind]).extend(bits.ravel().tolist())
    elif how == 2 and tensor.raw_data:
        path = case.folder / "outside.bin"
        offset = path.stat().st_size if path.exists() else 0
        with path.open("ab") as file:
            file.write(b"\xff" * (4096 - offset % 4096) + tensor.raw_data)
        where = {"location": "outside.bin", "offset": offset + 4096 - offset % 4096, "length": len(tensor.raw_data)}
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        for key, value in where.items():
            tensor.external_data.add(key=key, value=str(value))
    return tensor


def constants(how, first):
    """Inputs from `first` on are initializers; where the format is old they stay listed as inputs."""

    def change(case):
        names = case.fed()[first:]
        if not names or any(case.inputs[name].dtype.kind not in "fiub" for name in names):
            return False
        for name in names:
            case.graph.initializer.append(stored(case.inputs.pop(name), name, how, case))
        if case.model.ir_version >= 4:
            kept = [i for i in case.graph.input if i.name not in names]
            del case.graph.input[:]
            case.graph.input.extend(kept)
        return True

    return change


def constant_nodes(case):
    """Inputs after the first are what Constant nodes give."""
    names = case.fed()[1:]
    if not names or case.opset < 7:
        return False
    nodes = [helper.make_node("Constant", [], [name], value=numpy_helper.from_array(case.inputs.pop(name))) for name in names]
    return refill(case, nodes + list(case.graph.node), names)


def refill(case, nodes, gone=()):
    kept = [i for i in case.graph.input if i.name not in gone]
    del case.graph.input[:]
    case.graph.input.extend(kept)
    del case.graph.node[:]
    case.graph.node.extend(nodes)
    return True


def open_shapes(case):
    """Inputs have dimensions with names of their own, outputs have no shape."""
    for index, value in enumerate(case.graph.input):
        for axis, dim in enumerate(value.type.tensor_type.shape.dim):
            dim.dim_param = f"d{index}_{axis}"
    for value in case.graph.output:
        if value.type.WhichOneof("value") == "tensor_type":
            value.type.tensor_type.ClearField("shape")
    del case.graph.value_info[:]
    return True


def names_of(graph):
    names = {v.name for v in [*graph.input, *graph.output, *graph.initializer]}
    for node in graph.node:
        names.update(node.input, node.output)
        for attribute in node.attribute:
            if attribute.type == AttributeProto.GRAPH:
                names |= names_of(attribute.g)
    return names - {""}


def odd_names(case):
    """Names are no identifiers, and many become equal when made into some."""
    forms = ('a/b:{}', 'a.b:{}', '{{"x": {}}}', "λ {} '\"", "a b={}%s", "a-b:{}", "\\{}\n", "0{}", "x" * 300 + "{}")
    words = ("if", "model", "int", "output", "f32", "nan", "true", "while", "_", "x.y")
    names = sorted(names_of(case.graph), reverse=True)
    new = {name: forms[i % len(forms)].format(i // len(forms)) for i, name in enumerate(names)}
    new |= dict(zip(names[1::3], words))

    def rename(graph):
        for value in [*graph.input, *graph.output, *graph.initializer, *graph.value_info]:
            value.name = new.get(value.name, value.name)
        for i, node in enumerate(graph.node):
            node.name = "same name" if i % 2 else ""
            node.input[:] = [new.get(name, name) for name in node.input]
            node.output[:] = [new.get(name, name) for name in node.output]
            for attribute in node.attribute:
                if attribute.type == AttributeProto.GRAPH:
                    rename(attribute.g)

    if case.graph.sparse_initializer:
        return False
    rename(case.graph)
    case.inputs = {new[name]: array for name, array in case.inputs.items()}
    return True


def wrapped(case, make):
    """Puts the nodes into a body whose results get the model's output names; make(body results) gives the nodes around it."""
    if not only_main(case):
        return False
    names = [o.name for o in case.graph.output]
    if set(names) & {i.name for i in case.graph.input}:
        return False
    inner = {name: name + "/inner" for name in names}
    nodes = []
    for node in case.graph.node:
        copy = onnx.NodeProto()
        copy.CopyFrom(node)
        copy.input[:] = [inner.get(name, name) for name in copy.input]
        copy.output[:] = [inner.get(name, name) for name in copy.output]
        nodes.append(copy)
    infos = []
    for output in case.graph.output:
        info = onnx.ValueInfoProto()
        info.CopyFrom(output)
        info.name = inner[output.name]
        infos.append(info)
    around = make(nodes, infos, names)
    return refill(case, around) if around else False


def body(nodes, infos, inputs=()):
    return helper.make_graph(nodes, "body", list(inputs), infos)


def in_a_branch(case):
    """The nodes are the branch that a constant chooses; the other branch is one that could not be computed."""

    def make(nodes, infos, names):
        condition = helper.make_node("Constant", [], ["always"], value=numpy_helper.from_array(np.bool_(True)))
        other = [helper.make_node("Constant", [], [i.name], value=numpy_helper.from_array(np.float32([7]))) for i in infos]
        return [condition, helper.make_node("If", ["always"], names, then_branch=body(nodes, infos), else_branch=body(other, infos))]

    return wrapped(case, make) if case.opset >= 9 else False


def in_two_branches(case):
    """The nodes are both branches of a choice that depends on data, twice."""

    def make(nodes, infos, names):
        case.graph.input.append(helper.make_tensor_value_info("data-dependent choice", TensorProto.BOOL, []))
        case.inputs["data-dependent choice"] = np.bool_(False)
        return [helper.make_node("If", ["data-dependent choice"], names, then_branch=body(nodes, infos), else_branch=body(nodes, infos))]

    return wrapped(case, make) if case.opset >= 9 else False


def in_a_loop(case):
    """The nodes run in a loop of two rounds, whose results of the second are taken."""

    def make(nodes, infos, names):
        count = helper.make_node("Constant", [], ["trips"], value=numpy_helper.from_array(np.int64(2)))
        inputs = [helper.make_tensor_value_info("round/in", TensorProto.INT64, []), helper.make_tensor_value_info("go/in", TensorProto.BOOL, [])]
        go = helper.make_node("Identity", ["go/in"], ["go on"])
        results = [helper.make_tensor_value_info("go on", TensorProto.BOOL, []), *infos]
        loop = helper.make_node("Loop", ["trips", ""], [f"{name}/all" for name in names], body=body([*nodes, go], results, inputs))
        one = helper.make_node("Constant", [], ["last round"], value=numpy_helper.from_array(np.int64(1)))
        return [count, one, loop, *(helper.make_node("Gather", [f"{name}/all", "last round"], [name], axis=0) for name in names)]

    return wrapped(case, make) if case.opset >= 11 else False


def in_a_function(case):
    """The nodes are a function's, which gets their attributes from the node that calls it."""
    if not only_main(case) or case.graph.initializer or case.model.ir_version < 3:
        return False
    nodes, given = [], []
    for node in case.graph.node:
        copy = onnx.NodeProto()
        copy.CopyFrom(node)
        del copy.attribute[:]
        for attribute in node.attribute:
            if attribute.name in {a.name for a in given}:  # another node's: said here
                copy.attribute.append(attribute)
                continue
            given.append(attribute)
            reference = copy.attribute.add(name=attribute.name, type=attribute.type)
            reference.ref_attr_name = attribute.name
        nodes.append(copy)
    inputs, outputs = [i.name for i in case.graph.input], [o.name for o in case.graph.output]
    if set(inputs) & set(outputs):
        return False
    case.model.functions.append(
        helper.make_function("own domain", "Whole", inputs, outputs, nodes, case.model.opset_import, [a.name for a in given])
    )
    case.model.ir_version = max(case.model.ir_version, 8)
    case.model.opset_import.append(helper.make_opsetid("own domain", 1))
    call = helper.make_node("Whole", inputs, outputs, domain="own domain")
    call.attribute.extend(given)
    return refill(case, [call])


def read_twice(case):
    """Outputs leave under a second name, and what an Identity makes of them, too; so do inputs."""
    if not only_main(case):
        return False
    for index, output in enumerate(list(case.graph.output)):
        copy = case.graph.output.add(name=f"{output.name}/again", type=output.type)
        case.graph.node.append(helper.make_node("Identity", [output.name], [copy.name]))
        case.outputs.append(case.outputs[index])
    outputs = {o.name for o in case.graph.output}
    for value in case.graph.input:
        if value.name in case.inputs and value.name not in outputs:
            case.graph.output.add(name=value.name, type=value.type)
            case.outputs.append(case.inputs[value.name])
    return True


def unused_beside(case):
    """Nodes and initializers that no output needs, one of them of an op that nobody knows."""
    case.graph.initializer.append(numpy_helper.from_array(np.float32([1]), "not needed"))
    case.graph.node.append(helper.make_node("NobodyKnows", ["not needed"], ["nor this"], domain="strange"))
    case.model.opset_import.append(helper.make_opsetid("strange", 1))
    case.graph.doc_string = base64.b64encode(b"words").decode()
    return True


# What the converter leaves as it was although it then means something else.
OTHER_MEANING_FROM = {"Softmax": 13, "LogSoftmax": 13, "Hardmax": 13, "Scan": 9}


def converted(opset):
    """The model as ONNX's own converter writes it for another opset."""

    def change(case):
        if case.opset == opset or case.model.functions or any(node.domain for node in case.graph.node):
            return False
        low, high = sorted((opset, case.opset))
        if any(low < OTHER_MEANING_FROM.get(node.op_type, 0) <= high for node in case.graph.node):
            return False
        try:
            case.model = onnx.version_converter.convert_version(case.model, opset)
        except Exception:  # it says so when it cannot
            return False
        case.graph, case.opset = case.model.graph, opset
        return True

    return change


def pair(turn):
    """Two forms, one after the other; which ones depends on the case's name and the turn."""

    def change(case):
        state = zlib.crc32(f"{case.folder.name} {turn}".encode())
        first, second = state % len(SINGLE), state // len(SINGLE) % len(SINGLE)
        forms = list(SINGLE.values())
        return first != second and forms[first](case) and forms[second](case)

    return change


SINGLE = {
    "defaults-said": defaults_said,
    "defaults-left-out": defaults_left_out,
    "constants-raw": constants(0, 1),
    "constants-typed": constants(1, 1),
    "constants-outside": constants(2, 1),
    "all-constant": constants(1, 0),
    "constant-nodes": constant_nodes,
    "open-shapes": open_shapes,
    "odd-names": odd_names,
    "branch": in_a_branch,
    "two-branches": in_two_branches,
    "loop": in_a_loop,
    "function": in_a_function,
    "read-twice": read_twice,
    "unused": unused_beside,
}

FORMS = SINGLE | {f"pair-{turn}": pair(turn) for turn in range(4)}
OTHER_OPSETS = {f"opset-{opset}": converted(opset) for opset in (8, 10, 12, 13, 18, 22)}
