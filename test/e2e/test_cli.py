"""The command line, on the real binary, the real networks and real photos.

LIMNER_BIN names the binary (build/limner); the networks are those of deps/.
"""

import io
import os
import re
import shutil
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

import pytest
from PIL import Image

from gateway import SANITIZER_ENV
from terminal import Terminal, lines_of_bar

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(os.environ.get("LIMNER_BIN", ROOT / "build/limner")).resolve()
SAMPLES = ROOT / "samples"
PORTRAIT = SAMPLES / "portrait-small.jpg"  # 192 × 192
ONE_MINUTE = 60
LONG = 600  # the sanitizers are slow

short = pytest.mark.short


@pytest.fixture
def env(tmp_path):
    e = {k: v for k, v in os.environ.items() if not k.startswith(("LIMNER", "REPLICATE", "XDG"))}
    e.setdefault("MODELS_DIR", str(ROOT / "deps/models"))
    e.setdefault("OPENVINO_DIR", str(ROOT / "deps/openvino/lib"))
    e.update(SANITIZER_ENV)
    e.update(XDG_CACHE_HOME=str(tmp_path / "cache"), LC_ALL="C.UTF-8", TERM="xterm")
    return e


@pytest.fixture
def work(tmp_path):
    folder = tmp_path / "work"
    folder.mkdir()
    return folder


@pytest.fixture
def limner(env, work):
    def run(*args, text=True, check=None, **kw):
        env_now = {**env, **kw.pop("env", {})}
        p = subprocess.run([BIN, *map(str, args)], cwd=work, env=env_now, capture_output=True, text=text,
                           timeout=LONG, **kw)
        if check is not None:
            assert p.returncode == check, (p.returncode, p.stdout, p.stderr)
        return p

    return run


def names(folder):
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if not p.is_dir())


def picture(path):
    with Image.open(path) as im:
        im.load()
        return im.format, im.size


# ---- results ----


@short
def test_one_photo(limner, work):
    p = limner("clarity", PORTRAIT, "-o", "out.jpg", "--quality", "fast", check=0)
    assert picture(work / "out.jpg") == ("JPEG", (384, 384))
    assert re.fullmatch(r"out\.jpg  192×192 → 384×384  realesr-animevideov3-x4  \d+\.\d s\n", p.stdout)
    assert p.stderr == ""  # no bar on a pipe
    assert names(work) == ["out.jpg"]  # and nothing else: no data folder


def test_the_result_is_the_photo_and_sharper(limner, work):
    """Looks like its input when shrunk back, and unlike a plain resize."""
    import numpy as np

    limner("clarity", PORTRAIT, "-o", "out.png", "--quality", "fast", check=0)
    before = Image.open(PORTRAIT).convert("RGB")
    after = Image.open(work / "out.png").convert("RGB")
    back = np.asarray(after.resize(before.size, Image.LANCZOS), float)
    mse = ((back - np.asarray(before, float)) ** 2).mean()
    assert 10 * np.log10(255**2 / mse) > 25
    plain = np.asarray(before.resize(after.size, Image.BICUBIC), float)
    assert np.abs(plain - np.asarray(after, float)).mean() > 0.5


def test_best_network(limner, work):
    Image.open(PORTRAIT).resize((96, 96)).save(work / "in.png")
    p = limner("enhance", "in.png", "-o", "out.png", "--quality", "best", "--scale=4", check=0)
    assert "realesrgan-x4plus " in p.stdout
    assert picture(work / "out.png") == ("PNG", (384, 384))


def test_scale_three(limner, work):
    limner("beautify", PORTRAIT, "-o", "out.jpg", "--scale", "3", "--quality", "fast", check=0)
    assert picture(work / "out.jpg")[1] == (576, 576)


@short
@pytest.mark.parametrize("name, form", [("a.jpg", "JPEG"), ("a.JPEG", "JPEG"), ("a.png", "PNG"), ("a.webp", "WEBP")])
def test_the_extension_decides(limner, work, name, form):
    rgba = Image.new("RGBA", (40, 30), (200, 10, 10, 0))
    rgba.save(work / "in.png")
    limner("clarity", "in.png", "-o", name, "--quality", "fast", check=0)
    assert picture(work / name) == (form, (80, 60))
    with Image.open(work / name) as im:
        if form == "JPEG":  # transparency becomes white
            assert min(im.convert("RGB").getpixel((40, 30))) > 250
        else:
            assert im.convert("RGBA").getpixel((40, 30))[3] == 0


@short
def test_pipes(limner, work):
    p = limner("clarity", "-", "-o", "-", "--quality", "fast", text=False, input=PORTRAIT.read_bytes(), check=0)
    assert picture(io.BytesIO(p.stdout)) == ("JPEG", (384, 384))
    assert "192×192 → 384×384" in p.stderr.decode()
    p = limner("clarity", PORTRAIT, "-qo-", "--quality", "fast", text=False, check=0)
    assert picture(io.BytesIO(p.stdout))[1] == (384, 384)
    assert p.stderr == b""
    p = limner("clarity", "-", "-o", "x.jpg", input="", check=1)
    assert "standard input: Nothing came" in p.stderr


def test_a_large_photo_is_shrunk_and_says_so(limner, work):
    p = limner("clarity", SAMPLES / "coffee.jpg", "-o", "c.jpg", "--quality", "fast", "--image-max-pixels", "60000",
               check=0)
    assert "600×400 → shrunk to 300×200 → 600×400" in p.stdout


# ---- folders ----


@short
def test_folders_are_mirrored_and_one_bad_file_stops_nothing(limner, work):
    tree = work / "in"
    (tree / "sub").mkdir(parents=True)
    shutil.copy(PORTRAIT, tree / "a.jpg")
    Image.new("RGB", (30, 20), "navy").save(tree / "sub/b.png")
    (tree / "broken.jpg").write_text("no picture")
    (tree / "cut.jpg").write_bytes(PORTRAIT.read_bytes()[:3000])
    (tree / "note.txt").write_text("not meant")
    p = limner("clarity", "in", "-o", "out", "--quality", "fast", check=3)
    assert names(work / "out") == ["a.jpg", "sub/b.png"]
    assert "in/broken.jpg: The upload is not an image" in p.stderr
    assert "in/cut.jpg: " in p.stderr
    assert p.stdout.splitlines()[-1].startswith("4 pictures: 2 done, 0 skipped, 2 failed")

    # Again: what is there is not done again, nor what failed forgotten.
    before = (work / "out/a.jpg").stat().st_mtime_ns
    p = limner("clarity", "in", "-o", "out", "--quality", "fast", check=3)
    assert "out/a.jpg  is there already" in p.stdout
    assert (work / "out/a.jpg").stat().st_mtime_ns == before
    (tree / "broken.jpg").unlink()
    (tree / "cut.jpg").unlink()
    limner("clarity", "in", "-o", "out", "--quality", "fast", check=0)
    assert (work / "out/a.jpg").stat().st_mtime_ns == before
    limner("clarity", "in", "-o", "out", "--quality", "fast", "-f", check=0)
    assert (work / "out/a.jpg").stat().st_mtime_ns != before


@short
def test_several_files_and_quiet(limner, work):
    shutil.copy(PORTRAIT, work / "a.jpg")
    shutil.copy(PORTRAIT, work / "b.jpg")
    p = limner("clarity", "a.jpg", "gone.jpg", "b.jpg", "-q", "-o", "out", "--quality", "fast", check=3)
    assert p.stdout == "" and p.stderr == "limner: gone.jpg: No such file or directory\n"
    assert names(work / "out") == ["a.jpg", "b.jpg"]
    limner("clarity", "gone.jpg", "-o", "x.jpg", check=1)


@short
def test_names_cannot_steer_the_terminal(limner, work):
    (work / "e\033[31mvil.jpg").write_text("x")
    p = limner("clarity", work / "e\033[31mvil.jpg", "-o", "out/", check=1)
    assert "\033" not in p.stderr and "vil.jpg" in p.stderr


# ---- backgrounds ----

ASTRONAUT = SAMPLES / "astronaut.jpg"  # 512 × 512; she stands in the middle, the shuttle behind her
SUIT, BEHIND = (256, 330), (6, 60)


def pixel(path, at, mode="RGBA"):
    with Image.open(path) as im:
        return im.convert(mode).getpixel(at)


def near(a, b, most=12):
    return all(abs(x - y) <= most for x, y in zip(a, b))


@pytest.fixture
def blue(work):
    path = work / "blue.png"
    Image.new("RGB", (80, 60), (20, 40, 200)).save(path)
    return path


@pytest.mark.parametrize("name, form", [pytest.param("a.png", "PNG", marks=short), ("a.webp", "WEBP"),
                                        ("a.jpg", "JPEG")])
def test_a_background_is_removed(limner, work, tmp_path, name, form):
    p = limner("replace-bg", ASTRONAUT, "-o", name, check=0)
    assert picture(work / name) == (form, (512, 512))
    assert re.fullmatch(rf"{name}  512×512 → 512×512  isnet  \d+\.\d s\n", p.stdout) and p.stderr == ""
    if form == "JPEG":  # which cannot be transparent
        assert near(pixel(work / name, BEHIND), (255, 255, 255, 255), 3)
    else:
        assert pixel(work / name, BEHIND)[3] == 0 and pixel(work / name, SUIT)[3] == 255
    assert near(pixel(work / name, SUIT, "RGB"), pixel(ASTRONAUT, SUIT, "RGB"))
    assert names(work) == [name]  # the model's cut-out is no result
    assert not (tmp_path / "cache/limner/objects").exists()  # nor kept elsewhere


@short
def test_a_background_is_replaced(limner, work, blue):
    limner("replace-bg", ASTRONAUT, "-o", "a.jpg", "--bg", blue, check=0)
    assert picture(work / "a.jpg") == ("JPEG", (512, 512))
    assert near(pixel(work / "a.jpg", BEHIND, "RGB"), (20, 40, 200))
    assert near(pixel(work / "a.jpg", SUIT, "RGB"), pixel(ASTRONAUT, SUIT, "RGB"))
    assert names(work) == ["a.jpg", "blue.png"]


def test_fit_and_position(limner, work):
    """A wide background of two colours before a square: only the left one stays; seen whole, there is white."""
    bg = Image.new("RGB", (300, 100), (200, 20, 20))
    bg.paste((20, 160, 20), (150, 0, 300, 100))
    bg.save(work / "two.png")
    limner("replace-bg", ASTRONAUT, "-o", "l.png", "--bg", "two.png", "--position", "left", "--shadow", "0", check=0)
    assert near(pixel(work / "l.png", BEHIND, "RGB"), (200, 20, 20))
    limner("replace-bg", ASTRONAUT, "-o", "r.png", "--bg", "two.png", "--position", "right", check=0)
    assert near(pixel(work / "r.png", BEHIND, "RGB"), (20, 160, 20))
    limner("replace-bg", ASTRONAUT, "-o", "w.jpg", "--bg", "two.png", "--fit", "contain", check=0)
    assert near(pixel(work / "w.jpg", BEHIND, "RGB"), (255, 255, 255))


def test_a_folder_of_backgrounds(limner, work, blue):
    """Photos without a background become PNGs; with a new one they keep their type."""
    (work / "in/sub").mkdir(parents=True)
    shutil.copy(PORTRAIT, work / "in/a.jpg")
    shutil.copy(ASTRONAUT, work / "in/sub/b.jpg")
    (work / "in/broken.jpg").write_text("no picture")
    p = limner("replace-bg", "in", "-o", "out", check=3)
    assert names(work / "out") == ["a.png", "sub/b.png"]
    assert pixel(work / "out/a.png", (1, 1))[3] == 0
    assert "in/broken.jpg: The upload is not an image" in p.stderr
    limner("replace-bg", "in", "-o", "new", "--bg", blue, check=3)
    assert names(work / "new") == ["a.jpg", "sub/b.jpg"]
    assert near(pixel(work / "new/sub/b.jpg", BEHIND, "RGB"), (20, 40, 200))


def test_a_background_from_a_pipe(limner, work, blue):
    p = limner("replace-bg", PORTRAIT, "-o", "-", "--bg", "-", text=False, input=blue.read_bytes(), check=0)
    assert picture(io.BytesIO(p.stdout)) == ("JPEG", (192, 192))
    assert near(pixel(io.BytesIO(p.stdout), (1, 1), "RGB"), (20, 40, 200))
    p = limner("replace-bg", "-", "-o", "-", text=False, input=PORTRAIT.read_bytes(), check=0)
    assert picture(io.BytesIO(p.stdout))[0] == "PNG" and pixel(io.BytesIO(p.stdout), (1, 1))[3] == 0


@short
def test_a_background_that_is_none(limner, work, blue):
    """It is told once and before any work, under its own name."""
    (work / "text.jpg").write_text("no picture")
    (work / "cut.jpg").write_bytes(ASTRONAUT.read_bytes()[:3000])
    for name, word in [("gone.jpg", "No such file"), ("text.jpg", "not an image"), ("cut.jpg", "cut off"),
                       (work, "Is a directory")]:
        p = limner("replace-bg", ASTRONAUT, PORTRAIT, "-o", "out", "--bg", name, check=1)
        assert len(p.stderr.splitlines()) == 1 and p.stderr.startswith(f"limner: {name}: ") and word in p.stderr
        assert p.stdout == "" and not (work / "out").exists()


def test_a_damaged_background_is_named(limner, work):
    """What only decoding shows."""
    noise = Image.effect_noise((200, 200), 80)
    noise.save(work / "bad.png")
    data = bytearray((work / "bad.png").read_bytes())
    data[len(data) // 2: len(data) // 2 + 64] = bytes(64)
    (work / "bad.png").write_bytes(data)
    p = limner("replace-bg", PORTRAIT, "-o", "out.png", "--bg", "bad.png", check=1)
    assert f"{PORTRAIT}: --bg bad.png: " in p.stderr and not (work / "out.png").exists()


def test_a_large_photo_keeps_its_size(limner, work, blue):
    Image.open(ASTRONAUT).resize((4400, 4000)).save(work / "large.jpg")
    p = limner("replace-bg", "large.jpg", "-o", "a.jpg", "--bg", blue, check=0)
    assert picture(work / "a.jpg")[1] == (4400, 4000)
    assert "a.jpg  4400×4000 → 4400×4000  isnet" in p.stdout  # not a word about what the model saw


# ---- light ----


def halves(path):
    """Mean lightness of the picture's left and right half."""
    with Image.open(path) as im:
        grey = im.convert("L")
        width, height = grey.size
        sides = [grey.crop((x, 0, x + width // 2, height)).resize((1, 1), Image.BOX) for x in (0, width // 2)]
        return [side.getpixel((0, 0)) for side in sides]


def test_light_comes_from_its_side(limner, work):
    limner("relight", ASTRONAUT, "-o", "l.png", "--prompt", "soft light", "--light-source", "Left Light", check=0)
    limner("relight", ASTRONAUT, "-o", "r.webp", "--prompt", "soft light", "--light-source", "right", check=0)
    assert picture(work / "l.png") == ("PNG", (512, 640)) and picture(work / "r.webp") == ("WEBP", (512, 640))
    (left_l, left_r), (right_l, right_r) = halves(work / "l.png"), halves(work / "r.webp")
    assert left_l - left_r > right_l - right_r + 10


@short
def test_several_results(limner, work):
    several = ["relight", PORTRAIT, "-o", "re.jpg", "--prompt", "blue neon", "--width", "256", "--height", "256"]
    p = limner(*several, "--number_of_images", "3", check=0)
    assert names(work) == ["re-1.jpg", "re-2.jpg", "re-3.jpg"]
    assert all(picture(work / n) == ("JPEG", (256, 256)) for n in names(work))
    assert len({(work / n).read_bytes() for n in names(work)}) == 3
    lines = p.stdout.splitlines()
    assert [line.split()[0] for line in lines] == names(work)
    assert [bool(re.search(r" \d+\.\d s$", line)) for line in lines] == [False, False, True]

    # What is there is left alone, and so is the rest of it.
    p = limner(*several, "--number-of-images", "3", check=0)
    assert p.stdout.startswith("re-1.jpg … re-3.jpg  is there already")
    p = limner(*several, "--number-of-images", "4", check=1)
    assert "but not all of re-1.jpg … re-4.jpg" in p.stderr and "-f" in p.stderr
    assert names(work) == ["re-1.jpg", "re-2.jpg", "re-3.jpg"]
    limner(*several, "--number-of-images", "4", "-qf", check=0)
    assert names(work) == ["re-1.jpg", "re-2.jpg", "re-3.jpg", "re-4.jpg"]


def test_several_results_of_several_photos(limner, work):
    shutil.copy(PORTRAIT, work / "a.jpg")
    shutil.copy(SAMPLES / "chelsea.png", work / "b.png")
    limner("relight", "a.jpg", "b.png", "-o", "out", "--prompt", "red", "--number-of-images", "2", "--width", "256",
           "--height", "256", check=0)
    assert names(work / "out") == ["a-1.jpg", "a-2.jpg", "b-1.png", "b-2.png"]
    limner("relight", "a.jpg", "b.png", "-o", "webp", "--prompt", "red", "--output-format", "webp", check=0)
    assert names(work / "webp") == ["a.webp", "b.webp"]
    assert picture(work / "webp/a.webp")[0] == "WEBP"


def test_quality_is_the_option(limner, work):
    sizes = []
    for quality in ("30", "95"):
        limner("relight", PORTRAIT, "-o", "q.jpg", "-f", "--prompt", "red", "--output-quality", quality, check=0)
        sizes.append((work / "q.jpg").stat().st_size)
    assert sizes[1] > 2 * sizes[0]


# ---- wrong use ----


@short
@pytest.mark.parametrize(
    "args, word",
    [
        (["clarity", PORTRAIT], "-o"),
        (["clarity", "-o", "x.jpg"], "INPUT"),
        (["clarity", PORTRAIT, "-o"], "value"),
        (["clarity", PORTRAIT, "-o", "x.jpg", "--sclae", "4"], "--scale"),
        (["clarity", PORTRAIT, "-o", "x.jpg", "-z"], "-q"),
        (["clarity", PORTRAIT, "-o", "x.jpg", "--scale", "3"], "2, 4"),
        (["beautify", PORTRAIT, "-o", "x.jpg", "--scale", "nan"], "2 to 4"),
        (["beautify", PORTRAIT, "-o", "x.jpg", "--face-enhance"], "--quality"),
        (["clarity", PORTRAIT, "-o", "x.gif"], ".gif"),
        (["clarity", PORTRAIT, PORTRAIT, "-o", PORTRAIT], "folder"),
        (["clarity", PORTRAIT, PORTRAIT, "-o", "-"], "one picture"),
        (["clarity", PORTRAIT, "-o", "x.jpg", "--output-quality", "1000"], "OUTPUT_QUALITY"),
        (["replace-bg", PORTRAIT, "-o", "x.png", "--mode", "replace"], "--bg FILE"),
        (["replace-bg", PORTRAIT, "-o", "x.png", "--mode", "remove", "--bg", PORTRAIT], "--mode replace"),
        (["replace-bg", PORTRAIT, "-o", "x.png", "--bg"], "value"),
        (["replace-bg", "-", "-o", "x.png", "--bg", "-"], "only once"),
        (["replace-bg", PORTRAIT, "-o", "x.png", "--feather-px", "21"], "0 to 20"),
        (["replace-bg", PORTRAIT, "-o", "x.png", "--sign-ttl", "60"], "--shadow"),
        (["relight", PORTRAIT, "-o", "x.png"], "--prompt"),
        (["relight", PORTRAIT, "-o", "x.png", "--prompt", "x", "--light-source", "behind"], "Left Light"),
        (["relight", PORTRAIT, "-o", "x.gif", "--prompt", "x"], ".gif"),
        (["relight", PORTRAIT, "-o", "x.png", "--prompt", "x", "--output-format", "jpg"], "together"),
        (["relight", PORTRAIT, "-o", "-", "--prompt", "x", "--number-of-images", "2"], "one picture"),
        (["relight", PORTRAIT, "-o", "/dev/null", "--prompt", "x", "--number-of-images", "2"], "one picture"),
        (["models", "chekc"], "verify"),
        (["health", "now"], "--port"),
    ],
)
def test_wrong_arguments(limner, work, args, word):
    p = limner(*args, check=2)
    assert p.stdout == "" and word in p.stderr
    assert len(p.stderr.splitlines()) <= 2
    assert names(work) == []


@short
def test_without_networks(limner, work):
    p = limner("clarity", PORTRAIT, "-o", "x.jpg", env={"MODELS_DIR": "/nowhere"}, check=1)
    assert "cannot start" in p.stderr and "make models" in p.stderr
    assert names(work) == []


@short
def test_help(limner):
    p = limner("clarity", "--help", check=0)
    for word in ("--scale", "--face-enhance", "--quality", "--force", "130"):
        assert word in p.stdout
    assert limner("help", "clarity", check=0).stdout == p.stdout
    p = limner("replace-bg", "--help", check=0)
    for word in ("--bg FILE", "replace with --bg, else remove", "left top", "white"):
        assert word in p.stdout
    assert "sign" not in p.stdout
    p = limner("relight", "--help", check=0)
    for word in ("must be given", "Left Light", "OUT-1.jpg, OUT-2.jpg"):
        assert word in p.stdout
    p = limner("help", check=0)
    assert "replace-bg INPUT… -o OUT" in p.stdout and "relight INPUT… -o OUT" in p.stdout


# ---- the terminal ----


def test_bar(env, work):
    t = Terminal(["clarity", SAMPLES / "coffee.jpg", PORTRAIT, "-o", "out", "--quality", "fast"], work, env)
    assert t.end() == 0
    text = t.seen.decode()
    bars = [b for b in lines_of_bar(text) if b]
    assert any("tile" in b and "ETA" in b for b in bars)
    assert any(b.startswith("1/2  ") for b in bars) and any(b.startswith("2/2  ") for b in bars)
    assert all(len(b) < 80 for b in bars)
    percents = [int(m) for m in re.findall(r"(\d+)%", " ".join(bars))]
    assert percents == sorted(percents)
    # The screen ends with the results alone.
    assert "\033[K" not in text.splitlines()[-1]
    assert "2 pictures: 2 done" in text.splitlines()[-1]


def test_bar_in_a_narrow_terminal(env, work):
    env["LC_ALL"] = "C"
    t = Terminal(["clarity", SAMPLES / "coffee.jpg", "-o", "out.jpg", "--quality", "fast"], work, env, columns=30)
    assert t.end() == 0
    bars = [b for b in lines_of_bar(t.seen.decode()) if b]
    assert bars and all(len(b) < 30 and b.isascii() for b in bars)


@short
def test_quiet_and_dumb_terminals_have_no_bar(env, work):
    t = Terminal(["clarity", PORTRAIT, "-o", "a.jpg", "--quality", "fast", "-q"], work, env)
    assert t.end() == 0 and t.seen == b""
    t = Terminal(["clarity", PORTRAIT, "-o", "b.jpg", "--quality", "fast"], work, {**env, "TERM": "dumb"})
    assert t.end() == 0 and b"\033" not in t.seen and b"384" in t.seen


def test_ctrl_c_leaves_nothing(env, work):
    t = Terminal(["clarity", SAMPLES / "astronaut.jpg", "-o", "out/a.jpg", "--quality", "best"], work, env)
    t.read(b"tile 1/")
    t.ctrl_c()
    assert t.end() == 130
    assert b"interrupted; 0 of 1 done" in t.seen
    assert names(work) == []


@short
def test_ctrl_c_while_cutting_out(env, work):
    t = Terminal(["replace-bg", SAMPLES / "astronaut.jpg", "-o", "out/a.png"], work, env)
    t.read(b"cutting out")
    t.ctrl_c()
    assert t.end() == 130
    assert b"interrupted; 0 of 1 done" in t.seen
    assert names(work) == []


def test_a_second_ctrl_c_leaves_at_once(env, work):
    t = Terminal(["clarity", SAMPLES / "astronaut.jpg", "-o", "out/a.jpg", "--quality", "best"], work, env)
    t.read(b"tile 1/")
    t.ctrl_c()
    t.read(b"stopping")
    begun = time.monotonic()
    t.ctrl_c()
    assert t.end() == 130
    assert time.monotonic() - begun < 1
    assert names(work) == []


def test_sigterm_in_a_batch_keeps_what_is_done(env, work):
    for i in range(40):
        shutil.copy(PORTRAIT, work / f"{i:02}.jpg")
    p = subprocess.Popen([BIN, "clarity", work, "-o", "out", "--quality", "fast"], cwd=work, env=env,
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    for _ in range(3):
        p.stdout.readline()
    p.send_signal(signal.SIGTERM)
    _, err = p.communicate(timeout=ONE_MINUTE)
    assert p.returncode == 130 and "interrupted" in err
    done = names(work / "out")
    assert 3 <= len(done) < 40 and all(not n.startswith(".") for n in done)
    for n in done:
        assert picture(work / "out" / n) == ("JPEG", (384, 384))


def test_a_reader_that_leaves(env, work):
    p = subprocess.Popen([BIN, "clarity", SAMPLES / "coffee.jpg", "-o", "-", "--quality", "fast", "--scale", "4"],
                         cwd=work, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    p.stdout.close()
    assert p.wait(LONG) == 1
    assert b"standard output: Broken pipe" in p.stderr.read()


# ---- models ----


@short
def test_models(limner):
    p = limner("models", check=0)
    lines = p.stdout.splitlines()
    assert lines[0].split() == ["NETWORK", "SIZE", "LICENCE", "SPEED", "USE", "FILE"]
    assert any(line.startswith("realesrgan-x4plus ") and "BSD-3-Clause" in line for line in lines)
    p = limner("models", "verify", check=0)
    assert p.stdout.splitlines() == [line.split()[0] + "  ok" for line in lines[1:]]


def test_models_verify_finds_what_is_wrong(limner, tmp_path, env):
    models = tmp_path / "models"
    models.mkdir()
    for f in Path(env["MODELS_DIR"]).iterdir():
        shutil.copy(f, models)
    small = models / "realesr-animevideov3-x4.onnx"
    data = bytearray(small.read_bytes())
    data[len(data) // 2] ^= 1
    small.write_bytes(data)
    (models / "realesrgan-x4plus-anime.onnx").unlink()
    p = limner("models", "verify", env={"MODELS_DIR": str(models)}, check=1)
    names = [line.split()[0] for line in limner("models", check=0).stdout.splitlines()[1:]]
    right = [name for name in names if name not in ("realesr-animevideov3-x4", "realesrgan-x4plus-anime")]
    assert len(right) >= 2 and p.stdout.splitlines() == [name + "  ok" for name in right]
    wrong = p.stderr.splitlines()
    assert len(wrong) == 2 and all("make models" in line for line in wrong)
    assert any("realesr-animevideov3-x4.onnx" in line and "SHA-256" in line for line in wrong)
    p = limner("models", env={"MODELS_DIR": str(models)}, check=0)
    assert "missing" in p.stdout


# ---- health ----


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@short
def test_health(limner, env, tmp_path, work):
    port = free_port()
    p = limner("health", "--port", port, check=1)
    assert "Connection refused" in p.stderr
    gateway = subprocess.Popen([BIN, "serve", "--port", str(port), "--data-dir", str(tmp_path / "data")], cwd=work,
                               env=env, stderr=subprocess.DEVNULL)
    try:
        for _ in range(100):
            p = limner("health", "--port", port)
            if p.returncode == 0:
                break
            time.sleep(0.1)
        assert p.returncode == 0 and '"status":"ready"' in p.stdout and p.stdout.endswith("}\n")
        assert limner("health", env={"PORT": str(port)}).returncode == 0
    finally:
        gateway.send_signal(signal.SIGTERM)
        assert gateway.wait(ONE_MINUTE) == 0


@short
def test_health_of_something_else(limner):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen()

        def answer():
            c, _ = s.accept()
            c.recv(4096)
            c.sendall(b"SSH-2.0-something\r\n")
            c.close()

        threading.Thread(target=answer, daemon=True).start()
        p = limner("health", "--port", s.getsockname()[1], check=1)
    assert "no gateway" in p.stderr
