"""The models that are there, and what each takes: validated as Replicate does, answered as Replicate does."""
import hashlib


def uri(**more):
    return {"type": "string", "format": "uri", **more}


def text(default=None, **more):
    return {"type": "string", "default": default, **more}


def number(default=None, least=None, most=None, **more):
    return {"type": "number", "default": default, "minimum": least, "maximum": most, **more}


def integer(default=None, least=None, most=None, **more):
    return number(default, least, most) | {"type": "integer"} | more


def boolean(default=False):
    return {"type": "boolean", "default": default}


def one_of(default, *allowed):
    return {"type": type(allowed[0]).__name__.replace("str", "string").replace("int", "integer"), "default": default,
            "enum": list(allowed)}


ASPECTS = "match_input_image 1:1 16:9 9:16 4:3 3:4 3:2 2:3 4:5 5:4 21:9 9:21 2:1 1:2".split()
SIDES = list(range(256, 1025, 64))
LIGHTS = ("None", "Left Light", "Right Light", "Top Light", "Bottom Light")

# name, class, official, known versions, required keys, properties, how the output is made
ROWS = [
    ("nightmareai/real-esrgan", "light", False,
     ["f121d640bd286e1fdc67f9799164c1d5be36ff74576ee11c803ae5b665dd46aa"], ["image"],
     {"image": uri(), "scale": number(4, 0, 10), "face_enhance": boolean()}, "enlarge"),
    ("cjwbw/real-esrgan", "light", False,
     ["d0ee3d708c9b911f122a4ad90046c5d26a0293b99476d697f6bb7f2e251ce2d4"], ["image"],
     {"image": uri(), "upscale": integer(4)}, "enlarge"),
    ("tencentarc/gfpgan", "light", False,
     ["0fbacf7afc6c144e5be9767cff80f25aff23e52b0708f17e20f9879b2f21516c",
      "297a243ce8643961d52f745f9b6c8c1bd96850a51c92be5f43628a0d3e08321a"], ["img"],
     {"img": uri(), "version": one_of("v1.4", "v1.2", "v1.3", "v1.4", "RestoreFormer"), "scale": number(2)}, "enlarge"),
    ("zsxkib/ic-light", "heavy", False, ["d41bcb10d8c159868f4cfbd7c6a2ca01484f7d39e4613419d5952c61562f1ba7"],
     ["subject_image", "prompt"],
     {"subject_image": uri(), "prompt": text(), "appended_prompt": text("best quality"),
      "negative_prompt": text("lowres, bad anatomy, bad hands, cropped, worst quality"),
      "width": one_of(512, *SIDES), "height": one_of(640, *SIDES), "steps": integer(25, 1, 100),
      "cfg": number(2, 1, 32), "highres_scale": number(1.5, 1, 3), "highres_denoise": number(.5, .1, 1),
      "lowres_denoise": number(.9, .1, 1), "light_source": one_of("None", *LIGHTS), "seed": integer(),
      "number_of_images": integer(1, 1, 12), "output_format": one_of("webp", "webp", "jpg", "png"),
      "output_quality": integer(80, 0, 100)}, "relight"),
    ("black-forest-labs/flux-kontext-pro", "heavy", True, [], ["prompt"],
     {"prompt": text(), "input_image": uri(), "aspect_ratio": one_of("match_input_image", *ASPECTS),
      "output_format": one_of("png", "jpg", "png"), "seed": integer(), "safety_tolerance": integer(2, 0, 6),
      "prompt_upsampling": boolean()}, "same"),
    ("851-labs/background-remover", "light", False,
     ["a029dff38972b5fda4ec5d75d7d1cd25aeff621d2cf4946a41055d7db66b80bc"], ["image"],
     {"image": uri(), "threshold": number(0, 0, 1), "reverse": boolean(), "background_type": text("rgba"),
      "format": text("png")}, "cut_out"),
    ("cjwbw/animagine-xl-3.1", "comic", False,
     ["6afe2e6b27dad2d6f480b59195c221884b6acc589ff4d05ff0e5fc058690fbb9"], [],
     {"prompt": text(), "negative_prompt": text(), "width": integer(896), "height": integer(1152),
      "num_inference_steps": integer(50, 1, 500), "guidance_scale": number(7, 1, 20), "seed": integer(),
      "style_selector": text("(None)"), "quality_selector": text("Standard v3.1")}, "draw"),
    ("google/gemini-2.5-flash", "comic", True, [], ["prompt"],
     {"prompt": text(), "images": {"type": "array", "maxItems": 10}, "videos": {"type": "array", "maxItems": 10},
      "system_instruction": text(), "temperature": number(1, 0, 2), "top_p": number(.95, 0, 1),
      "max_output_tokens": integer(65535, 1, 65535), "thinking_budget": integer(None, 0, 24576),
      "dynamic_thinking": boolean()}, "speak"),
]


class Model:
    def __init__(self, name, kind, official, versions, required, properties, makes):
        self.name, self.kind, self.official = name, kind, official
        self.versions, self.required, self.properties, self.makes = list(versions), required, properties, makes
        self.speaks = makes == "speak"

    def new_version(self):
        """The author pushes: an id never seen before becomes the latest."""
        self.versions.append(hashlib.sha256(f"{self.name} {len(self.versions)}".encode()).hexdigest())

    def as_json(self, base):
        owner, name = self.name.split("/")
        latest = None
        if self.versions:
            latest = {"id": self.versions[-1], "created_at": "2026-01-02T03:04:05.678901Z", "cog_version": "0.16.9",
                      "openapi_schema": self.schema()}
        return {"url": f"https://replicate.com/{self.name}", "owner": owner, "name": name, "description": "",
                "visibility": "public", "is_official": self.official, "run_count": 1, "cover_image_url": None,
                "default_example": None, "latest_version": latest}

    def schema(self):
        properties = {}
        for order, (name, row) in enumerate(self.properties.items()):
            properties[name] = {k: v for k, v in row.items() if v is not None} | {"title": name, "x-order": order}
        output = {"type": "string", "format": "uri", "title": "Output"}
        if self.makes == "relight":
            output = {"type": "array", "items": {"type": "string", "format": "uri"}, "title": "Output"}
        if self.speaks:
            output = {"type": "array", "items": {"type": "string"}, "x-cog-array-type": "iterator",
                      "x-cog-array-display": "concatenate", "title": "Output"}
        inputs = {"type": "object", "title": "Input", "required": self.required, "properties": properties}
        return {"openapi": "3.0.2", "info": {"title": "Cog", "version": "0.1.0"},
                "components": {"schemas": {"Input": inputs, "Output": output}}}

    def problems(self, given):
        """What is wrong with an input: rows of invalid_fields."""
        found = []
        for name in self.required:
            if name not in given:
                found.append({"type": "required", "field": "input", "description": f"{name} is required"})
        for name, value in given.items():
            row = self.properties.get(name)
            if row is not None:
                wrong = _wrong(row, value)
                if wrong:
                    found.append({"type": wrong[0], "field": f"input.{name}", "description": wrong[1]})
        return found

    def unknown(self, given):
        """Keys that a real model passes over in silence: a caller's mistake all the same."""
        return sorted(set(given) - set(self.properties))


def _is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool)


_RIGHT = {
    "string": lambda v: isinstance(v, str),
    "number": _is_number,
    "integer": lambda v: _is_number(v) and v == int(v),
    "boolean": lambda v: isinstance(v, bool),
    "array": lambda v: isinstance(v, list),
}
_NAMES = {str: "string", bool: "boolean", int: "integer", float: "number", list: "array", dict: "object",
          type(None): "null"}


def _wrong(row, value):
    kind = row["type"]
    if not _RIGHT[kind](value):
        return "invalid_type", f"Invalid type. Expected: {kind}, given: {_NAMES[type(value)]}"
    if row.get("format") == "uri" and not value.startswith(("http://", "https://", "data:")):
        return "format", "Does not match format 'uri'"
    if "enum" in row and value not in row["enum"]:
        allowed = ", ".join(f'"{v}"' if isinstance(v, str) else str(v) for v in row["enum"])
        return "enum", f"Must be one of the following: {allowed}"
    if row.get("minimum") is not None and value < row["minimum"]:
        return "number_gte", f"Must be greater than or equal to {row['minimum']}"
    if row.get("maximum") is not None and value > row["maximum"]:
        return "number_lte", f"Must be less than or equal to {row['maximum']}"
    if "maxItems" in row and len(value) > row["maxItems"]:
        return "array_max_items", f"Array must have at most {row['maxItems']} items"
    return None


def all_models():
    return {row[0]: Model(*row) for row in ROWS}
