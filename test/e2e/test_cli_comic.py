"""limner comic: a story as one file, as pages or as a folder of them, made here or by a gateway."""
import io
import re
import subprocess
import zipfile

import pytest
import requests
from PIL import Image

from caller import lines, of
from cloud import life
from comics import ANIMAGINE, DRAWS, GEMINI, HEIGHT, PROMPT, WIDTH, WRITES, created, inputs
from terminal import Terminal, at_terminal, lines_of_bar

WEBP, JPEG, PNG = "WEBP", "JPEG", "PNG"


class Teller:
    """Who has stories told, in a folder of his own: by limner comic alone, or through a gateway."""

    def __init__(self, caller, cloud):
        self.caller, self.cloud, self.folder = caller, cloud, caller.folder
        self.gateway = None
        self.alone = cloud.options

    def run(self, *words, **options):
        if self.gateway:
            return self.caller.call("comic", "--server", self.gateway.url, *words, **options)
        return self.caller.call("comic", *words, **self.alone | options)

    def makes(self, *words, **options):
        said = self.run(*words, **options)
        assert said.returncode == 0, said.stderr or said.stdout
        assert said.stderr == "" or not isinstance(said.stderr, str)
        return said.stdout

    def refuses(self, code, *words, **options):
        """What it says; nothing was asked for, and nothing is there."""
        before, paid = self.files(), created(self.cloud)
        said = self.run(*words, **options)
        assert (said.returncode, said.stdout) == (code, ""), said.stderr
        assert self.files() == before and created(self.cloud) == paid
        return said.stderr

    def files(self):
        return sorted(str(f.relative_to(self.folder)) for f in self.folder.rglob("*")
                      if f.is_file() and ".cache" not in f.parts)

    def page(self, name, kind=PNG):
        with Image.open(self.folder / name) as page:
            page.load()
            assert (page.format, page.size) == (kind, (WIDTH, HEIGHT)), name
            return page.tobytes()


@pytest.fixture(params=["here", "gateway"])
def teller(request, caller, bare):
    """In both ways: what one gives, the other gives as well."""
    made = Teller(caller, bare)
    if request.param == "gateway":
        made.gateway = bare.start()
    return made


@pytest.fixture
def here(caller, bare):
    return Teller(caller, bare)


@pytest.fixture
def through(caller, bare):
    made = Teller(caller, bare)
    made.gateway = bare.start()
    return made


def pages_of_pdf(path, folder):
    """Rendered, as a reader shows them."""
    subprocess.run(["pdftoppm", "-r", "36", "-png", path, folder / "shown"], check=True, timeout=60)
    return [Image.open(f).convert("RGB") for f in sorted(folder.glob("shown-*.png"))]


def colours(picture):
    return len(set(picture.resize((64, 96)).getdata()))


# ---- what is made ----

@pytest.mark.short
def test_a_pdf(teller, tmp_path):
    said = teller.makes(PROMPT, "-o", "story.pdf")
    assert re.fullmatch(rf"story\.pdf  3 pages  {ANIMAGINE}  \d+\.\d s\n", said)
    assert teller.files() == ["story.pdf"]
    shown = pages_of_pdf(teller.folder / "story.pdf", tmp_path)
    assert len(shown) == 3 and len({page.tobytes() for page in shown}) == 3
    assert all(colours(page) > 20 for page in shown), "a page is empty"
    assert created(teller.cloud) == (4, 12)


def test_a_book_has_its_cover_inside(teller):
    said = teller.makes(PROMPT, "-o", "deep/er/story.cbz", "--pages", "2", "--panels", "3", "--cover")
    assert said.startswith("deep/er/story.cbz  3 pages  ")
    assert teller.files() == ["deep/er/story.cbz"]
    with zipfile.ZipFile(teller.folder / "deep/er/story.cbz") as book:
        assert [n for n in book.namelist() if n.endswith(".png")] == ["001.png", "002.png", "003.png"]
        assert b"<PageCount>3" in book.read("ComicInfo.xml")
        sizes = {Image.open(io.BytesIO(book.read(f"00{n}.png"))).size for n in (1, 2, 3)}
    assert sizes == {(WIDTH, HEIGHT)}
    assert created(teller.cloud) == (3, 6)


def test_a_folder_of_pages_and_a_cover(teller):
    said = teller.makes(PROMPT, "-o", "pages", "--pages=2", "--cover=yes")
    shown = [line.split("  ")[:2] for line in said.splitlines()]
    assert shown == [[f"pages/{name}.png", f"{WIDTH}×{HEIGHT}"] for name in ("page-1", "page-2", "cover")]
    assert teller.files() == ["pages/cover.png", "pages/page-1.png", "pages/page-2.png"]
    assert len({teller.page(name) for name in teller.files()}) == 3
    assert created(teller.cloud) == (3, 8)


def test_pages_are_numbered_as_they_are_read(through):
    """The last page to be done need not be the last page: compared with what the gateway keeps."""
    through.cloud.upstream.script({"match": DRAWS, "do": "life", "wait_s": 0, "run_s": 0.4, "times": 4})
    through.makes(PROMPT, "-o", "story.png", "--seed", "5")
    body = requests.post(through.gateway.url + "/api/story-comic/generate", timeout=60,
                         json={"prompt": PROMPT, "seed": 5}).json()
    assert body["meta"]["cached"], "it is another story"
    for n, page in enumerate(body["pages"], 1):
        kept = requests.get(page["page_url"], timeout=30).content
        assert (through.folder / f"story-{n}.png").read_bytes() == kept


def test_pages_of_another_type(teller):
    teller.makes(PROMPT, "-o", "a.jpg", "--pages", "2", "--panels", "3", "--cover")
    assert teller.files() == ["a-1.jpg", "a-2.jpg", "a-cover.jpg"]
    for name in teller.files():
        teller.page(name, JPEG)
    teller.makes(PROMPT, "-o", "one.webp", "--pages", "1")
    teller.page("one.webp", WEBP)


@pytest.mark.parametrize("words, runs", [(("--pages", "1"), (1, 4)), (("--panels", "2"), (1, 2)),
                                         (("--pages=1", "--panels=6"), (1, 6)),
                                         (("--pages", "2", "--panels", "4"), (3, 8)),
                                         (("--panels-per-page", "3"), (4, 9))])
def test_how_many(here, words, runs):
    """--pages and --panels say which kind of comic it is."""
    here.makes(PROMPT, "-o", "out/", *words)
    assert created(here.cloud) == runs
    pages = max(runs[0] - 1, 1)
    assert here.files() == [f"out/page-{n}.png" for n in range(1, pages + 1)]


def test_what_is_said_reaches_the_models(teller):
    teller.makes(PROMPT, "-o", "a.pdf", "--pages", "1", "--style", "cyber", "--language", "pt-BR", "--seed", "77")
    drawn = inputs(teller.cloud, ANIMAGINE)
    assert all("cyber" in picture["prompt"] for picture in drawn)
    assert sorted(picture["seed"] for picture in drawn) == [77 + 101 + n for n in range(4)]
    assert any("pt-BR" in written["prompt"] for written in inputs(teller.cloud, GEMINI))


@pytest.mark.parametrize("kind, begins", [("pdf", b"%PDF-"), ("cbz", b"PK\x03\x04")])
def test_to_standard_output(teller, kind, begins):
    said = teller.run(PROMPT, "-o", "-", "--format", kind, "--panels", "3", text=False)
    assert said.returncode == 0 and said.stdout.startswith(begins)
    assert said.stderr.startswith(b"-  1 page  ") and teller.files() == []


def test_a_prompt_may_be_long_and_look_like_a_flag(teller):
    teller.makes("-o", "a.pdf", "--panels", "1", "--", "--what now? " + "rồng" * 990)
    assert inputs(teller.cloud, GEMINI)[0]["prompt"].count("rồng") >= 990


# ---- again ----

def test_what_is_there_is_left_alone(teller):
    words = (PROMPT, "-o", "story", "--pages", "2", "--panels", "3", "--cover")
    teller.makes(*words)
    before, paid = {name: teller.page(f"story/{name}.png") for name in ("page-1", "page-2", "cover")}, created(teller.cloud)
    assert teller.makes(*words) == "story/page-1.png … story/cover.png  is there already, skipped (-f does it again)\n"
    (teller.folder / "story/page-2.png").unlink()
    said = teller.run(*words)
    assert said.returncode == 1 and "but not all of story/page-1.png … story/cover.png; -f does them all again" in said.stderr
    assert created(teller.cloud) == paid and len(teller.files()) == 2
    teller.makes(*words, "-f", "--seed", "12")
    assert {name: teller.page(f"story/{name}.png") for name in before} != before
    assert created(teller.cloud) == (2 * paid[0], 2 * paid[1])


def test_the_same_words_are_the_same_job(through):
    """With a gateway nothing is paid twice, and a file that is gone is fetched again."""
    through.makes(PROMPT, "-o", "a.pdf")
    first = (through.folder / "a.pdf").read_bytes()
    (through.folder / "a.pdf").unlink()
    through.makes(PROMPT, "-o", "a.pdf")
    assert (through.folder / "a.pdf").read_bytes() == first
    assert created(through.cloud) == (4, 12)


# ---- what is told ----

def test_json(through):
    through.cloud.upstream.script(life(wait_s=0, run_s=0.3))
    events = lines(through.makes(PROMPT, "-o", "out", "--cover", "--json"))
    assert [e["event"] for e in events if e["event"] != "progress"] == ["submitted", "completed", "done"]
    steps = [e["step"] for e in of(events, "progress") if "step" in e]
    assert steps and all(re.fullmatch(r"outline|cover|(storyboard|panel|page) \d+/(3|12)", step) for step in steps)
    percents = [e["percent"] for e in of(events, "progress") if "percent" in e]
    assert percents == sorted(percents)
    done, = of(events, "completed")
    assert done["outputs"] == [*(f"out/page-{n}.png" for n in (1, 2, 3)), "out/cover.png"] and done["cost_usd"] > 0
    assert {e["input"] for e in events[:-1]} == {"comic"}
    said = lines(through.makes(PROMPT, "-o", "a.pdf", "--panels", "1", "--json"))
    assert of(said, "completed")[0]["output"] == "a.pdf" and "outputs" not in of(said, "completed")[0]


@pytest.mark.parametrize("way", ["here", "gateway"])
def test_the_bar_says_what_is_done(here, way):
    here.cloud.upstream.script(life(wait_s=0, run_s=0.4))
    words, options = ["comic", PROMPT, "-o", "a.pdf", "--cover"], here.alone
    if way == "gateway":
        words, options = [*words, "--server", here.cloud.start().url], {}
    terminal = Terminal(words, here.folder, at_terminal(here.folder, **options), columns=100)
    assert terminal.end() == 0, terminal.seen
    text = terminal.seen.decode()
    bars = " ".join(lines_of_bar(text))
    found = [re.search(words, bars) for words in (r"storyboard \d/3", r"panel \d+/12", r"page \d/3")]
    assert all(found) if way == "here" else any(found)  # a gateway is asked each second or two
    percents = [int(n) for n in re.findall(r"(\d+)%", bars)]
    assert percents == sorted(percents) and percents[0] == 0 and percents[-1] > 30
    assert text.splitlines()[-1].split("\033[K")[-1].startswith("a.pdf  4 pages  ")


# ---- what goes wrong ----

WRONG = [
    (("-o", "a.pdf"), 'comic needs to know what happens: limner comic "PROMPT" -o OUT'),
    (("short", "-o", "a.pdf"), "the prompt: "),
    (("Two", "cats", "-o", "a.pdf"), "there is more than one prompt"),
    ((PROMPT,), "where should the result go?"),
    ((PROMPT, "-o"), "-o needs a value"),
    ((PROMPT, "-o", ""), "the path after -o is empty"),
    ((PROMPT, "-o", "a.doc"), "a comic is written as .pdf, .cbz, .png, .jpg or .webp, not as .doc"),
    ((PROMPT, "-o", "a.pdf", "--format", "cbz"), "--format cbz and -o a.pdf do not go together"),
    ((PROMPT, "-o", "-"), "standard output takes one file: say --format pdf or --format cbz"),
    ((PROMPT, "-o", "a.pdf", "--pages", "4"), "--pages: "),
    ((PROMPT, "-o", "a.pdf", "--pages"), "--pages needs a value"),
    ((PROMPT, "-o", "a.pdf", "--panels", "7"), "--panels: "),
    ((PROMPT, "-o", "a.pdf", "--pages", "3", "--panels", "6"), "--panels-per-page: "),
    ((PROMPT, "-o", "a.pdf", "--style", "oil"), "--style: "),
    ((PROMPT, "-o", "a.pdf", "--seed", "x"), "--seed: "),
    ((PROMPT, "-o", "a.pdf", "--pages", "1", "--cover"), "where it is to draw a comic of one page, does not know --cover"),
    ((PROMPT, "-o", "a.pdf", "--scale", "2"), "does not know --scale"),
    ((PROMPT, "-o", "a.pdf", "--server", "here"), "--server begins with http:// or https://"),
    ((PROMPT, "-o", "a.pdf", "--json"), "--json goes with --server"),
]


@pytest.mark.parametrize("words, why", WRONG, ids=[why for _, why in WRONG])
def test_wrong_arguments(here, words, why):
    said = here.refuses(2, *words)
    assert said.startswith("limner: ") and why in said
    assert re.search(r"\nTry: limner (comic --)?help\n$", said)


def test_places_that_cannot_be_written_to(teller):
    (teller.folder / "file").write_text("x")
    assert "file is not a folder" in teller.refuses(1, PROMPT, "-o", "file/a.pdf")
    assert "file is not a folder" in teller.refuses(1, PROMPT, "-o", "file/pages/")


def test_without_a_token(here):
    for options in ({"REPLICATE_API_TOKEN": ""}, {"PROVIDERS": "instant"}):
        said = here.refuses(1, PROMPT, "-o", "a.pdf", **options)
        assert "limner: cannot start: " in said and "REPLICATE_API_TOKEN" in said and "PROVIDERS" in said


def test_a_gateway_without_a_token(here, start):
    here.gateway = start(PROVIDERS="instant")
    said = here.refuses(1, PROMPT, "-o", "a.pdf")
    assert said.startswith("limner: comic: ") and "REPLICATE_API_TOKEN" in said


def test_a_comic_is_no_batch(here):
    said = here.caller.call("batch", PROMPT, "--feature", "comic", "-o", "a.pdf")
    assert said.returncode == 2 and "limner comic has a --server of its own" in said.stderr


def test_no_gateway(here):
    said = here.caller.call("comic", PROMPT, "-o", "a.pdf", "--server", "http://127.0.0.1:9", QUEUE_TIMEOUT_MS=1000)
    assert said.returncode == 1 and "no gateway answers there" in said.stderr


def test_a_failure_leaves_nothing(teller):
    """A panel of the last page, when others are there already."""
    teller.cloud.upstream.script({"match": WRITES, "do": "life", "wait_s": 0},
                                 {"match": DRAWS, "do": "life", "wait_s": 0, "skip": 11, "end": "failed"})
    said = teller.run(PROMPT, "-o", "pages/", AI_RETRIES=0)
    assert said.returncode == 1 and said.stdout == ""
    assert said.stderr.splitlines()[-1].startswith("limner: comic: Panel ")
    assert teller.files() == []


def test_ctrl_c_leaves_nothing(here):
    """What was paid for is lost, and is not paid for on and on."""
    here.cloud.upstream.script(life(wait_s=0, run_s=1))
    terminal = Terminal(["comic", PROMPT, "-o", "pages/"], here.folder, at_terminal(here.folder, **here.alone))
    terminal.read(b"panel 5/12")
    terminal.ctrl_c()
    assert terminal.end() == 130, terminal.seen
    assert b"interrupted; 0 of 1 done" in terminal.seen
    assert here.files() == []
    here.cloud.over()
    assert created(here.cloud)[1] < 12


def test_ctrl_c_leaves_the_job_to_the_gateway(through):
    through.cloud.upstream.script(life(wait_s=0, run_s=0.6))
    terminal = Terminal(["comic", PROMPT, "-o", "a.pdf", "--server", through.gateway.url], through.folder,
                        at_terminal(through.folder), columns=100)
    terminal.read(b"panel ")
    terminal.ctrl_c()
    assert terminal.end() == 130, terminal.seen
    through.makes(PROMPT, "-o", "a.pdf")
    assert through.files() == ["a.pdf"] and created(through.cloud) == (4, 12)


# ---- help ----

def test_help(caller):
    said = caller.call("comic", "--help")
    assert said.returncode == 0 and caller.call("help", "comic").stdout == said.stdout
    for word in ("--pages", "--panels N", "--cover", "--seed", ".pdf or .cbz", "--server URL"):
        assert word in said.stdout
    assert 'comic "PROMPT" -o OUT' in caller.call("help").stdout
