"""What Animagine draws here: a sky, hills, and somebody with a face, where the seed and the prompt want them."""
import colorsys
import functools
import io
import random

from PIL import Image, ImageDraw

SKIN = [(255, 224, 196), (241, 194, 160), (214, 160, 122)]


def _colour(hue, saturation, value):
    return tuple(round(255 * part) for part in colorsys.hsv_to_rgb(hue % 1, saturation, value))


def _sky(size, top, bottom):
    width, height = size
    ramp = Image.linear_gradient("L").crop((0, 0, 1, 256)).resize((1, height), Image.Resampling.BILINEAR)
    column = Image.composite(Image.new("RGB", (1, height), bottom), Image.new("RGB", (1, height), top), ramp)
    return column.resize((width, height), Image.Resampling.NEAREST)


def _hills(pen, size, hue, chance, night):
    width, height = size
    for row in range(3):
        top, colour = height * (.5 + .13 * row), _colour(hue, .45 + .1 * row, (.45 if night else .8) - .13 * row)
        for side in (-.3, .2, .6):
            left = (side + chance.uniform(-.2, .2)) * width
            pen.ellipse((left, top + chance.uniform(0, .1) * height, left + .8 * width, top + height), fill=colour)


def _somebody(pen, size, hue, chance, glad):
    """Head, hair, eyes, mouth and coat; whole in the picture."""
    width, height = size
    head = chance.uniform(.1, .16) * min(width, height)
    x, y = chance.uniform(.25, .75) * width, chance.uniform(.35, .6) * height
    coat, hair, skin = _colour(hue, .7, .8), _colour(chance.random(), .5, .3), chance.choice(SKIN)
    pen.polygon([(x - .5 * head, y + head), (x + .5 * head, y + head), (x + 1.5 * head, height), (x - 1.5 * head, height)],
                fill=coat)
    pen.ellipse((x - 1.15 * head, y - 1.25 * head, x + 1.15 * head, y + head), fill=hair)
    pen.ellipse((x - head, y - head, x + head, y + 1.1 * head), fill=skin)
    for side in (-.4, .4):
        eye = x + side * head
        pen.ellipse((eye - .18 * head, y - .2 * head, eye + .18 * head, y + .2 * head), fill="white")
        pen.ellipse((eye - .1 * head, y - .12 * head, eye + .1 * head, y + .16 * head), fill=(40, 40, 60))
    mouth = (x - .3 * head, y + .3 * head, x + .3 * head, y + .8 * head)
    pen.arc(mouth, *((20, 160) if glad else (200, 340)), fill=(150, 50, 50), width=max(1, round(head / 20)))


@functools.lru_cache(256)
def draw(width, height, seed, prompt):
    """The same for the same words and seed. PNG, as bytes."""
    chance = random.Random(f"{seed} {prompt}")
    hue, night = chance.random(), "night" in prompt or "dark" in prompt
    top, bottom = (.2, .45) if night else (.8, 1)
    image = _sky((width, height), _colour(hue, .6, top), _colour(hue + .1, .3, bottom))
    pen, side = ImageDraw.Draw(image), min(width, height)
    x, y, disc = chance.uniform(.1, .9) * width, chance.uniform(.05, .25) * height, .07 * side
    pen.ellipse((x - disc, y - disc, x + disc, y + disc), fill=(240, 240, 255) if night else (255, 244, 200))
    _hills(pen, image.size, hue + .35, chance, night)
    _somebody(pen, image.size, hue + .55, chance, "sad" not in prompt and "cry" not in prompt)
    out = io.BytesIO()
    image.save(out, "PNG", compress_level=1)
    return out.getvalue()
