"""/openapi.json: is it valid, is it what the server does, and does the server do what it says? The last is asked by
schemathesis, which makes requests that fit the document, and some that do not."""
import hashlib
import http.server
import json
import pathlib
import re
import subprocess
import sys
import threading

import hypothesis
import pytest
import requests
import schemathesis
from hypothesis import strategies
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator
from schemathesis import GenerationMode
from schemathesis.checks import CHECKS, negative_data_rejection

from gateway import BINARY, SLOW, Gateway, assert_error, assert_success, environment
from pictures import cut_out, encode

EXAMPLES = 25
# With transparency: the instant provider gives them back as they are, and a cut-out must have some.
PICTURES = [encode(cut_out(64, 48), "PNG"), encode(cut_out(50, 50), "WEBP", lossless=True)]
PICTURE = PICTURES[0]
DIGESTS = [f"sha256:{hashlib.sha256(picture).hexdigest()}" for picture in PICTURES]
BY_NAME = {f"picture {i}": picture for i, picture in enumerate(PICTURES)}  # stand for files until a form is sent
DOCUMENT = json.loads(subprocess.run([BINARY, "openapi"], env=environment({}), check=True, capture_output=True).stdout)
SCHEMAS = DOCUMENT["components"]["schemas"]
IMAGE_ROUTES = {path: item["post"] for path, item in DOCUMENT["paths"].items()
                if "Images" in item.get("post", {}).get("tags", [])}
# The instant provider makes none of them: good data come as far as that.
COMICS = ("/api/story-comic/generate", "/api/comic/generate", "/api/comic/from-photos")


# ---- the document ----

def faults(document):
    return [e.message for e in OpenAPIV31SpecValidator(document).iter_errors()]


def test_valid(instant):
    document = instant.get("/openapi.json").json()
    assert not faults(document)
    assert document["info"] == DOCUMENT["info"]


def test_options_show(start):
    gateway = start(PROVIDERS="instant", API_KEYS="app:0123456789abcdef", RATE_LIMITS="on",
                    PUBLIC_BASE_URL="https://images.example.com/")
    document = gateway.get("/openapi.json").json()  # needs no key
    assert not faults(document)
    assert document["servers"] == [{"url": "https://images.example.com"}]
    assert "401" in document["paths"]["/api/clarity"]["post"]["responses"]


def test_etag(instant):
    first = instant.get("/openapi.json")
    assert first.headers["Content-Type"].startswith("application/json")
    assert "max-age" in first.headers["Cache-Control"]
    again = instant.get("/openapi.json", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["ETag"] == first.headers["ETag"]
    assert instant.get("/openapi.json", headers={"If-None-Match": '"other"'}).status_code == 200
    head = requests.head(instant.url + "/openapi.json", timeout=10)
    assert (head.status_code, head.headers["ETag"]) == (200, first.headers["ETag"])


# ---- the server, by the document ----

def known_fields(schema):
    """Every property that an object of this schema may have, by name; "": any other."""
    schema = SCHEMAS[schema["$ref"].rsplit("/", 1)[1]] if "$ref" in schema else schema
    fields = dict(schema.get("properties", {}))
    if "additionalProperties" in schema:
        fields[""] = schema["additionalProperties"]
    for part in schema.get("allOf", []):
        fields |= known_fields(part)
    return fields


def assert_told(value, schema, where=""):
    """The document knows each field of the answer."""
    fields = known_fields(schema)
    for name, inner in value.items():
        assert name in fields or "" in fields, f"{where}/{name} is not in the document"
        if isinstance(inner, dict):
            assert_told(inner, fields.get(name, fields.get("")), f"{where}/{name}")


@pytest.mark.parametrize("path", [path for path in IMAGE_ROUTES if path not in COMICS])
def test_answers_have_no_other_fields(instant, path):
    form = SCHEMAS[IMAGE_ROUTES[path]["requestBody"]["content"]["multipart/form-data"]["schema"]["$ref"].rsplit("/")[-1]]
    files = [(name, (f"picture {i}", PICTURE)) for name, p in form["properties"].items()
             if p.get("items", p).get("format") == "binary" for i in range(p.get("minItems", 1))]
    fields = {name: form["properties"][name].get("enum", ["words"])[0] for name in form.get("required", [])
              if name not in dict(files)}
    body = assert_success(instant.post(route=path, files=files, fields=fields))
    answer = IMAGE_ROUTES[path]["responses"]["200"]["content"]["application/json"]["schema"]
    assert_told(body, answer)
    slip = next(name.replace("_url", "Url") for name in form["properties"] if name.endswith("_url"))
    wrong = instant.post(route=path, files=files, fields=fields | {slip: "1"})
    assert_told(wrong.json(), {"$ref": "#/components/schemas/Error"})
    wrong = instant.post(route=path, files=files, fields=fields | {slip: "1"},
                         headers={"Accept": "application/problem+json"})
    assert_told(wrong.json(), {"$ref": "#/components/schemas/Problem"})
    assert_error(instant.post(route=path, files=files, fields=fields | {slip: "1"}), 400,
                 wrong.json()["code"], field=slip)


@pytest.mark.parametrize("path", ["/health", "/livez", "/readyz", "/metrics", "/status", "/api/manifest"])
def test_pages_have_no_other_fields(instant, path):
    answer = DOCUMENT["paths"][path]["get"]["responses"]["200"]
    answer = DOCUMENT["components"]["responses"][answer["$ref"].rsplit("/", 1)[1]] if "$ref" in answer else answer
    assert_told(instant.get(path).json(), answer["content"]["application/json"]["schema"])


# ---- the server, by requests made from the document ----

class OnePicture(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", str(len(PICTURE)))
        self.end_headers()
        self.wfile.write(PICTURE)

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def elsewhere():
    """Where pictures can be fetched: an address."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), OnePicture)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/photo.png"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def gateway(tmp_path_factory, elsewhere):
    schemathesis.openapi.format("binary", strategies.sampled_from(list(BY_NAME)))
    schemathesis.openapi.format("uri", strategies.just(elsewhere))
    for kind in ("jpeg", "png", "webp", "avif"):
        schemathesis.openapi.media_type(f"image/{kind}", strategies.sampled_from(PICTURES))
    schemathesis.openapi.format("sha256", strategies.sampled_from(DIGESTS))
    gateway = Gateway(tmp_path_factory.mktemp("schema"), PROVIDERS="instant", ALLOW_PRIVATE_FETCH="on",
                      UPLOADS_KEEP_MB=8, UPLOADS_KEEP_S=86400).start()
    for picture in PICTURES:
        assert_success(gateway.post(picture))
    yield gateway
    gateway.wait_idle()
    gateway.stop()


# Whether data are good is decided here, as the server takes more spellings than the document lists.
OWN_CHECKS = ("negative_data_rejection", "positive_data_acceptance")
CHECKED = [c for c in CHECKS.get_all() if c.__name__ not in OWN_CHECKS]
CHECKED_OF_COMICS = [c for c in CHECKED if c.__name__ != "not_a_server_error"]
OPERATIONS = {o.ok().label: o.ok() for o in schemathesis.openapi.from_dict(DOCUMENT).get_all_operations()}
WORDS = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False,
         "": False}
BLANK = "\t\n\r \u00a0\u1680" + "".join(map(chr, range(0x2000, 0x200c))) + "\u2028\u2029\u202f\u205f\u2060\u3000\ufeff"
LISTED = ("photos", "photos_url", "photos_digest")


def spelled_out(value, schema):
    """What the server understands: forms hold texts only, so "2" is a number and "yes" is true everywhere."""
    text = json.dumps(value) if isinstance(value, (bool, int, float)) else value
    if not isinstance(text, str):
        return value
    kind = schema.get("type")
    if kind == "boolean":
        return WORDS.get(text.lower(), text)
    if kind == "string":
        return text
    if kind == "array":
        return text.split("\n")
    try:
        number = float(text)
        return int(number) if number.is_integer() else number
    except ValueError:
        return text


def understood(given, path, schema):
    """The fields as the server sees them."""
    fields = {}
    for name, value in given.items():
        if name not in schema["properties"]:
            continue  # passed over
        known = schema["properties"].get(name, {})
        if known.get("format") == "binary":
            value = "a picture" if isinstance(value, bytes) else ["none"]
        value = spelled_out(value, known)
        if "minLength" in known and isinstance(value, str):
            value = value.strip(BLANK)  # what stands around a prompt is no part of it
        chosen = "enum" in known and "default" in known
        empty_box = value == "" and (known.get("format") in ("uri", "sha256") or "minimum" in known or chosen)
        if value is not None and not empty_box:
            fields[name] = value
    if path == "/api/upscale" and isinstance(fields.get("scale"), (str, int, float)):
        fields["scale"] = 2  # anything else counts as 2
    return fields


def are_enough(fields):
    """There are no more texts than pictures. What is blank at the end of a list is no text."""
    given = [len(v) for n, v in fields.items() if n in LISTED]
    texts = [v for n, v in fields.items() if n in ("dialogues", "speakers", "emotions", "captions")]
    return not given or all(not "".join(t or "" for t in v[given[0]:]).strip() for v in texts)


def one_by_one(fields):
    return [(n, item) for n, v in fields.items() for item in (v if isinstance(v, list) else [v])]


def is_mixed(case):
    """Files, addresses and digests of a list of pictures, of which the document does not tell."""
    given = case.body if isinstance(case.body, dict) else {}
    return sum(name in given for name in LISTED) > 1


def is_good(case, path):
    content = IMAGE_ROUTES[path]["requestBody"]["content"]
    schema = SCHEMAS[content["multipart/form-data"]["schema"]["$ref"].rsplit("/", 1)[1]]
    body = {"image": case.body} if case.media_type.startswith("image/") else case.body
    if not isinstance(body, dict):
        return False
    body, query = understood(body, path, schema), understood(case.query or {}, path, schema)
    for fields in (body, query):  # each must be in order, even one that the other overrides
        if not Draft202012Validator({"properties": schema["properties"], "additionalProperties": False}).is_valid(fields):
            return False
        if any(n.endswith("_digest") and v not in DIGESTS for n, v in one_by_one(fields)):
            return False
        if any(n.endswith("_url") and not v.startswith("http://127.0.0.1:") for n, v in one_by_one(fields)):
            return False
    return Draft202012Validator(schema).is_valid(query | body) and are_enough(query | body)


def may_be_a_slip(case, path):
    """The document lists the fields; others are passed over, or refused when they look like a slip of one."""
    content = IMAGE_ROUTES[path]["requestBody"]["content"]
    known = SCHEMAS[content["multipart/form-data"]["schema"]["$ref"].rsplit("/", 1)[1]]["properties"]
    return any(n not in known for given in (case.body, case.query) if isinstance(given, dict) for n in given)


def has_no_spelling(case):
    """Nothing and lists can be said in JSON only; what schemathesis sends for them elsewhere is its own matter."""
    form = case.body if case.media_type != "application/json" and isinstance(case.body, dict) else {}
    return any(v is None or isinstance(v, (list, dict)) for v in [*form.values(), *(case.query or {}).values()])


def judge(case, answer, path):
    """Good data are taken, bad data are refused."""
    if has_no_spelling(case) or is_mixed(case):
        return
    if answer.status_code in (400, 422) and "Idempotency-Key" in answer.text:
        return  # it is no key, or was used for another request
    good = (503, 202) if path in COMICS else (200, 202)
    expected = good if is_good(case, path) else range(400, 500)
    if may_be_a_slip(case, path) and answer.status_code in range(400, 500):
        return
    assert answer.status_code in expected, f"{answer.status_code} {answer.text}\nfor {case.as_curl_command()}"


def as_files(value):
    if isinstance(value, list):
        return [as_files(item) for item in value]
    return BY_NAME.get(value, value) if isinstance(value, str) else value


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["good", "bad"])
@pytest.mark.parametrize("label", OPERATIONS)
def test_schemathesis(gateway, label, mode):
    operation = OPERATIONS[label]
    if mode == GenerationMode.NEGATIVE and not (operation.body or operation.query):
        pytest.skip("there is nothing to get wrong")

    @hypothesis.settings(max_examples=EXAMPLES, derandomize=True, deadline=None, database=None,
                         suppress_health_check=list(hypothesis.HealthCheck), phases=[hypothesis.Phase.generate])
    @hypothesis.given(case=operation.as_strategy(generation_mode=mode))
    def ask(case):
        if isinstance(case.body, dict):
            case.body = {n: as_files(v) for n, v in case.body.items()}
        answer = case.call(base_url=gateway.url)
        if operation.path in IMAGE_ROUTES:
            case.validate_response(answer, checks=CHECKED_OF_COMICS if operation.path in COMICS else CHECKED)
            judge(case, answer, operation.path)
        else:
            case.validate_response(answer, checks=CHECKED + [negative_data_rejection])

    ask()


def test_schemathesis_as_it_comes(start, tmp_path):
    """Its own cases: methods, headers and keys that are missing or wrong, limits of each field. Good and bad data are
    judged above; that webhooks are expected at all depends on the options."""
    gateway = start(PROVIDERS="instant", API_KEYS="app:0123456789abcdef")
    here = pathlib.Path(__file__).parent
    ended = subprocess.run(
        [sys.executable, "-m", "schemathesis.cli", "run", gateway.url + "/openapi.json", "--phases=coverage",
         "--header=x-api-key: 0123456789abcdef", f"--exclude-checks={','.join(OWN_CHECKS)}", "--exclude-path=/hooks/replicate",
         *(f"--exclude-path={path}" for path in COMICS), "--seed=1", "--no-color"], cwd=tmp_path, capture_output=True, text=True, timeout=300 * SLOW,
        env=environment({"SCHEMATHESIS_HOOKS": "schema_hooks", "PYTHONPATH": here}))
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert int(re.search(r"Tested: (\d+)", ended.stdout)[1]) >= len(OPERATIONS) - len(COMICS) - 3, ended.stdout
