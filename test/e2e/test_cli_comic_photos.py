"""limner comic --photos: the pictures of a folder as a comic, made here or by a gateway."""
import re
import shutil
import subprocess
import zipfile

import pytest
from PIL import Image

from caller import lines, of
from comics import HEIGHT, WIDTH
from gateway import SAMPLES
from pictures import fresh
from terminal import Terminal, at_terminal, lines_of_bar

SIZE = (WIDTH, HEIGHT)
RED, GREEN, BLUE = (220, 20, 20), (20, 200, 20), (20, 20, 220)


@pytest.fixture(params=["here", "gateway"])
def make(request, caller, local):
    """make(words…) in both ways; what it says on standard output, if it ends so."""
    how = ["--server", local.url] if request.param == "gateway" else []

    def run(*words, code=0):
        said = caller.call("comic", *how, *words, PROVIDERS="local")
        assert said.returncode == code, said.stderr or said.stdout
        return said.stderr if code else said.stdout

    return run


@pytest.fixture
def folder(caller):
    made = caller.folder / "trip"
    made.mkdir()
    return made


@pytest.fixture
def three(folder):
    """Of one colour each; their names are in another order than their numbers."""
    for name, colour in (("img 2.png", GREEN), ("img 10.png", BLUE), ("IMG 1.png", RED)):
        Image.new("RGB", (600, 600), colour).save(folder / name)
    (folder / "notes.txt").write_text("no picture")
    return folder


def files(caller, name="out"):
    return sorted(str(f.relative_to(caller.folder)) for f in (caller.folder / name).rglob("*") if f.is_file())


def colour_at(page, x, y):
    """Which of the three it is."""
    pixel = page.convert("RGB").getpixel((round(x * WIDTH), round(y * HEIGHT)))
    return min((RED, GREEN, BLUE), key=lambda c: sum(abs(a - b) for a, b in zip(c, pixel)))


# ---- what is made ----

@pytest.mark.short
def test_in_the_order_of_their_numbers(make, three, caller):
    said = make("--photos", "trip", "-o", "one.png", "--style", "none")
    assert re.fullmatch(rf"one\.png  {WIDTH}×{HEIGHT}  limner-comic  \d+\.\d s\n", said)
    with Image.open(caller.folder / "one.png") as page:
        assert page.size == SIZE
        assert [colour_at(page, 0.5, 0.25), colour_at(page, 0.25, 0.8), colour_at(page, 0.75, 0.8)] == [RED, GREEN, BLUE]


def test_real_photos_as_a_file_to_read(make, folder, caller, tmp_path):
    for n, photo in enumerate(sorted(SAMPLES.glob("*.jpg"))):
        shutil.copy(photo, folder / f"{n}.jpg")
    count = len(list(folder.iterdir()))
    make("--photos", folder, "-o", "album.pdf", "--title", "Kỳ nghỉ", "--cover", "--panels", "2", "--style", "cartoon")
    subprocess.run(["pdftoppm", "-r", "36", "-png", caller.folder / "album.pdf", tmp_path / "shown"], check=True, timeout=60)
    shown = [Image.open(f).convert("RGB") for f in sorted(tmp_path.glob("shown-*.png"))]
    assert len(shown) == 1 + max(count // 2, 1)
    assert all(len(set(page.resize((64, 96)).getdata())) > 100 for page in shown), "a page is empty"


def test_pages_and_a_cover_in_a_folder(make, three, caller):
    said = make("--photos", "trip", "-o", "out", "--panels-per-page", "1", "--cover", "--style", "none")
    assert [line.split("  ")[0] for line in said.splitlines()] == [f"out/page-{n}.png" for n in (1, 2, 3)] + ["out/cover.png"]
    assert files(caller) == ["out/cover.png", "out/page-1.png", "out/page-2.png", "out/page-3.png"]
    for n, colour in ((1, RED), (2, GREEN), (3, BLUE)):
        with Image.open(caller.folder / f"out/page-{n}.png") as page:
            assert page.size == SIZE and colour_at(page, 0.5, 0.5) == colour
    assert make("--photos", "trip", "-o", "out", "--panels", "1", "--cover", "--style", "none") == \
        "out/page-1.png … out/cover.png  is there already, skipped (-f does it again)\n"


def test_texts_are_drawn_where_they_belong(make, three, caller):
    (caller.folder / "told.txt").write_text("\nThe second one\n\n", encoding="utf-8")
    words = ("--photos", "trip", "--panels", "1", "--style", "none")
    make(*words, "-o", "plain.cbz")
    make(*words, "-o", "told.cbz", "--captions", "told.txt")
    with zipfile.ZipFile(caller.folder / "plain.cbz") as plain, zipfile.ZipFile(caller.folder / "told.cbz") as told:
        same = [plain.read(f"00{n}.png") == told.read(f"00{n}.png") for n in (1, 2, 3)]
    assert same == [True, False, True]


def test_each_kind_of_text(make, three, caller):
    for name, text in (("d", "Chào!\nAha\n"), ("s", "An\nnarrator\n"), ("e", "happy\nsad\n"), ("c", "Here\n")):
        (caller.folder / name).write_text(text, encoding="utf-8")
    make("--photos", "trip", "-o", "a.pdf", "--dialogues", "d", "--speakers=s", "--emotions", "e", "--captions", "c")
    assert (caller.folder / "a.pdf").read_bytes().startswith(b"%PDF-")


def test_the_same_photos_are_the_same_job(three, caller, local):
    words = ("--server", local.url, "--photos", "trip", "-o", "a.pdf", "--style", "none", "--title", "Once", "--json")
    first, again = [lines(caller.call("comic", *words, "-f").stdout) for _ in range(2)]
    assert not of(first, "submitted")[0]["replayed"] and of(again, "submitted")[0]["replayed"]
    assert {e["input"] for e in first[:-1]} == {"trip"} and of(again, "completed")[0]["output"] == "a.pdf"
    Image.new("RGB", (600, 600), GREEN).save(three / "img 10.png")
    assert not of(lines(caller.call("comic", *words, "-f").stdout), "submitted")[0]["replayed"]


def test_the_bar(three, caller):
    terminal = Terminal(["comic", "--photos", "trip", "-o", "a.pdf", "--panels", "1"], caller.folder,
                        at_terminal(caller.folder, PROVIDERS="local"), columns=100)
    assert terminal.end() == 0, terminal.seen
    bars = [bar for bar in lines_of_bar(terminal.seen.decode()) if bar]
    assert any(re.search(r"step \d/7", bar) for bar in bars) and all(bar.startswith("trip  ") for bar in bars)


# ---- what goes wrong ----

def test_wrong_arguments(make, three, caller):
    (caller.folder / "many.txt").write_text("1\n2\n3\n4\n")
    (caller.folder / "long.txt").write_text("x" * 141)
    (caller.folder / "empty").mkdir()
    wrong = [
        (("-o", "a.pdf", "--photos"), "--photos needs a value"),
        (("-o", "a.pdf", "--photos", "gone"), "gone: No such file or directory"),
        (("-o", "a.pdf", "--photos", "trip/notes.txt"), "trip/notes.txt: Not a directory"),
        (("-o", "a.pdf", "--photos", "empty"), "There is no JPEG, PNG, WebP or AVIF picture in empty"),
        (("A story", "-o", "a.pdf", "--photos", "trip"), '"A story" means nothing beside --photos'),
        (("-o", "a.pdf", "--photos", "trip", "--pages", "2"), "where it is to make a comic of photos, does not know --pages"),
        (("-o", "a.pdf", "--photos", "trip", "--style", "pastel"), "--style: "),
        (("-o", "a.pdf", "--photos", "trip", "--captions", "many.txt"), "--captions has 4 lines, and there are 3 photos"),
        (("-o", "a.pdf", "--photos", "trip", "--captions", "gone"), "--captions: gone: Cannot be opened"),
        (("-o", "a.pdf", "--photos", "trip", "--captions", "long.txt"), "line 1 has 141 characters, and 140 are allowed"),
        (("--photos", "trip"), "where should the result go?"),
    ]
    for words, why in wrong:
        said = make(*words, code=2)
        assert said.startswith("limner: ") and why in said, said
    (three / "img 2.png").unlink()
    (three / "img 10.png").unlink()
    assert "There is 1 picture in trip, and a comic takes 2 at least" in make("-o", "a.pdf", "--photos", "trip", code=2)
    for n in range(12):
        (three / f"{n}.png").write_bytes(fresh())
    assert "There are 13 pictures in trip, and a comic takes 12 at most" in make("-o", "a.pdf", "--photos", "trip", code=2)
    assert not (caller.folder / "a.pdf").exists()


def test_pages_do_not_go_among_the_photos(make, three, caller):
    before = files(caller, "trip")
    for output in ("trip", "trip/", "trip/one.png"):
        said = make("--photos", "trip/", "-o", output, "-f", code=2)
        assert "the pages would be among the photos in trip/" in said
    assert files(caller, "trip") == before
    make("--photos", "trip", "-o", "trip/trip.pdf", "--style", "none")
    assert files(caller, "trip") == sorted([*before, "trip/trip.pdf"])


def test_a_photo_that_is_none_is_named(make, three, caller):
    (three / "img 2.png").write_bytes(b"no picture")
    said = make("--photos", "trip", "-o", "out/", code=1)
    assert "trip/img 2.png: " in said or "trip: Picture 2: " in said
    assert not files(caller)
