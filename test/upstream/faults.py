"""The behaviours a script can ask for by name.

answer   instead of doing what was asked: an error. With "effect": true it is done all the same, only not said.
         "made_after_s": 3: done only after so long, when the answer is out.
         "retry_after": 7 or "date:7" adds the header.
mangle   done, then said in a strange way (wire.py); "effect" and "made_after_s" as above. "before_s": begun only after so long.
life     what becomes of the prediction that is created (predictions.py, PLAN)
hook     how its webhooks are sent (webhooks.py, OPTIONS)
"""
import email.utils
import json
import time

from aiohttp import web

from . import comics, wire

PARSE = {"detail": "Failed to parse request body as JSON: EOF", "status": 400}
NO_TOKEN = {"title": "Unauthenticated", "detail": "You did not pass an authentication token", "status": 401}
BAD_TOKEN = NO_TOKEN | {"detail": "You did not pass a valid authentication token"}
CREDIT = {"title": "Insufficient credit", "status": 402, "detail": "You have insufficient credit to run this model. Go to "
          "https://replicate.com/account/billing#billing to purchase credit."}
NOT_FOUND = {"detail": "The requested resource could not be found.", "status": 404}
TOO_LARGE = {"detail": "Files must be less than 100MB in size", "status": 413}
VERSION = {"title": "Invalid version or not permitted", "status": 422, "detail":
           "The specified version does not exist (or perhaps you don't have permission to use it?)"}
INPUT = {"title": "Input validation failed", "status": 422, "detail": "- input.scale: Must be less than or equal to 10\n",
         "invalid_fields": [{"type": "number_lte", "field": "input.scale",
                             "description": "Must be less than or equal to 10"}]}
COG_INPUT = {"detail": [{"loc": ["body", "input", "scale"], "msg": "ensure this value is less than or equal to 10",
                         "type": "value_error.number.not_le"}]}
SECOND = {"detail": "Request was throttled. Expected available in 1 second."}
RESET = {"detail": "Request was throttled. Your rate limit resets in ~2s."}
LOW_CREDIT = {"detail": "Request was throttled. Your rate limit for creating predictions is reduced to 6 requests per "
              "minute with a burst of 1 requests while you have less than $5.0 in credit. Your rate limit resets in ~2s.",
              "status": 429, "retry_after": 2}
PAGE = "<html>\n<head><title>{0}</title></head>\n<body>\n<center><h1>{0}</h1></center>\n<hr>\n</body>\n</html>\n"

ANSWERS = {  # name: (status, body); an object is sent as JSON, a text as HTML
    "400": (400, PARSE),
    "401": (401, NO_TOKEN),
    "402": (402, CREDIT),
    "403": (403, {"title": "Forbidden", "detail": "You do not have permission to perform this action.", "status": 403}),
    "404": (404, NOT_FOUND),
    "404_html": (404, PAGE.format("404 Not Found")),
    "413": (413, TOO_LARGE),
    "413_html": (413, PAGE.format("413 Request Entity Too Large")),
    "422_input": (422, INPUT),
    "422_version": (422, VERSION),
    "422_cog": (422, COG_INPUT),
    "422_cog_error": (422, {"id": "x", "status": "failed", "error": "scale 11 is too much for me", "logs": ""}),
    "422_empty": (422, ""),
    "429": (429, SECOND),
    "429_reset": (429, RESET),
    "429_credit": (429, LOW_CREDIT),
    "500": (500, {"detail": "Internal server error", "status": 500}),
    "500_html": (500, PAGE.format("500 Internal Server Error")),
    "500_empty": (500, ""),
    "502_html": (502, PAGE.format("502 Bad Gateway")),
    "503": (503, {"detail": "Service Unavailable", "status": 503}),
    "503_empty": (503, ""),
    "504_html": (504, PAGE.format("504 Gateway Time-out")),
    "404_delivery": (404, PAGE.format("404 Not Found")),
}

LIVES = {  # name: what differs from predictions.PLAN
    "life": {},
    "unfinalised": {"unfinalised": True},
    "aborted": {"end": "aborted", "boot_s": 0},
    "canceled": {"end": "canceled"},
    "failed": {"end": "failed", "error": "The model fell over."},
    "failed_null": {"end": "failed", "error": None},
    "failed_object": {"end": "failed", "error": {"code": "X1", "detail": "it is an object"}},
    "failed_64k": {"end": "failed", "error": "long " * 13108},
    "nsfw": {"end": "failed", "error": "NSFW content detected. Try running it again, or try a different prompt."},
    "oom": {"end": "failed", "error": "CUDA out of memory (E1001)"},
    "director": {"end": "failed", "error": "Director: unexpected error handling prediction (E9828)"},
    "interrupted": {"end": "failed", "error": "Prediction interrupted; please retry (code: PA)"},
    "no_output": {"output": None},
    "output": {},  # with "output": anything; {delivery} in a text stands for the delivery host's address
    "slow": {"run_s": 5},
    "corrupt_picture": {"spoil": "corrupt"}, "odd_picture": {"spoil": "odd_size"},
    **{name: {"spoil": name} for name in comics.SPOILED},
    "removed": {"run_polls": 1, "late_view": {"output": None, "input": {}, "logs": None, "data_removed": True}},
    "strange_status": {"end": "succeeded", "late_view": {"status": "settled"}},
    "successful": {"late_view": {"status": "successful"}},
    "old": {"without": ["model", "data_removed", "source"], "old_urls": True},
}


def _answer(name):
    async def act(request, response, args):
        status, body = ANSWERS[name]
        headers = {}
        wait = args.get("retry_after")
        if wait is not None:
            date = str(wait).startswith("date:")
            at = email.utils.formatdate(time.time() + float(wait[5:]), usegmt=True) if date else str(wait)
            headers["Retry-After"] = at
        if isinstance(body, str):
            return web.Response(status=status, text=body, content_type="text/html", headers=headers)
        kind = "application/problem+json" if status == 413 else "application/json"
        tail = "\n" if status == 402 else ""
        return web.Response(status=status, text=json.dumps(body) + tail, content_type=kind, headers=headers)
    return act


ACTIONS = {name: _answer(name) for name in ANSWERS} | wire.MANGLES
_KINDS = dict.fromkeys(LIVES, "life") | dict.fromkeys(wire.MANGLES, "mangle") | dict.fromkeys(ANSWERS, "answer") | \
    {"webhook": "hook"}


def kind_of(name):
    return _KINDS[name]


def error(name, **more):
    """The answer of this name, as the server itself gives it."""
    status, body = ANSWERS[name]
    return problem(status, body | more)


def problem(status, body):
    kind = "application/problem+json" if status == 413 else "application/json"
    return web.json_response(body, status=status, content_type=kind)
