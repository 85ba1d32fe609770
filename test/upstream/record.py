"""Everything that was received, and how it was answered."""
import collections
import hashlib
import time

TEXT_MAX = 1 << 20


class Record:
    def __init__(self):
        self.reset()

    def reset(self):
        self.arrivals = []
        self.hooks = []  # deliveries of webhooks: what was sent, what came back
        self.counts = collections.Counter()
        self.running = collections.Counter()
        self.highest = collections.Counter()
        self.models = {}  # name → counts of its own: created, running, highest, and each end
        self._inputs = collections.Counter()

    def arrival(self, host, call, request):
        """A new entry; host: api, delivery or cog."""
        entry = {
            "n": len(self.arrivals), "at": time.time(), "host": host, "call": call, "method": request.method,
            "path": request.path, "query": request.query_string,
            "headers": [[name.decode("latin-1"), value.decode("latin-1")] for name, value in request.raw_headers],
            "size": None, "sha256": None, "text": None, "rule": None, "status": None, "answered_at": None,
        }
        self.arrivals.append(entry)
        self.counts[call] += 1
        return entry

    @staticmethod
    def body(entry, data):
        entry["size"] = len(data)
        entry["sha256"] = hashlib.sha256(data).hexdigest()
        if data[:1] in (b"{", b"["):
            entry["text"] = data[:TEXT_MAX].decode("utf-8", "replace")

    def created(self, kind, digest, model=None):
        """A prediction now exists: it runs, or waits to run, until finished()."""
        self.counts["created"] += 1
        self._inputs[digest] += 1
        own = self.models.setdefault(model, collections.Counter())
        own["created"] += 1
        own["running"] += 1
        own["highest"] = max(own["highest"], own["running"])
        for name in (kind, "all"):
            self.running[name] += 1
            self.highest[name] = max(self.highest[name], self.running[name])

    def finished(self, kind, status, billed_s, model=None):
        for name in (kind, "all"):
            self.running[name] -= 1
        self.models[model]["running"] -= 1
        self.models[model][status] += 1
        self.counts[status] += 1
        self.counts["billed"] += billed_s > 0

    def as_json(self):
        return {
            "requests": self.arrivals,
            "webhooks": self.hooks,
            "counts": dict(self.counts),
            "running": dict(self.running),
            "highest": dict(self.highest),
            "models": {name: counts for name, counts in self.models.items() if name},
            "duplicates": sum(n - 1 for n in self._inputs.values()),
        }
