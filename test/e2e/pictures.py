"""Pictures: real photos from samples/, small ones drawn here, and all kinds of broken ones."""
import functools
import io
import struct
import zlib

import numpy
from PIL import Image

from gateway import SAMPLES


def sample(name):
    return (SAMPLES / name).read_bytes()


def encode(image, kind, **more):
    out = io.BytesIO()
    image.save(out, kind, **more)
    return out.getvalue()


def decode(data):
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


@functools.cache
def photo(width, height, name="astronaut.jpg", left=120, top=0):
    """A piece of a real photo."""
    with Image.open(SAMPLES / name) as whole:
        piece = whole.convert("RGB").crop((left, top, left + min(width, 380), top + min(height, 400)))
    return piece if piece.size == (width, height) else piece.resize((width, height), Image.Resampling.BICUBIC)


_fresh = iter(range(1 << 30))


def fresh(width=64, height=48, kind="PNG", **more):
    """A picture that nobody has sent before."""
    n = next(_fresh)
    image = photo(width, height).copy()
    for i in range(4):
        image.putpixel((i, 0), tuple((n >> shift) + 37 * i & 255 for shift in (0, 8, 16)))
    if kind == "JPEG":
        more["comment"] = f"number {n}"
    elif kind in ("WEBP", "AVIF"):
        more["xmp"] = f"number {n}".encode()
    return encode(image, kind, **more)


def cut_out(width, height):
    """A photo with a soft round hole around it: alpha from 0 to 255."""
    y, x = numpy.mgrid[0:height, 0:width]
    distance = numpy.hypot((x - width / 2) / width, (y - height / 2) / height)
    alpha = numpy.clip((0.45 - distance) * 1500, 0, 255).astype("uint8")
    image = photo(width, height).convert("RGBA")
    image.putalpha(Image.fromarray(alpha))
    return image


def psnr(a, b):
    """How alike two pictures of one size are, in decibels."""
    a, b = (numpy.asarray(i.convert("RGB"), dtype="float64") for i in (a, b))
    assert a.shape == b.shape
    error = numpy.mean((a - b) ** 2)
    return 99.0 if error == 0 else 10 * numpy.log10(255 ** 2 / error)


def detail(image):
    """How much fine structure there is: the mean strength of what a small blur takes away."""
    grey = numpy.asarray(image.convert("L"), dtype="float64")
    blur = (grey[:-2] + grey[1:-1] + grey[2:]) / 3
    blur = (blur[:, :-2] + blur[:, 1:-1] + blur[:, 2:]) / 3
    return numpy.abs(grey[1:-1, 1:-1] - blur).mean()


# ---- broken ones ----

def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(width, height, rows=b"", depth=8, colour=2):
    """A PNG that declares this size, whatever its rows hold."""
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def flat_png(side):
    """One colour, one bit a pixel: a few kB that unpack to side² pixels."""
    return encode(Image.new("1", (side, side)), "PNG", optimize=False, compress_level=9)


def jpeg_sized(data, width, height):
    """The same JPEG with another size in its header."""
    at = 2
    while data[at + 1] not in (0xC0, 0xC2):
        at += 2 + struct.unpack(">H", data[at + 2:at + 4])[0]
    return data[:at + 5] + struct.pack(">HH", height, width) + data[at + 9:]


def jpeg_of_many_passes(passes):
    """A progressive JPEG whose last pass is there again and again: small to send, slow to decode."""
    data = encode(photo(128, 128), "JPEG", progressive=True)
    last = data.rindex(b"\xff\xda")
    return data[:last] + data[last:-2] * passes + b"\xff\xd9"


def animated(kind):
    frames = [Image.new("RGB", (40, 30), colour) for colour in ("red", "green", "blue")]
    return encode(frames[0], kind, save_all=True, append_images=frames[1:], duration=100)


def damaged_png():
    """Its parts fit together, but the pixels' checksums do not."""
    data = bytearray(encode(photo(96, 96), "PNG"))
    at = data.index(b"IDAT") + 4 + 200
    data[at:at + 64] = b"\x5a" * 64
    return bytes(data)
