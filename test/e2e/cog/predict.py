"""A small model for a real Cog server: it enlarges with Pillow, and obeys files in the folder of LEVERS.

setup: must be there before the set-up ends. broken: the set-up fails. hold: a run waits while it is there. fail: a run
raises. Each run writes a line to the file runs when it begins, and one to ended or stopped.
"""
import os
import pathlib
import tempfile
import time

from cog import BasePredictor, Input, Path
from PIL import Image

LEVERS = pathlib.Path(os.environ["LEVERS"])


def there(name):
    return (LEVERS / name).exists()


def note(name, text):
    with open(LEVERS / name, "a") as file:
        file.write(text + "\n")


class Predictor(BasePredictor):
    def setup(self):
        while not there("setup"):
            time.sleep(0.02)
        if there("broken"):
            raise RuntimeError("the weights cannot be read")

    def predict(
        self,
        image: Path = Input(description="The picture"),
        scale: float = Input(description="Factor", ge=0, le=10, default=4),
        face_enhance: bool = Input(description="Also restore faces", default=False),
    ) -> Path:
        picture = Image.open(str(image))
        note("runs", f"{picture.format} {picture.width}x{picture.height} {scale:g} {face_enhance}")
        try:
            while there("hold"):
                time.sleep(0.02)
        except BaseException:  # a cancellation is none of the exceptions
            note("stopped", "")
            raise
        if there("fail"):
            raise ValueError("the picture is too dark")
        size = (round(picture.width * scale), round(picture.height * scale))
        out = pathlib.Path(tempfile.mkdtemp()) / "out.png"
        picture.convert("RGB").resize(size, Image.Resampling.LANCZOS).save(out, compress_level=1)
        note("ended", "")
        return Path(str(out))
