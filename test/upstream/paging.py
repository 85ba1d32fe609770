"""Lists in pages, newest first, with the cursor inside full addresses."""
from .sim import SIM


def page(request, rows, show):
    size = request.app[SIM].settings["page"]
    at = int(request.query.get("cursor", "0") or 0)
    keep = {name: value for name, value in request.query.items() if name != "cursor"}

    def link(cursor):
        return request["base"] + request.path.removeprefix("/v1") + "?" + "&".join(
            f"{name}={value}" for name, value in {**keep, "cursor": cursor}.items())

    return {"previous": link(max(0, at - size)) if at else None,
            "next": link(at + size) if at + size < len(rows) else None,
            "results": [show(row) for row in rows[at:at + size]]}
