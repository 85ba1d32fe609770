"""dist/alerts.yml and dist/grafana.json: their names exist, their expressions can be read, the alerts fire when they should."""
import json
import re

import pytest
import yaml

from exposition import documented, promtool, run_promtool
from gateway import ROOT

ALERTS = ROOT / "dist" / "alerts.yml"
BOARD = json.loads((ROOT / "dist" / "grafana.json").read_text())
PANELS = [p for p in BOARD["panels"] if p["type"] != "row"]
EXPRESSIONS = [t["expr"] for p in PANELS for t in p["targets"]] + [a["expr"] for a in BOARD["annotations"]["list"]]

needs_promtool = pytest.mark.skipif(not promtool(), reason="there is no promtool: tools/deps --dev brings it")


def names_in(text):
    """Of metrics, without what histograms append."""
    found = re.findall(r"\b(?:limner|process)_[a-z0-9_]+", text)
    return {re.sub(r"_(bucket|sum|count)$", "", name) for name in found}


@pytest.mark.parametrize("text", [ALERTS.read_text(), json.dumps(BOARD), (ROOT / "docs" / "OPERATIONS.md").read_text()],
                         ids=["alerts", "board", "operations"])
def test_names_exist(text):
    assert names_in(text)
    assert names_in(text) - documented() == set()


def labels_of():
    """{metric: the labels it has}, from docs/METRICS.md."""
    rows = [line.split("|") for line in (ROOT / "docs" / "METRICS.md").read_text().partition("## Labels")[0].splitlines()]
    return {row[1].strip(" `"): set(re.findall(r"`(\w+)`", row[3])) for row in rows if len(row) == 6 and "`" in row[1]}


@pytest.mark.parametrize("text", [ALERTS.read_text(), *EXPRESSIONS], ids=lambda _: "")
def test_labels_exist(text):
    """Each selector names labels that the metric has, or that Prometheus adds."""
    have = labels_of()
    for name, selector in re.findall(r"\b((?:limner|process)_[a-z_]+)\{([^}]*)\}", text):
        labels = set(re.findall(r"(\w+)=", selector))
        assert labels <= have[names_in(name).pop()] | {"job", "instance"}, f"{name}{{{selector}}}"


@needs_promtool
def test_alerts_are_rules():
    assert run_promtool("check", "rules", str(ALERTS)) == ""


@needs_promtool
def test_expressions_of_the_board(tmp_path):
    """As rules, so that promtool reads them."""
    rules = [{"record": f"panel_{i}", "expr": e.replace("$__rate_interval", "5m")}
             for i, e in enumerate(EXPRESSIONS)]
    file = tmp_path / "rules.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "board", "rules": rules}]}))
    assert run_promtool("check", "rules", "--lint=none", str(file)) == ""


def test_board_is_laid_out():
    ids = [p["id"] for p in BOARD["panels"]]
    assert len(set(ids)) == len(ids)
    taken = set()
    for p in BOARD["panels"]:
        g = p["gridPos"]
        cells = {(x, y) for x in range(g["x"], g["x"] + g["w"]) for y in range(g["y"], g["y"] + g["h"])}
        assert not cells & taken and g["x"] + g["w"] <= 24, p["title"]
        taken |= cells
    for p in PANELS:
        assert p["datasource"]["uid"] == "${datasource}"
        assert len({t["refId"] for t in p["targets"]}) == len(p["targets"])
        assert p["title"] and p["fieldConfig"]["defaults"]["unit"]


def series(name, values):
    return {"series": name, "values": values}


def firing(alert, at, *labels):
    return {"eval_time": at, "alertname": alert, "exp_alerts": [{"exp_labels": one} for one in labels]}


@needs_promtool
def test_alerts_fire(tmp_path):
    """Over two hours of made-up numbers: what should, and nothing before."""
    where = 'job="limner",instance="a"'
    unknown = f'limner_upstream_requests_total{{{where},provider="replicate",model="m",outcome="unknown"}}'
    tests = [{
        "interval": "1m",
        "input_series": [
            series('up{job="limner",instance="b"}', "1x20 0x100"),
            series(unknown, "_x30 1x100"),
            series(f'limner_queue_depth{{{where},class="light"}}', "0x40 900x100"),
            series(f'limner_queue_limit{{{where},class="light"}}', "1000x140"),
            series(f'limner_queue_depth{{{where},class="heavy"}}', "0x140"),
            series(f'limner_queue_limit{{{where},class="heavy"}}', "0x140"),
            series(f'limner_circuit_state{{{where},provider="replicate",model="account"}}', "0x50 2x100"),
            series(f'limner_http_requests_total{{{where},route="/api/clarity",method="POST",code="200"}}', "0+60x140"),
            series(f'limner_http_requests_total{{{where},route="/api/clarity",method="POST",code="502"}}', "0x60 0+10x80"),
            series(f'limner_http_requests_total{{{where},route="/metrics",method="GET",code="500"}}', "0+600x140"),
        ],
        "alert_rule_test": [
            firing("LimnerDown", "20m"),
            firing("LimnerDown", "25m", {"job": "limner", "instance": "b", "severity": "critical"}),
            firing("LimnerUnknownOutcome", "29m"),
            firing("LimnerUnknownOutcome", "32m", {"instance": "a", "provider": "replicate", "severity": "warning"}),
            firing("LimnerUnknownOutcome", "100m"),
            firing("LimnerQueueFilling", "40m"),
            firing("LimnerQueueFilling", "50m", {"job": "limner", "instance": "a", "class": "light", "severity": "warning"}),
            firing("LimnerCircuitOpen", "52m"),
            firing("LimnerCircuitOpen", "60m", {"job": "limner", "instance": "a", "provider": "replicate", "model": "account",
                                                "severity": "warning"}),
            firing("LimnerServerErrors", "60m"),
            firing("LimnerServerErrors", "85m", {"instance": "a", "severity": "critical"}),
        ],
    }]
    rules = yaml.safe_load(ALERTS.read_text())
    for rule in rules["groups"][0]["rules"]:
        del rule["annotations"]  # prose: only whether they fire is asked here
    (tmp_path / "alerts.yml").write_text(yaml.safe_dump(rules))
    file = tmp_path / "test.yml"
    file.write_text(yaml.safe_dump({"rule_files": ["alerts.yml"], "evaluation_interval": "1m", "tests": tests}))
    assert run_promtool("test", "rules", str(file)) == ""
