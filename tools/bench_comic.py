"""Part of tools/bench: a story of three pages of four panels, beside what its slots allow at best.

The cloud is bench/upstream.c: a text takes a second, a picture two. The bound is what a scheduler reaches that
knows no other cost: the outline first, then each page's board, then the panels of a page whose board is there,
on as many slots as the class has."""
import heapq
import json
import random
import statistics
import struct
import time
import urllib.request
import zlib

from bench_cloud import CLOUD, calls

PAGES, PANELS, WRITE_MS, DRAW_MS = 3, 4, 1000, 2000
WIDTH, HEIGHT = 832, 1216
SLOTS = (2, 12)  # the default, and one for each panel


def bound_ms(slots, pages=PAGES, panels=PANELS, write_ms=WRITE_MS, draw_ms=DRAW_MS):
    """When the last panel is there: whoever has been ready longest gets the slot that is free first."""
    ready = [(write_ms, page) for page in range(pages)]  # (since, page): a board; the outline is there
    free, over = [0] * slots, write_ms
    boards = set(range(pages))
    heapq.heapify(ready)
    while ready:
        since, page = heapq.heappop(ready)
        is_board = page in boards
        end = max(since, heapq.heappop(free)) + (write_ms if is_board else draw_ms)
        heapq.heappush(free, end)
        over = max(over, end)
        if is_board:
            boards.remove(page)
            for _ in range(panels):
                heapq.heappush(ready, (end, page))
    return over


def drawing(bench):
    """A picture of the size that the model draws, and about as hard to pack: colours, and grain on them."""
    path = bench.folder / "drawing.png"
    if not path.exists():
        grain, rows = random.Random(1), bytearray()
        for y in range(HEIGHT):
            base = 60 + 120 * y // HEIGHT
            rows += b"\0" + grain.randbytes(3 * WIDTH).translate(bytes(base + n % 16 for n in range(256)))

        def chunk(name, data):
            return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", WIDTH, HEIGHT, 8, 2, 0, 0, 0)) +
                         chunk(b"IDAT", zlib.compress(bytes(rows), 1)) + chunk(b"IEND", b""))
    return path


def tell(limner, number):
    """One story that nobody has asked for before; seconds it took."""
    order = {"prompt": f"Một cô bé và con rồng giấy, chuyện thứ {number}", "pages": PAGES, "panels_per_page": PANELS}
    request = urllib.request.Request(limner.url("/api/story-comic/generate"), json.dumps(order).encode(),
                                     {"Content-Type": "application/json"})
    begun = time.monotonic()
    with urllib.request.urlopen(request, timeout=120) as answer:
        story = json.load(answer)
    took = time.monotonic() - begun
    if [len(page["panels"]) for page in story["pages"]] != [PANELS] * PAGES:
        raise ValueError(f"not the story that was asked for: {json.dumps(story)[:300]}")
    return took


def comic(bench):
    for slots in SLOTS:
        best = bound_ms(slots) / 1000
        with bench.upstream(DRAW_MS, WRITE_MS, drawing(bench)) as upstream, bench.limner(
                REPLICATE_BASE_URL=upstream.url("/v1"), CF_R2_ENDPOINT=upstream.url(""),
                REPLICATE_COMIC_CONCURRENCY=slots, **CLOUD) as limner:
            before = limner.cpu_s()
            took = statistics.median(tell(limner, n) for n in range(bench.args.rounds))
            cpu, seen = (limner.cpu_s() - before) / bench.args.rounds, calls(upstream)
            most = {"write": (1 + PAGES) * bench.args.rounds, "create": PAGES * PANELS * bench.args.rounds, "highest": slots}
            if any(seen[name] > limit for name, limit in most.items()):
                raise ValueError(f"more than was needed: {seen}")
            bench.row(f"comic.{slots}.time", f"a story of {PAGES} × {PANELS} panels, {slots} slots; bare: the bound", took, "s",
                      best, best / took, upstream=seen)
            most_ms = best * 100 if slots == SLOTS[0] else 1000  # a tenth; where nothing waits, a second
            added_ms = (took - best) * 1000
            bench.row(f"comic.{slots}.added", "  more than the bound", added_ms, "ms",
                      target=f"≤ {most_ms:.0f}", reached=added_ms <= most_ms)
            bench.row(f"comic.{slots}.cpu", "  server CPU a story", cpu * 1000, "ms")
            bench.row(f"comic.{slots}.memory", "  peak memory", limner.memory_mb("VmHWM"), "MB", target="≤ 150",
                      reached=limner.memory_mb("VmHWM") <= 150)


MEASURED = {"comic": comic}
