"""Outputs that are really made from the inputs: files as (bytes, extension), or pieces of text."""
import base64
import functools
import io
import urllib.parse

from PIL import Image, ImageDraw, ImageFilter

from . import comics, scenes

TYPES = {"png": "image/png", "jpg": "image/jpeg", "webp": "image/webp"}


class Unusable(Exception):
    """The model cannot work with its input."""


def from_data_url(url):
    head, comma, body = url.partition(",")
    if not comma:
        raise Unusable("Invalid data URI")
    if head.endswith(";base64"):
        return base64.b64decode(body)
    return urllib.parse.unquote_to_bytes(body)


def encode(image, extension="png"):
    out = io.BytesIO()
    if extension == "jpg":
        image = image.convert("RGB")
    image.save(out, {"jpg": "JPEG"}.get(extension, extension.upper()))
    return out.getvalue(), extension


def decode(data):
    try:
        image = Image.open(io.BytesIO(data))
        image.load()
    except Exception:
        raise Unusable("cannot identify image file '/tmp/input'") from None
    return image


@functools.cache
def fixed():
    """A small picture for those who want speed."""
    image = Image.new("RGB", (64, 48), (200, 120, 40))
    ImageDraw.Draw(image).ellipse((12, 8, 52, 40), fill=(30, 90, 160))
    return encode(image)


def _enlarge(given, data):
    image = decode(data)
    factor = given.get("scale", given.get("upscale", 4))
    size = tuple(max(1, round(side * factor)) for side in image.size)
    return [encode(image.resize(size, Image.Resampling.BICUBIC))]


def _same(given, data):
    if data is None:
        return [fixed()]
    image = decode(data).convert("RGB").filter(ImageFilter.UnsharpMask())
    return [encode(image, given.get("output_format", "png"))]


def _relight(given, data):
    image = decode(data).convert("RGB")
    scale = given.get("highres_scale", 1.5)
    size = round(given.get("width", 512) * scale), round(given.get("height", 640) * scale)
    light = Image.linear_gradient("L").resize(size).convert("RGB")
    lit = Image.blend(image.resize(size), light, 0.3)
    return [encode(lit, given.get("output_format", "webp"))] * given.get("number_of_images", 1)


def _cut_out(given, data):
    image = decode(data).convert("RGBA")
    hole = Image.new("L", image.size)
    width, height = image.size
    ImageDraw.Draw(hole).ellipse((width * .1, height * .1, width * .9, height * .9), fill=255)
    image.putalpha(hole.filter(ImageFilter.GaussianBlur(2)))
    return [encode(image)]


def _draw(given, data):
    size = given.get("width", 896), given.get("height", 1152)
    return [(scenes.draw(*size, given.get("seed", 0), given.get("prompt", "")), "png")]


def _odd(data):
    """Another size and shape than was asked for."""
    image = decode(data)
    return encode(image.resize((image.width * 3 // 4 + 1, image.height // 3 + 1)))[0]


SPOILED = {"corrupt": lambda data: data[:len(data) // 2], "odd_size": _odd}


_WAYS = {"enlarge": _enlarge, "same": _same, "relight": _relight, "cut_out": _cut_out, "draw": _draw}
_SINGLE = ("enlarge", "same", "cut_out", "draw")  # their output is one address, not a list
_PICTURE_KEYS = ("image", "img", "subject_image", "input_image")


def picture_key(given):
    return next((key for key in _PICTURE_KEYS if isinstance(given.get(key), str)), None)


def make(model, given, data, spoil=None):
    """A list of files or texts, and whether it stands alone; data: the input picture's bytes, or None. spoil: a
    name of what is wrong with it, in SPOILED or comics.SPOILED."""
    if model.speaks:
        return comics.speak(given["prompt"], spoil), False
    made = _WAYS[model.makes](given, data)
    if spoil in SPOILED:
        made = [(SPOILED[spoil](file), extension) for file, extension in made]
    return made, model.makes in _SINGLE
