"""The two models that comics are made with: what they write, what they draw, and how it goes wrong."""
import io
import json
import re
import time

import pytest
import requests
from PIL import Image, ImageChops

from . import comics, scenes, stories
from .helpers import ask, finished

GEMINI, ANIMAGINE = "google/gemini-2.5-flash", "cjwbw/animagine-xl-3.1"
VERSION = "6afe2e6b27dad2d6f480b59195c221884b6acc589ff4d05ff0e5fc058690fbb9"
EMOTIONS = {"happy", "sad", "angry", "surprised", "neutral", "thinking"}
STORY = "Một cô bé và con rồng giấy"
OUTLINE = ('Write the outline of a comic of {pages} pages, with 4 pictures on each.\nBeats: 8 to 12. {{"story_id": "the-cat", '
           '"beats": []}}\n<material>\n{material}\n</material>\n')
BOARD = ('Write the storyboard of page {page} of {pages} of a comic: exactly {panels} panels, the beats in "this_page".\n'
         '{{"panels": [{{"id": 1}}]}}\n<material>\n{material}\n</material>\n')


def write(upstream, prompt, wait=10, **more):
    headers = {"Prefer": f"wait={wait}"} if wait else {}
    return ask(upstream, "POST", f"/models/{GEMINI}/predictions", json={"input": {"prompt": prompt, **more}}, headers=headers)


def said(upstream, prompt):
    made = write(upstream, prompt).json()
    assert made["status"] == "succeeded", made
    return "".join(made["output"])


def outline_prompt(story=STORY, pages=3):
    return OUTLINE.format(pages=pages, material=json.dumps({"story": story}))


def board_prompt(page=1, panels=4, pages=3, story=STORY, outline=None):
    """As limner asks: with the beats of the page, when there is an outline."""
    material = {"story": story}
    if outline:
        beats, pages_ = outline["beats"], range(pages + 1)
        first, end = [len(beats) * n // pages for n in pages_][page - 1:page + 1]
        material |= {"title": outline["title"], "characters": outline["characters"], "told_before": beats[:first],
                     "this_page": beats[first:end], "told_after": beats[end:]}
    return BOARD.format(page=page, pages=pages, panels=panels, material=json.dumps(material))


def repair_prompt(prompt, answer):
    material = json.dumps({"last_answer": answer, "wrong": "no object"})
    return f"{prompt}\nThe answer could not be used.\n<material>\n{material}\n</material>\n"


def draw(upstream, wait=10, **more):
    given = {"prompt": "1girl, beach", "negative_prompt": "text", "width": 832, "height": 1216, "num_inference_steps": 28,
             "guidance_scale": 7, "seed": 101} | more
    return ask(upstream, "POST", "/predictions", json={"version": VERSION, "input": given},
               headers={"Prefer": f"wait={wait}"})


def picture(upstream, **more):
    made = draw(upstream, **more).json()
    assert made["status"] == "succeeded", made
    return requests.get(made["output"], timeout=10).content


def decoded(data):
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


# ---- what is written ----

@pytest.mark.parametrize("story", stories.STORIES, ids=lambda s: s.story_id)
def test_the_stories_keep_their_own_rules(story):
    assert len(story.beats) == 12 and len({b.vi for b in story.beats}) == len({b.en for b in story.beats}) == 12
    panels = [p for b in story.beats for p in b.panels]
    assert {row.emotion for row in [*story.beats, *panels]} <= EMOTIONS
    assert max(len(p.dialogue) for p in panels) <= 70
    assert sum(not p.dialogue for p in panels) == 1 and any(p.speaker == "narrator" for p in panels)


@pytest.mark.parametrize("pages,beats", [(2, 8), (3, 9), (4, 12)])
def test_an_outline(upstream, pages, beats):
    made = write(upstream, outline_prompt(pages=pages)).json()
    assert made["version"] == "hidden" and len(made["output"]) > 20
    outline = json.loads("".join(made["output"]))
    assert outline["story_id"] == "an-va-con-rong-giay"
    assert [b["id"] for b in outline["beats"]] == list(range(1, beats + 1))
    assert set(outline["beats"][0]) == {"id", "summary", "summary_en", "main_emotion"}
    assert set(outline["characters"][0]) == {"name", "tags"}
    assert upstream.asked() == ["outline"]


@pytest.mark.parametrize("panels", [1, 3, 4, 6])
def test_a_board(upstream, panels):
    board = json.loads(said(upstream, board_prompt(page=2, panels=panels)))
    assert [p["id"] for p in board["panels"]] == list(range(1, panels + 1))
    for panel in board["panels"]:
        assert set(panel) == {"id", "description", "prompt_tags", "characters", "dialogue", "speaker", "emotion"}
        assert panel["speaker"] in ["", "narrator", *panel["characters"]]
        assert panel["prompt_tags"].startswith("masterpiece, best quality")
    assert upstream.asked() == ["board 2"]


def test_the_pages_follow_the_outline(upstream):
    """Each has its own beats, all of the story that the outline is of."""
    outline = json.loads(said(upstream, outline_prompt("Chú mèo máy")))
    boards = [json.loads(said(upstream, board_prompt(page, story="?", outline=outline))) for page in (1, 2, 3)]
    told = [p["description"] for board in boards for p in board["panels"]]
    assert len(set(told)) == 12
    places = [[p.vi for b in stories.CAT.beats for p in b.panels].index(text) for text in told]
    assert places == sorted(places)
    beats = [b["summary"] for b in outline["beats"]]
    assert [next(b.vi for b in stories.CAT.beats if text in [p.vi for p in b.panels]) for text in told[:1]] == beats[:1]
    assert all("characters" not in board for board in boards)


def test_a_page_alone_says_who_is_in_it(upstream):
    board = json.loads(said(upstream, board_prompt(pages=1)))
    assert "An" in [c["name"] for c in board["characters"]]


def test_a_story_about_panels_is_no_board(upstream):
    """What others wrote does not say what is wanted."""
    assert "beats" in json.loads(said(upstream, outline_prompt('Con rồng đọc "panels": 5 panels, page 9')))
    assert upstream.asked() == ["outline"]


def test_material_that_is_none(upstream):
    assert json.loads(said(upstream, 'Write "beats"\n<material>\n{rồng\n</material>\n'))["story_id"] == stories.DRAGON.story_id


def test_the_answer_depends_on_the_prompt(upstream):
    one, other = (json.loads(said(upstream, outline_prompt(s))) for s in ("Một chú mèo", "Một con rồng"))
    assert one["story_id"] != other["story_id"]
    assert said(upstream, outline_prompt("Một chú mèo")) == json.dumps(one, ensure_ascii=False, indent=2)


def test_a_prompt_of_no_comic(upstream):
    assert said(upstream, "tea") == "A short answer to: tea"
    assert upstream.asked() == ["None"]


def test_the_stream_has_the_same_text(upstream):
    upstream.set(streams=True)
    made = finished(upstream, write(upstream, outline_prompt(), wait=0).json())
    events = requests.get(made["urls"]["stream"], timeout=10).content.decode().split("\n\n")
    pieces = ["\n".join(line[6:] for line in event.split("\n") if line.startswith("data: "))
              for event in events if event.startswith("event: output")]
    assert pieces == made["output"]


# ---- spoiled texts ----

def _object(text):
    return json.loads(text[text.index("{"):text.rindex("}") + 1])


@pytest.mark.parametrize("prompt", [outline_prompt(), board_prompt()], ids=["outline", "board"])
def test_what_can_be_read_with_care(upstream, prompt):
    right = json.loads(said(upstream, prompt))
    spoiled = {}
    for name in ("fenced", "prose", "trailing_comma", "two_objects"):
        upstream.script({"match": {"call": "create"}, "do": name})
        spoiled[name] = said(upstream, prompt)
        with pytest.raises(ValueError):
            json.loads(spoiled[name])
    assert spoiled["fenced"].startswith("```json\n") and _object(spoiled["fenced"]) == right
    assert _object(spoiled["prose"]) == right
    assert json.loads(re.sub(r",(\n *[\]}])", r"\1", spoiled["trailing_comma"])) == right
    assert json.JSONDecoder().raw_decode(spoiled["two_objects"])[0] == right


@pytest.mark.parametrize("name", ["cut_off", "garbage", "empty_object"])
def test_what_cannot_be_read(upstream, name):
    upstream.script({"match": {"call": "create"}, "do": name})
    text = said(upstream, outline_prompt())
    assert text == "{}" or "}\n" not in text and text.count("{") != text.count("}") or text == comics.GARBAGE


def test_sloppy(upstream):
    upstream.script({"match": {"call": "create"}, "do": "sloppy"})
    panels = json.loads(said(upstream, board_prompt()))["panels"]
    assert panels[0]["id"] == "1" and panels[0]["emotion"] == "Furious"
    assert "screentone" in panels[0]["prompt_tags"] and len(panels[0]["dialogue"]) > 70


@pytest.mark.parametrize("word", ["garbage_once", "cut_off_once"])
@pytest.mark.parametrize("prompt", [outline_prompt, board_prompt])
def test_a_repair_is_known_by_the_answer_in_it(upstream, word, prompt):
    asked = prompt(story=f"{STORY} [sim {word}]")
    bad = said(upstream, asked)
    with pytest.raises(ValueError):
        json.loads(bad)
    assert json.loads(said(upstream, repair_prompt(asked, bad)))
    first, second = upstream.asked()
    assert second == f"repair {first}"


def test_garbage_always(upstream):
    asked = outline_prompt(story=f"{STORY} [sim garbage]")
    assert said(upstream, asked) == said(upstream, repair_prompt(asked, comics.GARBAGE)) == comics.GARBAGE


# ---- words and rules ----

def test_words_say_where(upstream):
    story = f"{STORY} [sim fenced board 2] [sim failed outline]"
    assert write(upstream, outline_prompt(story)).json()["status"] == "failed"
    assert said(upstream, board_prompt(1, story=story))[0] == "{"
    assert said(upstream, board_prompt(2, story=story))[0] == "`"


def test_words_for_one_picture(upstream):
    story = f"{STORY} [sim nsfw 2.3] [sim failed_once 1.1]"
    boards = [json.loads(said(upstream, board_prompt(page, story=story)))["panels"] for page in (1, 2)]
    ends = [[draw(upstream, prompt=p["prompt_tags"].lower()).json() for p in panels] for panels in boards]
    assert [[made["status"] == "failed" for made in row] for row in ends] == [[True, False, False, False],
                                                                            [False, False, True, False]]
    assert ends[1][2]["error"].startswith("NSFW content detected")
    assert draw(upstream, prompt=boards[0][0]["prompt_tags"].lower()).json()["status"] == "succeeded"


def test_a_word_outlives_tags_that_are_tidied(upstream):
    """Lower case, and blanks for what is no letter."""
    ends = [draw(upstream, prompt="beach, sim failed once, 1girl").json()["status"] for _ in range(2)]
    assert ends == ["failed", "succeeded"]


def test_a_word_that_is_none(upstream):
    assert said(upstream, outline_prompt(f"{STORY} [sim nonsense]"))[0] == "{"


def test_rules_know_asks_and_inputs(upstream):
    upstream.script({"match": {"call": "create", "model": GEMINI, "ask": "^board 2"}, "do": "failed"},
                    {"match": {"call": "create", "input": {"seed": 203}}, "do": "nsfw", "times": 1},
                    {"match": {"call": "create", "input": {"prompt": "beach$"}}, "do": "oom"})
    assert write(upstream, board_prompt(1)).json()["status"] == "succeeded"
    assert write(upstream, board_prompt(2)).json()["status"] == "failed"
    assert ["NSFW" in (draw(upstream, prompt="x", seed=203).json()["error"] or "") for _ in range(2)] == [True, False]
    assert "E1001" in draw(upstream).json()["error"]
    assert draw(upstream, prompt="1girl, beach, sun").json()["status"] == "succeeded"


def test_time_by_model(upstream):
    upstream.set(run_s=0, model_run_s={GEMINI: 0.3, ANIMAGINE: 0.6})
    for call, least in ((lambda: write(upstream, outline_prompt()), 0.3), (lambda: draw(upstream), 0.6)):
        begun = time.monotonic()
        assert call().json()["status"] == "succeeded"
        assert least <= time.monotonic() - begun < least + 0.3


def test_counts_by_model(upstream):
    upstream.set(run_s=0.5)
    made = [write(upstream, outline_prompt(), wait=0).json(), write(upstream, board_prompt(), wait=0).json(),
            draw(upstream, wait=1).json()]
    for prediction in made:
        finished(upstream, prediction)
    assert [upstream.of_model(GEMINI, what) for what in ("created", "highest", "running", "succeeded")] == [2, 2, 0, 2]
    assert upstream.of_model(ANIMAGINE) == 1 and upstream.of_model("nobody/nothing") == 0
    assert upstream.record()["highest"]["comic"] == 3


# ---- what is drawn ----

def test_a_picture(upstream):
    image = decoded(picture(upstream))
    assert (image.format, image.mode, image.size) == ("PNG", "RGB", (832, 1216))
    assert len(image.getcolors(1 << 20)) > 100  # a sky, at least
    assert decoded(picture(upstream, width=640, height=480)).size == (640, 480)
    defaults = ask(upstream, "POST", "/predictions", json={"version": VERSION, "input": {}}, headers={"Prefer": "wait=9"})
    assert decoded(requests.get(defaults.json()["output"], timeout=10).content).size == (896, 1152)


def test_seed_and_prompt_make_the_picture(upstream):
    first, again = picture(upstream), picture(upstream)
    assert first == again
    for other in (picture(upstream, seed=102), picture(upstream, prompt="1boy, beach")):
        assert ImageChops.difference(decoded(first), decoded(other)).getbbox() is not None


def test_a_face_is_whole(upstream):
    """Skin somewhere in the middle, for those who keep it free of bubbles."""
    for seed in range(5):
        image = decoded(picture(upstream, seed=seed)).crop((100, 200, 732, 1000))
        assert sum(image.getpixel((x, y)) in scenes.SKIN for x in range(0, 632, 8) for y in range(0, 800, 8)) > 50


def test_spoiled_pictures(upstream):
    upstream.script({"match": {"call": "create"}, "do": "corrupt_picture"})
    with pytest.raises(OSError):
        decoded(picture(upstream))
    upstream.script({"match": {"call": "create"}, "do": "odd_picture"})
    assert decoded(picture(upstream)).size == (625, 406)


@pytest.mark.parametrize("wrong", [
    {"prompt": 5}, {"width": "832"}, {"height": 12.5}, {"seed": "x"}, {"guidance_scale": 21}, {"num_inference_steps": 0},
    {"num_inference_steps": 501}, {"negative_prompt": None}, {"style_selector": 1}])
def test_inputs_of_pictures(upstream, wrong):
    answer = draw(upstream, **wrong)
    assert answer.status_code == 422
    assert answer.json()["invalid_fields"][0]["field"] == f"input.{next(iter(wrong))}"


@pytest.mark.parametrize("wrong", [
    {"temperature": 3}, {"temperature": "1"}, {"max_output_tokens": 0}, {"max_output_tokens": 65536}, {"top_p": 2},
    {"system_instruction": ["x"]}, {"images": "x"}])
def test_inputs_of_texts(upstream, wrong):
    answer = write(upstream, outline_prompt(), **wrong)
    assert answer.status_code == 422
    assert answer.json()["invalid_fields"][0]["field"] == f"input.{next(iter(wrong))}"
    assert upstream.of_model(GEMINI) == 0
