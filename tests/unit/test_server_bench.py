"""What bench/servers.py computes: figures of wrk, medians, ratios, settings of Grove, and refused arguments."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
sys.path.append(str(REPOSITORY / "bench"))

import own_cost  # noqa: E402
import server_figures as figures  # noqa: E402  the folder is not one of the unit tests'
import server_page  # noqa: E402
import server_peers as peers  # noqa: E402
import servers  # noqa: E402

# What wrk 4.1.0 prints of a server that closes connections and answers some requests with 503. Seconds have a blank
# behind them.
FAILING = """\
Running 5s test @ http://127.0.0.1:9001/item/1
  2 threads and 512 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency   151.42ms   20.11ms   1.31s    91.85%
    Req/Sec     1.69k   179.06     2.07k    75.00%
  Latency Distribution
     50%  152.97ms
     75%  158.90ms
     90%  164.46ms
     99%    1.17s
  16804 requests in 5.02s, 20.11MB read
  Socket errors: connect 0, read 31, write 2, timeout 0
  Non-2xx or 3xx responses: 17
Requests/sec:   3347.41
Transfer/sec:      4.01MB
""".replace("1.17s", "1.17s ")
NOTHING = """\
Running 1s test @ http://127.0.0.1:9100/
  2 threads and 8 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     0.00us    0.00us   0.00us    -nan%
    Req/Sec     0.00      0.00     0.00      -nan%
  Latency Distribution
     50%    0.00us
     75%    0.00us
     90%    0.00us
     99%    0.00us
  0 requests in 1.10s, 0.00B read
  Socket errors: connect 8, read 0, write 0, timeout 0
Requests/sec:      0.00
Transfer/sec:       0.00B
"""


def test_wrk_is_read() -> None:
    load = figures.parse_wrk(FAILING)
    assert load[:2] == (16804, 3347.41)
    assert load[2:5] == pytest.approx((0.15297, 1.17, 1.31))
    assert load.failed == {"read": 31, "write": 2, "status": 17}


def test_a_server_that_answered_nothing_has_no_latencies() -> None:
    assert figures.parse_wrk(NOTHING) == figures.Load(0, 0.0, None, None, None, {"connect": 8})


@pytest.mark.parametrize("missing", ["requests in", "Requests/sec", "99%", "    Latency "])
def test_an_incomplete_output_is_refused(missing: str) -> None:
    output = "".join(line for line in FAILING.splitlines(keepends=True) if missing not in line)
    with pytest.raises(ValueError, match="wrk printed no "):
        figures.parse_wrk(output)


@pytest.mark.parametrize(
    ("text", "expected"), [("250.00us", 0.00025), ("1.50ms", 0.0015), ("2.00s", 2), ("1.50m", 90), ("1.00h", 3600)]
)
def test_times_of_wrk(text: str, expected: float) -> None:
    assert figures.seconds(text) == pytest.approx(expected)


@pytest.mark.parametrize("text", ["", "1.5", "-1ms", "nan", "1.5 ms", "ms"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no time of wrk"):
        figures.seconds(text)


def measured(server: str, pieces: bool, half: int, rate: float, **other: float) -> figures.Measured:
    """Return a measurement with 8 clients."""
    load = figures.Load(int(rate), rate, 0.001, other.get("p99", 0.01), 0.02, {"read": 1} if server == "uWSGI" else {})
    return figures.Measured("rest", server, pieces, 8, half, load, other.get("cpu", 0.001), 2048, 1024, 0.5, 3.0)


HALVES = [
    measured("grove", True, 0, 1000),
    measured("uWSGI", False, 0, 500, p99=0.02),
    # A busy moment of the machine slows both sides of this half.
    measured("uWSGI", False, 1, 60, p99=0.04),
    measured("grove", True, 1, 100, p99=0.02),
    measured("grove", True, 2, 1000),
    measured("uWSGI", False, 2, 400, cpu=0.003),
]


def test_a_ratio_is_the_median_of_the_ratios_of_halves() -> None:
    grove, uwsgi = figures.rows(HALVES)
    assert set(grove.ratio.values()) == {1}
    assert uwsgi.median["requests a second"] == 400
    assert uwsgi.ratio["requests a second"] == pytest.approx(0.5)
    assert uwsgi.ratio["p99"] == pytest.approx(2)
    assert uwsgi.ratio["CPU of a request"] == pytest.approx(1)
    assert (uwsgi.failed, uwsgi.requests) == ({"read": 3}, 960)


def test_a_ratio_to_nothing_is_missing() -> None:
    assert [figures.ratio(1, None), figures.ratio(None, 1), figures.ratio(1, 0)] == [None] * 3
    assert figures.median([None, 3, None, 1]) == 2
    assert figures.median([None]) is None
    [alone] = figures.rows(HALVES[1:2])
    assert set(alone.ratio.values()) == {None}
    assert figures.shown(None) == "-"


def test_the_table_has_a_line_for_each_server() -> None:
    head, rule, grove, uwsgi = figures.table(figures.rows(HALVES)).splitlines()
    assert head.count("|") == rule.count("|") == grove.count("|") == uwsgi.count("|") == 8
    assert uwsgi == "| uWSGI | 0.50 | 1.00 | 2.00 | 3.1 (read) | 1.00 | 1.00 |"


def test_measurements_survive_a_file() -> None:
    assert figures.from_json(json.loads(json.dumps(figures.to_json(HALVES)))) == HALVES


def test_the_page_has_every_figure_and_needs_no_other_file() -> None:
    page = server_page.page(figures.rows(HALVES), HALVES, {"kernel": "<6>"})
    assert "&lt;6&gt;" in page
    assert page.count("<svg") == 1
    assert "<td>uWSGI</td><td>8</td><td>400</td><td>0.50</td>" in page
    assert "http://" not in page.replace("http://www.w3.org/", "")
    assert "<script" not in page


def test_settings_are_those_of_grove() -> None:
    site = "WSGIDaemonProcess a-blue display-name=b-a user=a processes=2 threads=3 home=/srv python-home=/usr\n"
    assert peers.size_of(site) == (2, 3)
    with pytest.raises(ValueError, match="no WSGIDaemonProcess"):
        peers.size_of("<VirtualHost *:80>\n")
    assert peers.pieces_of("application = wrap(\n    pecan_pieces=('signatures', 'accept', ),\n)\n") == (
        "signatures",
        "accept",
    )
    with pytest.raises(ValueError, match="names no pieces"):
        peers.pieces_of("    pecan_pieces=(),\n")


@pytest.mark.parametrize("pieces", [(), ("signatures", "accept")])
@pytest.mark.parametrize("record", list(peers.ENTRIES))
def test_files_of_peers_can_be_compiled(record: str, pieces: tuple[str, ...]) -> None:
    files = peers.module_files(record, pieces)
    for path, text in files.items():
        compile(text, path, "exec")
    text = files[f"/opt/bench/apps/{peers.module(record, bool(pieces))}/__init__.py"]
    assert ("grove_runtime" in text) == bool(pieces)


def test_each_app_has_a_record_of_the_inventory() -> None:
    records = (REPOSITORY / servers.INVENTORY / "group_vars" / "all.yml").read_text()
    for app in peers.APPS.values():
        assert app.record in peers.ENTRIES
        assert f"listen: {app.port}\n" in records


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--peers", "granian,nginx"], "no peer is named 'nginx'; there are mod_wsgi daemon, "),
        (["--peers", "granian,granian"], "names a peer twice"),
        (["--apps", ""], "no app is named ''; there are hello, rest, "),
        (["--clients", "8,x"], "clients are a whole number from 1 to 10000, not 'x'"),
        (["--clients", "0"], "not '0'"),
        (["--clients", "8,8"], "names a number twice"),
        (["--rounds", "-1"], "rounds are a whole number from 1 to 100, not '-1'"),
        (["--rounds", "²"], "not '²'"),
        (["--seconds", "61"], "seconds are a whole number from 1 to 60, not '61'"),
        (["--seconds", "1.5"], "not '1.5'"),
        (["--html", "/none/page.html"], "'/none/page.html' is no file in a folder that exists"),
        (["--json", "/"], "'/' is no file"),
        (["--deployed", "-l"], "a host is named grove- and lower-case letters, digits and hyphens, not '-l'"),
    ],
)
def test_arguments_are_refused(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        servers.parser().parse_args([f"{arguments[0]}={arguments[1]}"])
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"about": {}, "measured": [{"app": "rest"}]}', "\xff"])
def test_another_file_is_not_drawn(tmp_path: Path, text: str) -> None:
    path = tmp_path / "run.json"
    path.write_text(text, encoding="latin-1")
    with pytest.raises(SystemExit, match="a file that --json has written is needed"):
        servers.saved_run(path)


def test_a_part_can_be_chosen() -> None:
    options = servers.parser().parse_args(["--peers=uWSGI,pecan serve", "--apps", "wait", "--clients", "64, 8"])
    assert (options.peers, options.apps, options.clients) == (["uWSGI", "pecan serve"], ["wait"], [8, 64])


def test_the_table_of_grove_s_own_cost() -> None:
    def rounds(*daemon: float) -> list[dict[str, float]]:
        return [{"requests": 1000, "httpd": 0.1, "daemon": one, "other": 0.0} for one in daemon]

    starved: list[dict[str, float]] = [{"requests": 0, "httpd": 0.0}]
    results = {"bare daemon": [*rounds(0.1, 0.2, 0.1), *starved], "Grove": rounds(0.2, 0.35, 0.3, 9.0)}
    lines = own_cost.table(results)
    assert lines[2:] == [
        "| bare daemon | 200 us | 100 us | 100 us | 0 us | 1.00 | 0.67 |",
        "| Grove | 400 us | 100 us | 300 us | 0 us | 1.50 | 1.00 |",
    ]
    with pytest.raises(ValueError, match="too much other work: no round has 100 requests"):
        own_cost.table({name: rounds[-1:] for name, rounds in results.items()})
