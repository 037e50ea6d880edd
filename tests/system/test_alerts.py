"""The alert rules and the dashboard, read by Prometheus's own tool."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from httpd_modules import REPOSITORY

pytestmark = pytest.mark.debian_packages("prometheus")

ALERTS = REPOSITORY / "monitoring" / "alerts.yml"
DASHBOARD = REPOSITORY / "monitoring" / "dashboard.json"
HOST, SHOP = 'instance="web1"', 'instance="web1", app="shop"'
BLUE, GREEN = f'{SHOP}, slot="blue"', f'{SHOP}, slot="green"'
BLUE_A, GREEN_B = f'{BLUE}, release="a"', f'{GREEN}, release="b"'
# Values each 30 seconds, in the language of promtool.
WELL = {
    f'up{{job="grove", {HOST}}}': "1x180",
    f"grove_apache_up{{{HOST}}}": "1x180",
    f'grove_part_up{{{HOST}, part="requests"}}': "1x180",
    f"grove_slot_share{{{BLUE_A}}}": "1x180",
    f"grove_slot_share{{{GREEN_B}}}": "0x180",
    f'grove_slot_info{{{BLUE_A}, role="live"}}': "1x180",
    f'grove_slot_info{{{GREEN_B}, role="idle"}}': "1x180",
    f"grove_slot_processes{{{BLUE_A}}}": "2x180",
    f"grove_slot_processes_limit{{{BLUE_A}}}": "2x180",
    f"grove_slot_threads_busy{{{BLUE_A}}}": "1x180",
    f"grove_slot_threads_limit{{{BLUE_A}}}": "8x180",
    f"grove_slot_memory_bytes{{{BLUE_A}}}": "600000000x180",
    f"grove_slot_process_starts_total{{{BLUE}}}": "2x20 4x160",
    f'grove_slot_process_ends_total{{{BLUE}, reason="graceful_signal"}}': "0x20 2x160",
    f'grove_requests_total{{{BLUE_A}, status="200"}}': "0+100x180",
    f'grove_requests_total{{{BLUE_A}, status="500"}}': "0+1x180",
    f'grove_request_application_seconds_bucket{{{BLUE_A}, le="2.5"}}': "0+100x180",
    f'grove_request_application_seconds_bucket{{{BLUE_A}, le="+Inf"}}': "0+101x180",
    f'grove_request_queue_seconds_bucket{{{BLUE_A}, le="0.5"}}': "0+100x180",
    f'grove_request_queue_seconds_bucket{{{BLUE_A}, le="+Inf"}}': "0+101x180",
    f'grove_apache_workers{{{HOST}, state="busy"}}': "10x180",
    f"grove_apache_workers_limit{{{HOST}}}": "128x180",
    f'grove_apache_connections{{{HOST}, state="worker"}}': "10x180",
    f'grove_apache_connections{{{HOST}, state="kept_alive"}}': "100x180",
    f"grove_apache_connections_limit{{{HOST}}}": "1000x180",
}
OF_HOST, OF_SHOP = {"instance": "web1"}, {"instance": "web1", "app": "shop"}
OF_BLUE, OF_GREEN = OF_SHOP | {"slot": "blue"}, OF_SHOP | {"slot": "green"}
# What is wrong, by the alert that this raises, and the labels of the alert.
WRONG: dict[str, tuple[dict[str, str], dict[str, str]]] = {
    "GroveHostDown": ({f'up{{job="grove", {HOST}}}': "0x180"}, OF_HOST | {"job": "grove"}),
    "GroveApacheDown": ({f"grove_apache_up{{{HOST}}}": "0x180"}, OF_HOST),
    "GroveMetricsIncomplete": (
        {f'grove_part_up{{{HOST}, part="requests"}}': "0x180"},
        OF_HOST | {"part": "requests"},
    ),
    "GroveSlotWithoutProcess": (
        {f"grove_slot_processes{{{BLUE_A}}}": "2x20 _x160"},
        OF_BLUE | {"release": "a"},
    ),
    "GroveServerErrors": ({f'grove_requests_total{{{BLUE_A}, status="503"}}': "0+10x180"}, OF_SHOP),
    "GroveCanaryWorse": (
        {
            f"grove_slot_share{{{BLUE_A}}}": "0.9x180",
            f"grove_slot_share{{{GREEN_B}}}": "0.1x180",
            f'grove_requests_total{{{GREEN_B}, status="200"}}': "0+19x180",
            f'grove_requests_total{{{GREEN_B}, status="500"}}': "0+1x180",
            f"grove_slot_processes{{{GREEN_B}}}": "2x180",
        },
        OF_GREEN,
    ),
    "GroveSlow": (
        {
            f'grove_request_application_seconds_bucket{{{BLUE_A}, le="5.0"}}': "0+120x180",
            f'grove_request_application_seconds_bucket{{{BLUE_A}, le="+Inf"}}': "0+120x180",
        },
        OF_SHOP,
    ),
    "GroveQueue": (
        {
            f'grove_request_queue_seconds_bucket{{{BLUE_A}, le="1.0"}}': "0+120x180",
            f'grove_request_queue_seconds_bucket{{{BLUE_A}, le="+Inf"}}': "0+120x180",
        },
        OF_SHOP,
    ),
    "GroveThreadsBusy": ({f"grove_slot_threads_busy{{{BLUE_A}}}": "8x180"}, OF_BLUE),
    "GroveWorkersBusy": (
        {f'grove_apache_workers{{{HOST}, state="busy"}}': "120x180"},
        OF_HOST | {"state": "busy"},
    ),
    "GroveConnections": ({f'grove_apache_connections{{{HOST}, state="kept_alive"}}': "950x180"}, OF_HOST),
    "GroveProcessDied": (
        {f'grove_slot_process_ends_total{{{BLUE}, reason="died"}}': "0+1x180"},
        OF_BLUE,
    ),
    "GroveProcessesRestart": ({f"grove_slot_process_starts_total{{{BLUE}}}": "0+1x180"}, OF_BLUE),
    "GroveMemory": ({f"grove_slot_memory_bytes{{{BLUE_A}}}": "600000000x40 2000000000x140"}, OF_SHOP),
}
END = "85m"


def rules() -> dict[str, dict[str, Any]]:
    """Return the alert rules by their names."""
    [group] = yaml.safe_load(ALERTS.read_text())["groups"]
    return {rule["alert"]: rule for rule in group["rules"] if "alert" in rule}


def raised(name: str, labels: dict[str, str]) -> dict[str, Any]:
    """Return an alert as promtool expects it."""
    rule = rules()[name]

    def filled(text: str) -> str:
        return re.sub(r"{{ \$labels\.(\w+) }}", lambda match: labels[match[1]], text)

    texts = {key: filled(text) for key, text in rule["annotations"].items()}
    return {"exp_labels": labels | rule["labels"], "exp_annotations": texts}


def promtool(*arguments: str | Path, content: str = "") -> None:
    done = subprocess.run(["promtool", *arguments], input=content, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_rules_are_rules() -> None:
    promtool("check", "rules", ALERTS)


@pytest.mark.parametrize("name", ["", *WRONG])
def test_an_alert_is_raised_by_what_it_is_for(name: str, tmp_path: Path) -> None:
    """A host that is well raises none; with one thing wrong it raises the alert for this, and no other one."""
    wrong, labels = WRONG.get(name, ({}, {}))
    series = [{"series": series, "values": values} for series, values in (WELL | wrong).items()]
    checks = [
        {"eval_time": END, "alertname": each, "exp_alerts": [raised(each, labels)] if each == name else []}
        for each in rules()
    ]
    # The canary of a release that fails has its part in the errors of the whole.
    test = {"interval": "30s", "input_series": series, "alert_rule_test": checks}
    file = tmp_path / "test.yml"
    file.write_text(yaml.safe_dump({"rule_files": [str(ALERTS)], "evaluation_interval": "30s", "tests": [test]}))
    promtool("test", "rules", file)


def test_every_alert_has_a_case_and_a_page() -> None:
    page = (REPOSITORY / "docs" / "metrics.md").read_text()
    assert set(rules()) == set(WRONG)
    for name, rule in rules().items():
        file, _, anchor = rule["annotations"]["runbook"].partition("#")
        headings = re.findall(r"(?m)^#+ (.+)$", (REPOSITORY / file).read_text())
        anchors = [re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-") for heading in headings]
        assert anchor in anchors, name
        assert f"`{name}`" in page


def test_the_dashboard_asks_for_metrics_that_exist() -> None:
    """Each query of the dashboard is one that Prometheus understands, and names metrics that the page describes."""
    dashboard = json.loads(DASHBOARD.read_text())
    page = (REPOSITORY / "docs" / "metrics.md").read_text()
    queries = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", [])]
    assert len(queries) > 10
    rules_of_queries = []
    for place, query in enumerate(queries):
        plain = query.replace("$__rate_interval", "5m").replace("$host", ".*").replace("$app", ".*")
        assert "$" not in plain
        rules_of_queries.append({"record": f"query:{place}", "expr": plain})
        for metric in re.findall(r"\bgrove_\w+", plain):
            assert f"`{re.sub(r'_bucket$', '', metric)}`" in page, metric
    content = yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules_of_queries}]})
    promtool("check", "rules", "/dev/stdin", content=content)
