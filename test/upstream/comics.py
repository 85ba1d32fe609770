"""Gemini as the author of comics: what it is asked for, what it writes, and the ways in which that is spoiled.

An outline is asked for by "beats", a page's board by "panels"; what others wrote (the story, the outline, an
answer to be mended) stands as JSON between <material> and </material>. A word in the story sets a behaviour
without a script, for those who try things by hand: "[sim fenced]", "[sim garbage_once outline]", "[sim failed
board 2]" for texts, "[sim nsfw 2.3]" for the third picture of the second page. The word is a name in
faults.LIVES; with _once it happens the first time."""
import json
import random
import re
import zlib

from .stories import STORIES

TAGS = ("masterpiece, best quality, anime style, vibrant colors, high quality, detailed background, no text, "
        "no speech bubble")
GARBAGE = "I would rather tell it by the fire: ngày xửa ngày xưa, có một câu chuyện không chịu nằm trong ngoặc nhọn."
TOO_MUCH = " Mà này, cậu có nghe thấy tiếng gì lạ lắm ở đằng kia không?"
MATERIAL = re.compile(r"<material>\n(.*?)\n</material>", re.DOTALL)
WORD = re.compile(r"\[sim (\w+)(?: (outline|board(?: \d)?|(\d)\.(\d)))?\]")
TAG = re.compile(r"\bsim[_ ]([\w ]+)")


def _read(text):
    """A section that somebody has written by hand may be anything."""
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


class Ask:
    """What a prompt wants. kind: "outline", "board", or None when it is no comic's."""

    def __init__(self, prompt):
        said = [_read(text) for text in MATERIAL.findall(prompt)]
        self.material = said[0] if said else {}
        self.is_repair = any("last_answer" in one for one in said)
        self.tale = self.material.get("story", prompt)
        self.words = MATERIAL.sub("", prompt)
        self.kind = next((kind for kind, word in (("board", '"panels"'), ("outline", "beats"), ("board", "panels"))
                          if word in self.words), None)
        self.page = self._number(r"\bpage (\d+)", 1)
        self.pages = self._number(r"\bpage \d+ of (\d+)", self._number(r"\b(\d+) pages?\b", 3))
        self.panels = self._number(r"\b(\d+) (?:panels|pictures)\b", 4)
        self.story = self._story()

    def _number(self, pattern, default):
        found = re.search(pattern, self.words, re.IGNORECASE)
        return int(found[1]) if found else default

    def _story(self):
        """The one whose outline is in the material, or which the tale means; else by chance, always the same."""
        found = [s for s in STORIES if s.title == self.material.get("title")]
        found += [s for s in STORIES if any(word in self.tale.lower() for word in s.means)]
        return found[0] if found else STORIES[zlib.crc32(self.tale.encode()) % len(STORIES)]

    def beats(self):
        """Those of the outline, or of the page."""
        beats = self.story.beats
        if self.kind == "outline":
            return _spread(beats, min(12, max(8, 3 * self.pages)))
        told = [b.get("summary") for b in self.material.get("this_page", [])]
        first, end = (len(beats) * page // self.pages for page in (self.page - 1, self.page))
        return [b for b in beats if b.vi in told] or beats[first:end]

    def __str__(self):
        name = f"board {self.page}" if self.kind == "board" else str(self.kind)
        return f"repair {name}" if self.is_repair else name


def _spread(rows, count):
    """So many of them, from the first to the last."""
    return [rows[i * (len(rows) - 1) // max(1, count - 1)] for i in range(count)]


def _people(story):
    return [{"name": name, "tags": tags} for name, tags in story.characters]


def _outline(ask):
    beats = [{"id": n, "summary": b.vi, "summary_en": b.en, "main_emotion": b.emotion} for n, b in enumerate(ask.beats(), 1)]
    return {"story_id": ask.story.story_id, "title": ask.story.title, "characters": _people(ask.story), "beats": beats}


def _seen(panel, story):
    """Who can be seen in it."""
    return [name for name, _ in story.characters
            if name == panel.speaker or re.search(rf"\b{name}\b", panel.vi, re.IGNORECASE if " " in name else 0)]


def _board(ask):
    """Alone, without an outline, it also says who they are."""
    wishes = {int(w[4]): w[1] for w in WORD.finditer(ask.tale) if w[3] == str(ask.page)}
    panels = []
    for n, p in enumerate(_spread([p for b in ask.beats() for p in b.panels], ask.panels), 1):
        wish = f", sim_{wishes[n]}" if n in wishes else ""
        panels.append({"id": n, "description": p.vi, "prompt_tags": f"{TAGS}, {p.tags}{wish}",
                       "characters": _seen(p, ask.story), "dialogue": p.dialogue, "speaker": p.speaker, "emotion": p.emotion})
    alone = "title" not in ask.material
    return ({"characters": _people(ask.story)} if alone else {}) | {"panels": panels}


def answer(ask):
    return _outline(ask) if ask.kind == "outline" else _board(ask)


# ---- spoiled answers ----

def _pretty(made):
    return json.dumps(made, ensure_ascii=False, indent=2)


def _cut_off(made):
    text = json.dumps(made, ensure_ascii=False)
    return text[:len(text) * 3 // 5]


def _sloppy(made):
    """JSON, and right in the main, but not in every type and word."""
    for n, row in enumerate(made.get("panels", made.get("beats"))):
        row["id"], row["mood_board"] = str(row["id"]), None
        if "prompt_tags" in row:
            row["prompt_tags"] = "Manga, " + row["prompt_tags"] + ", black and white, screentone"
            row["emotion"] = "Furious" if n == 0 else row["emotion"].upper()
            row["dialogue"] = row["dialogue"] and row["dialogue"] + TOO_MUCH
            row["speaker"] = row["speaker"] or None
    return _pretty(made)


SPOILED = {  # name: how the object is written
    "fenced": lambda made: f"```json\n{_pretty(made)}\n```",
    "prose": lambda made: f"Đây là câu chuyện của bạn:\n\n{_pretty(made)}\n\nChúc bạn vẽ thật vui!",
    "trailing_comma": lambda made: re.sub(r"(\n *[\]}])", r",\1", _pretty(made)),
    "cut_off": _cut_off,
    "two_objects": lambda made: _pretty(made) + '\n{"note": "Đã xong."}\n',
    "garbage": lambda made: GARBAGE,
    "sloppy": _sloppy,
    "empty_object": lambda made: "{}",
}


def pieces(text):
    """As Gemini's text comes: cut anywhere, also in words."""
    chance, made, at = random.Random(text), [], 0
    while at < len(text):
        size = chance.randint(4, 60)
        made.append(text[at:at + size])
        at += size
    return made


def speak(prompt, spoil=None):
    ask = Ask(prompt)
    if ask.kind is None:
        return ["A short ", "answer to: ", prompt[:100]]
    return pieces(SPOILED.get(spoil, _pretty)(answer(ask)))


# ---- words in the story ----

def told(prompt, speaks):
    """What the prompt of a text or of a picture says about its own fate: a name in faults.LIVES, or None."""
    if not speaks:
        found = TAG.search(prompt)
        return found[1].replace(" ", "_") if found else None
    ask = Ask(prompt)
    for word in WORD.finditer(ask.tale):
        if word[3] is None and ask.kind and (word[2] or "") in f"{ask.kind} {ask.page}":
            return None if word[1].endswith("_once") and ask.is_repair else word[1]
    return None
