"""What schemathesis' own program is to send for files and addresses (test_openapi.py, SCHEMATHESIS_HOOKS)."""
import schemathesis
from hypothesis import strategies

from pictures import cut_out, encode

PICTURE = strategies.just(encode(cut_out(64, 48), "PNG"))
schemathesis.openapi.format("binary", PICTURE)
schemathesis.openapi.format("uri", strategies.just("http://127.0.0.1:1/photo.png"))  # refused at once
schemathesis.openapi.format("sha256", strategies.just("sha256:" + "0" * 64))  # not known
for kind in ("jpeg", "png", "webp", "avif"):
    schemathesis.openapi.media_type(f"image/{kind}", PICTURE)
