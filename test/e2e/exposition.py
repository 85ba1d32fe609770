"""/metrics in the formats of Prometheus, read by its own parsers."""
import pathlib
import shutil
import subprocess
import time

import prometheus_client.openmetrics.parser
import prometheus_client.parser

from gateway import ROOT

PARSERS = {"prometheus": prometheus_client.parser, "openmetrics": prometheus_client.openmetrics.parser}


class Scrape:
    """What was said at one time. samples: {(name, ((label, value), …)): value}."""

    def __init__(self, gateway, format="openmetrics", url="/metrics", **more):
        time.sleep(0.4)  # a rendering serves 100 ms, and gauges of the core are up to 250 ms old
        answer = gateway.get(url, params={"format": format}, **more)
        assert answer.status_code == 200, answer.text
        self.text, self.type = answer.text, answer.headers["Content-Type"]
        self.families = {f.name: f for f in PARSERS[format].text_string_to_metric_families(answer.text)}
        self.samples = {(s.name, tuple(sorted(s.labels.items()))): s.value
                        for f in self.families.values() for s in f.samples}

    def value(self, metric, **labels):
        """0 where there is no such series."""
        return self.samples.get((metric, tuple(sorted(labels.items()))), 0)

    def total(self, metric, **labels):
        """Of all series that have these labels."""
        return sum(v for (name, have), v in self.samples.items() if name == metric and labels.items() <= dict(have).items())

    def labels_of(self, metric, label):
        return {dict(have)[label] for name, have in self.samples if name == metric}


def promtool():
    """Its path; None: there is none."""
    unpacked = ROOT / "deps" / "promtool" / "promtool"
    return str(unpacked) if unpacked.exists() else shutil.which("promtool")


def run_promtool(*arguments, given=""):
    """What it has to say; "" means content."""
    done = subprocess.run([promtool(), *arguments], input=given, capture_output=True, text=True, timeout=60)
    return "" if done.returncode == 0 and not done.stderr else f"{done.returncode}: {done.stdout}{done.stderr}"


def documented():
    """The names in docs/METRICS.md."""
    lines = (pathlib.Path(ROOT) / "docs" / "METRICS.md").read_text().partition("## Labels")[0].splitlines()
    return {line.split("`")[1] for line in lines if line.startswith("| `")}
