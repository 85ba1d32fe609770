"""Several results of one request lie in memory together: OUTPUT_TOTAL_MAX_BYTES bounds their sum."""
import base64

import pytest

from cloud import CREATE
from gateway import assert_error, assert_success
from pictures import encode, fresh, photo

ROUTE = "/api/portraits/ic-light"
PICTURE = encode(photo(380, 400), "PNG")  # some 250 kB


def relight(gateway, count):
    return gateway.post(fresh(), ROUTE, {"prompt": "dusk", "number_of_images": count})


@pytest.mark.parametrize("how", ["addresses", "data"])
def test_the_sum_is_bounded(bare, how):
    """Four fit, the fifth is too much; one alone may be larger than that."""
    upstream = bare.upstream
    limit = 4 * len(PICTURE) + 1000
    gateway = bare.start(OUTPUT_TOTAL_MAX_BYTES=limit, AI_RETRIES=0)

    def output(count):
        if how == "data":
            return ["data:image/png;base64," + base64.b64encode(PICTURE).decode()] * count
        return [upstream.put_picture(PICTURE) for _ in range(count)]

    upstream.script({"match": CREATE, "do": "output", "output": output(4), "times": 1},
                    {"match": CREATE, "do": "output", "output": output(5), "times": 1})
    assert len(assert_success(relight(gateway, 4))["data"]["outputs"]) == 4
    assert_error(relight(gateway, 5), 502, "REPLICATE_ERROR")


def test_one_result_is_bounded_by_itself(bare):
    bare.upstream.script({"match": CREATE, "do": "output", "output": [bare.upstream.put_picture(PICTURE)], "times": 1})
    assert_success(relight(bare.start(OUTPUT_TOTAL_MAX_BYTES=len(PICTURE) // 2), 1))
