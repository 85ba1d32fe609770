"""limner warm against real gateways: what it asked for is there for whoever asks next."""
import shutil
import subprocess

import pytest

from gateway import BINARY, SAMPLES, environment

COFFEE, ASTRONAUT = SAMPLES / "coffee.jpg", SAMPLES / "astronaut.jpg"
KEY = "a-key-of-sixteen-or-more"


def warm(gateway, *arguments, url=None, **options):
    """limner warm, as an operator calls it beside the gateway."""
    env = environment({"LC_ALL": "C.UTF-8", **options})
    return subprocess.run([BINARY, "warm", *map(str, arguments), "--url", url or gateway.url], env=env, cwd=gateway.folder,
                          capture_output=True, text=True, timeout=300)


def outcome(gateway, picture=COFFEE, **more):
    answer = gateway.post(picture.read_bytes(), **more)
    assert answer.status_code == 200, answer.text
    return answer.headers["Cache-Status"]


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    (folder / "trip").mkdir(parents=True)
    shutil.copy(COFFEE, folder)
    shutil.copy(ASTRONAUT, folder / "trip")
    return folder


@pytest.mark.short
def test_a_photo_is_a_hit_after_it_was_warmed(local):
    said = warm(local, SAMPLES / "portrait-small.jpg", "--feature", "clarity", "--scale", "2")
    assert said.returncode == 0, said
    assert "portrait-small.jpg  clarity  made  " in said.stdout
    assert "; hit" in outcome(local, SAMPLES / "portrait-small.jpg", fields={"scale": "2"})


def test_folders_and_features_and_what_is_there_already(start, photos):
    gateway = start(PROVIDERS="instant")
    (photos / "broken.png").write_bytes(b"no picture")
    said = warm(gateway, photos, "--feature", "clarity,enhance", "--scale", "4")
    assert said.returncode == 3
    assert "6 results: 4 made, 0 there already, 0 not kept, 2 failed" in said.stdout
    assert "broken.png: clarity: " in said.stderr
    (photos / "broken.png").unlink()
    said = warm(gateway, photos, "--feature", "clarity,enhance", "--scale", "4")
    assert said.returncode == 0
    assert "4 results: 0 made, 4 there already" in said.stdout
    assert "; hit" in outcome(gateway, ASTRONAUT, route="/api/enhance", fields={"scale": "4"})


def test_a_further_picture_and_what_follows_from_it(local):
    gateway = local
    assert warm(gateway, ASTRONAUT, "--feature", "replace-bg", "--bg", COFFEE, "--shadow", "0").returncode == 0
    assert warm(gateway, ASTRONAUT, "--feature", "replace-bg").returncode == 0
    files = {"fg": ASTRONAUT.read_bytes(), "bg": COFFEE.read_bytes()}
    answer = gateway.post(files=files, fields={"shadow": "0"}, route="/api/replace-bg")
    assert "; hit" in answer.headers["Cache-Status"]
    answer = gateway.post(files={"fg": ASTRONAUT.read_bytes()}, fields={"mode": "remove"}, route="/api/replace-bg")
    assert "; hit" in answer.headers["Cache-Status"]


def test_the_key_is_sent_and_its_absence_said_once(start, photos):
    gateway = start(PROVIDERS="instant", API_KEYS=KEY)
    said = warm(gateway, photos, "--feature", "clarity")
    assert said.returncode == 1
    assert said.stderr.count("GATEWAY_API_KEY") == 1
    assert warm(gateway, photos, "--feature", "clarity", GATEWAY_API_KEY=KEY).returncode == 0
    assert "; hit" in outcome(gateway, headers={"x-api-key": KEY})


def test_no_gateway_there(tmp_path, start, photos):
    gateway = start(PROVIDERS="instant")
    said = warm(gateway, photos, "--feature", "clarity", url="http://127.0.0.1:1")
    assert said.returncode == 1
    assert said.stderr == "limner: http://127.0.0.1:1: no gateway answers there; --url says where it is\n"


def test_what_is_not_kept_is_said(start):
    gateway = start(PROVIDERS="instant", CACHE_TTL_MS=0)
    said = warm(gateway, COFFEE, "--feature", "clarity")
    assert said.returncode == 3
    assert "does not keep" in said.stderr


@pytest.mark.parametrize("arguments, why", [
    ([COFFEE], "which results?"),
    (["--feature", "clarity"], "name a picture or a folder"),
    ([COFFEE, "--feature", "claret"], 'no feature "claret"'),
    ([COFFEE, "--feature", "clarity", "-o", "x"], "clarity does not know -o"),
    ([COFFEE, "--feature", "clarity", "--scale", "3"], "--scale: "),
])
def test_wrong_arguments(instant, arguments, why):
    said = warm(instant, *arguments)
    assert said.returncode == 2
    assert why in said.stderr


def test_a_gateway_that_says_when_is_asked_again_then(start, photos):
    """Its rate: 60 a minute and caller. One more than that waits for the next minute, and is told nothing."""
    gateway = start(PROVIDERS="instant", RATE_LIMITS="on")
    for _ in range(60):
        used = gateway.post(COFFEE.read_bytes())
    assert used.headers["RateLimit-Remaining"] == "0"
    said = warm(gateway, COFFEE, "--feature", "clarity")
    assert said.returncode == 0
    assert "is there already" in said.stdout
