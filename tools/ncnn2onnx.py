#!/usr/bin/env python3
"""Turn an ncnn network (.param and .bin) into ONNX: ncnn2onnx.py NAME.param NAME.bin OUT.onnx

Standard library only, and the same input always gives the same bytes. Just the layers of the Real-ESRGAN family are
known; anything else is an error, never a guess. The result is opset 17, float32, with input `data` and output `output`,
planes of red, green and blue in 0..1, of any height and width.
"""
import array
import struct
import sys

FLOAT = 1  # the ONNX element type
TAG_FLOAT32, TAG_FLOAT16 = 0, 0x01306B47  # how ncnn marks the weights that follow


class Unsupported(Exception):
    """The network holds something this converter does not know."""


# Protocol buffers, as far as ONNX needs them: an integer field is (number << 3 | 0), a block is (number << 3 | 2).


def varint(value):
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def integer(number, value):
    return varint(number << 3) + varint(value)


def block(number, data):
    if isinstance(data, str):
        data = data.encode()
    return varint(number << 3 | 2) + varint(len(data)) + data


# ONNX's own messages; the numbers are the fields of onnx.proto.


def attribute(name, value):
    if isinstance(value, float):
        return block(1, name) + varint(2 << 3 | 5) + struct.pack("<f", value) + integer(20, 1)
    if isinstance(value, int):
        return block(1, name) + integer(3, value) + integer(20, 2)
    if isinstance(value, str):
        return block(1, name) + block(4, value) + integer(20, 3)
    return block(1, name) + b"".join(integer(8, item) for item in value) + integer(20, 7)


def node(kind, name, inputs, output, **attributes):
    return (
        b"".join(block(1, item) for item in inputs)
        + block(2, output)
        + block(3, name)
        + block(4, kind)
        + b"".join(block(5, attribute(key, value)) for key, value in attributes.items())
    )


def tensor(name, dimensions, values):
    """values: array of float32 in this machine's byte order."""
    if sys.byteorder == "big":
        values = array.array("f", values)
        values.byteswap()
    shape = b"".join(integer(1, size) for size in dimensions)
    return shape + integer(2, FLOAT) + block(8, name) + block(9, values.tobytes())


def value_info(name, dimensions):
    shape = b""
    for size in dimensions:
        shape += block(1, block(2, size) if isinstance(size, str) else integer(1, size))
    return block(1, name) + block(2, block(1, integer(1, FLOAT) + block(2, shape)))


class Weights:
    """Reads a .bin file, which is the weights in the order of the layers."""

    def __init__(self, data):
        self.data = data
        self.position = 0

    def take(self, size):
        piece = self.data[self.position : self.position + size]
        if len(piece) != size:
            raise Unsupported("the .bin file is too short")
        self.position += size
        return piece

    def floats(self, count):
        values = array.array("f", self.take(4 * count))
        if sys.byteorder == "big":
            values.byteswap()
        return values

    def tagged(self, count):
        (tag,) = struct.unpack("<I", self.take(4))
        if tag == TAG_FLOAT32:
            return self.floats(count)
        if tag != TAG_FLOAT16:
            raise Unsupported("weights of unknown kind 0x%08X" % tag)
        halves = self.take((2 * count + 3) // 4 * 4)
        return array.array("f", struct.unpack_from("<%de" % count, halves))


class Layer:
    """One line of a .param file."""

    def __init__(self, line):
        words = line.split()
        self.kind, self.name = words[0], words[1]
        first, second = int(words[2]), int(words[2]) + int(words[3])
        self.inputs = words[4 : 4 + first]
        self.outputs = words[4 + first : 4 + second]
        self.options = {}
        for word in words[4 + second :]:
            key, value = word.split("=")
            self.options[int(key)] = value

    def only(self, **allowed):
        """Refuses every option but these (k0=None: any value; k0="1": just that one)."""
        allowed = {int(key[1:].replace("_", "-")): value for key, value in allowed.items()}
        for key, value in self.options.items():
            if key not in allowed or allowed[key] not in (None, value):
                raise Unsupported("%s %s: option %d=%s" % (self.kind, self.name, key, value))

    def number(self, key):
        return int(self.options[key])

    def list(self, key):
        """An array option: its length, then its items."""
        return [float(item) for item in self.options[key].split(",")[1:]]


class Converter:
    def __init__(self, weights):
        self.weights = weights
        self.nodes = []
        self.tensors = []
        self.same = {}  # what a Split calls its outputs -> the one blob they all are
        self.channels = {}  # blob -> how many planes it has
        self.scale = {}  # blob -> how many times the input's width it has

    def add(self, kind, name, inputs, output, **attributes):
        self.nodes.append(node(kind, name, inputs, output, **attributes))

    def constant(self, name, dimensions, values):
        self.tensors.append(tensor(name, dimensions, values))
        return name

    def layer(self, layer):
        convert = getattr(self, "convert_" + layer.kind.lower(), None)
        if convert is None:
            raise Unsupported("layer %s" % layer.kind)
        inputs = [self.same.get(name, name) for name in layer.inputs]
        if inputs:
            self.channels[layer.outputs[0]] = self.channels[inputs[0]]
            self.scale[layer.outputs[0]] = self.scale[inputs[0]]
        convert(layer, inputs, layer.outputs[0])

    def convert_input(self, layer, _inputs, output):
        layer.only()
        if output != "data":
            raise Unsupported("input %s" % output)
        self.channels[output] = 3
        self.scale[output] = 1

    def convert_split(self, layer, inputs, _output):
        layer.only()
        for name in layer.outputs:
            self.same[name] = inputs[0]

    def convert_convolution(self, layer, inputs, output):
        layer.only(k0=None, k1=None, k4=None, k5="1", k6=None, k9="2", k_23310=None)
        planes, kernel, pad, count = (layer.number(key) for key in (0, 1, 4, 6))
        before = self.channels[inputs[0]]
        if count != planes * before * kernel * kernel or kernel != 2 * pad + 1:
            raise Unsupported("%s: %d weights, kernel %d, padding %d" % (layer.name, count, kernel, pad))
        shape = [planes, before, kernel, kernel]
        weight = self.constant(layer.name + ".weight", shape, self.weights.tagged(count))
        bias = self.constant(layer.name + ".bias", [planes], self.weights.floats(planes))
        leaky = 9 in layer.options
        result = layer.name + ".sum" if leaky else output
        pads = [pad] * 4
        self.add("Conv", layer.name, [inputs[0], weight, bias], result, kernel_shape=[kernel] * 2, pads=pads)
        if leaky:
            self.add("LeakyRelu", layer.name + ".leaky", [result], output, alpha=layer.list(-23310)[0])
        self.channels[output] = planes

    def convert_prelu(self, layer, inputs, output):
        layer.only(k0=None)
        planes = layer.number(0)
        slope = self.constant(layer.name + ".slope", [planes, 1, 1], self.weights.floats(planes))
        self.add("PRelu", layer.name, [inputs[0], slope], output)

    def convert_concat(self, layer, inputs, output):
        layer.only()
        self.add("Concat", layer.name, inputs, output, axis=1)
        self.channels[output] = sum(self.channels[name] for name in inputs)

    def convert_eltwise(self, layer, inputs, output):
        layer.only(k0="1", k_23301=None)
        terms = []
        for index, factor in enumerate(layer.list(-23301)):
            term = inputs[index]
            if factor != 1:
                by = self.constant("%s.factor%d" % (layer.name, index), [], array.array("f", [factor]))
                term = "%s.term%d" % (layer.name, index)
                self.add("Mul", term, [inputs[index], by], term)
            terms.append(term)
        if len(terms) != 2 or len(inputs) != 2:
            raise Unsupported("%s: a sum of %d" % (layer.name, len(inputs)))
        self.add("Add", layer.name, terms, output)

    def convert_binaryop(self, layer, inputs, output):
        layer.only(k0="0")
        self.add("Add", layer.name, inputs, output)

    def convert_interp(self, layer, inputs, output):
        layer.only(k0="1", k1=None, k2=None)
        down, across = float(layer.options[1]), float(layer.options[2])
        if down != across or down != int(down):
            raise Unsupported("%s: enlarging by %g and %g" % (layer.name, down, across))
        scales = self.constant(layer.name + ".scales", [4], array.array("f", [1, 1, down, across]))
        self.add(
            "Resize",
            layer.name,
            [inputs[0], "", scales],
            output,
            coordinate_transformation_mode="asymmetric",
            mode="nearest",
            nearest_mode="floor",
        )
        self.scale[output] *= int(down)

    def convert_pixelshuffle(self, layer, inputs, output):
        layer.only(k0=None)
        size = layer.number(0)
        self.add("DepthToSpace", layer.name, [inputs[0]], output, blocksize=size, mode="CRD")
        self.channels[output] //= size * size
        self.scale[output] *= size

    def model(self, name):
        if self.channels.get("output") != 3:
            raise Unsupported("no blob `output` of three planes")
        scale = self.scale["output"]
        high, wide = "%d*height" % scale, "%d*width" % scale
        graph = (
            b"".join(block(1, item) for item in self.nodes)
            + block(2, name)
            + b"".join(block(5, item) for item in self.tensors)
            + block(11, value_info("data", [1, 3, "height", "width"]))
            + block(12, value_info("output", [1, 3, high, wide]))
        )
        return integer(1, 8) + block(2, "ncnn2onnx") + block(7, graph) + block(8, integer(2, 17))


def convert(param, weights, name):
    lines = param.split("\n")
    if lines[0].strip() != "7767517":
        raise Unsupported("not a .param file")
    converter = Converter(Weights(weights))
    for line in lines[2:]:
        if line.strip():
            converter.layer(Layer(line))
    if converter.weights.position != len(weights):
        raise Unsupported("%d bytes of the .bin file are left over" % (len(weights) - converter.weights.position))
    return converter.model(name)


def main(argv):
    if len(argv) != 4:
        sys.exit("use: ncnn2onnx.py NAME.param NAME.bin OUT.onnx")
    with open(argv[1], encoding="ascii") as file:
        param = file.read()
    with open(argv[2], "rb") as file:
        weights = file.read()
    name = argv[1].replace("\\", "/").rsplit("/", 1)[-1][: -len(".param")]
    try:
        model = convert(param, weights, name)
    except Unsupported as problem:
        sys.exit("%s: %s" % (argv[1], problem))
    with open(argv[3], "wb") as file:
        file.write(model)


if __name__ == "__main__":
    main(sys.argv)
