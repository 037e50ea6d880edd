"""The lines of the console, without Ansible."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from ansible_collections.grove.wsgi.plugins.plugin_utils.console import advice, lines, progress, terminal, text
from ansible_collections.grove.wsgi.plugins.plugin_utils.console.limits import NARROWEST
from ansible_collections.grove.wsgi.plugins.plugin_utils.console.lines import Line

REPOSITORY = Path(__file__).resolve().parents[2]
STEPS = ("Check the records", "Build the releases", "Switch the traffic")
HUNDRED = [f"web{number}" for number in range(1, 101)]


def a_run(hosts: list[str], *, reports: bool = False) -> progress.Run:
    """A run whose play has begun at 0 s."""
    run = progress.Run(0.0)
    run.begin_play(progress.Play("Deploy", hosts, STEPS, reports, begun=True))
    return run


def played(run: progress.Run) -> progress.Play:
    assert run.play is not None
    return run.play


def texts(shown: list[Line]) -> list[str]:
    return [line.text for line in shown]


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(0.04, "0.0 s"), (9.94, "9.9 s"), (9.96, "10 s"), (59.6, "1 min 00 s"), (125, "2 min 05 s"), (3720, "1 h 02 min")],
)
def test_durations(seconds: float, expected: str) -> None:
    assert text.duration(seconds) == expected


def test_a_text_fits_into_its_columns() -> None:
    assert text.fitted("Build the releases", 40) == "Build the releases"
    assert text.fitted("Build the releases of bookstore", 20) == "Build the releases…"
    # Chinese letters take two columns each, and a combining accent none.
    assert text.columns("部署e\u0301") == 5
    assert text.columns(text.fitted("部署" * 30, 30)) <= 30
    assert text.columns(text.fitted("x" * 90, 1)) <= NARROWEST


def test_a_list_of_hundred_hosts_is_short() -> None:
    assert text.hosts(HUNDRED) == "100 hosts, web1, web2, web3 and 97 more"
    assert text.some(["a", "b", "c", "d"]) == "a, b, c, d", "a count of one would be no shorter than the name"
    assert text.hosts(["web1"]) == "web1"


def test_the_tasks_of_a_step_share_a_line() -> None:
    run = a_run(["web1", "web2"])
    assert run.begin_task("Check the records", "Read the distribution", 0.0) is None
    for host in ("web1", "web2"):
        run.host_ended(host, progress.OK)
    assert run.begin_task("Check the records", "Check them", 1.0) is None
    run.host_ended("web1", progress.SKIPPED)
    ended = run.begin_task("Build the releases", "Build each", 2.5)
    assert ended is not None
    [line] = lines.step_lines(ended, played(run), 2.5)
    assert line == Line("  ok           Check the records        2.5 s", progress.OK)
    run.host_ended("web1", progress.CHANGED)
    run.host_ended("web2", progress.OK)
    run.item_changed("bookstore")
    run.item_changed("{'path': '/etc/" + "x" * 60 + "'}")
    ended = run.end_step()
    assert ended is not None
    [line] = lines.step_lines(ended, played(run), 4.0)
    assert line.text.split() == ["changed", "Build", "the", "releases", "1.5", "s", "bookstore", "on", "web1"]


def test_the_worst_outcome_is_the_outcome_of_a_step() -> None:
    run = a_run(["web1", "web2", "web3"])
    run.begin_task("Build the releases", "Build each", 0.0)
    run.host_ended("web1", progress.CHANGED)
    run.failed("web2", "no compiler")
    run.failed("web3", "no route to host", unreachable=True)
    run.host_ended("web2", progress.OK)
    step = run.end_step()
    assert step is not None
    assert (step.outcome, step.of(progress.FAILED)) == (progress.UNREACHABLE, ["web2"])
    assert [one.host for one in run.failures] == ["web2", "web3"]


def test_a_step_that_does_nothing_has_no_line() -> None:
    run = a_run(["web1"])
    run.begin_task("Make the certificates", "Make the certificates", 0.0)
    run.host_ended("web1", progress.SKIPPED)
    step = run.end_step()
    assert step is not None
    assert lines.step_lines(step, played(run), 1.0) == []


@pytest.mark.parametrize("width", [24, 40, 60, 80, 200])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    run = a_run(HUNDRED)
    run.begin_task("Build the releases", "Build the release of each application that has another one", 0.0)
    for host in HUNDRED:
        run.host_started(host)
    live = lines.live_text(run, 75.0, width)
    assert text.columns(live) < width
    for host in HUNDRED:
        run.host_ended(host, progress.CHANGED)
        run.item_changed(f"application-{host}")
    step = run.end_step()
    assert step is not None
    [line] = lines.step_lines(step, played(run), 75.0, width)
    assert text.columns(line.text) <= width
    assert "\n" not in line.text


def test_the_live_line_says_where_the_run_is() -> None:
    run = a_run(["web1", "web2"])
    assert lines.live_text(run, 0.0, 80) == ""
    run.begin_task("Build the releases", "Build each", 0.0)
    run.host_started("web1")
    run.host_started("web2")
    run.host_ended("web1", progress.OK)
    assert lines.live_text(run, 12.0, 120) == (
        "  working      Build the releases, 12 s, step 2 of 3, waiting for web2: Build each"
    )
    assert lines.sign_of_life(run, 61.0).text == "  working      Build the releases, 1 min 01 s, waiting for web2"


def test_a_name_cannot_send_orders_to_the_terminal() -> None:
    run = a_run(["web1"])
    run.begin_task("Build \x1b[2J\r\nthem", "t", 0.0)
    run.host_ended("web1", progress.CHANGED)
    run.item_changed("\x1b]0;title\x07")
    step = run.end_step()
    assert step is not None
    shown = lines.step_lines(step, played(run), 1.0)[0].text + "".join(texts(lines.changed_lines(run, check=False)))
    assert shown.isprintable()


def counts(**own: int) -> dict[str, int]:
    return {key: own.get(key, 0) for key in lines.COUNTS}


def test_few_hosts_have_a_row_each() -> None:
    shown = texts(lines.host_rows({"web2": counts(ok=3, changed=1), "web1": counts(ok=4)}))
    assert shown[0].startswith("  web1 : ok=4 changed=0 unreachable=0 failed=0 skipped=0")
    assert shown[1].startswith("  web2 : ok=3 changed=1 ")


def test_of_many_hosts_those_with_a_failure_have_a_row() -> None:
    summaries = {host: counts(ok=5, changed=int(host == "web9")) for host in HUNDRED}
    summaries["web50"] = counts(ok=1, failures=1)
    shown = texts(lines.host_rows(summaries))
    assert shown[0] == "  98 hosts, web1, web10, web100 and 95 more: nothing changed"
    assert shown[1] == "  web9: changed"
    assert shown[2].startswith("  web50 : ok=1 ")
    assert "failed=1" in shown[2]
    assert len(shown) == 3


def test_the_end_groups_hosts_that_serve_the_same() -> None:
    run = a_run(HUNDRED)
    for host in HUNDRED:
        run.report(host, ["shop: http://shop/ is healthy, release 1 in " + ("green" if host == "web7" else "blue")])
    assert texts(lines.served_lines(run.served)) == [
        "Served",
        "  on 99 hosts, web1, web2, web3 and 96 more",
        "    shop: http://shop/ is healthy, release 1 in blue",
        "  on web7",
        "    shop: http://shop/ is healthy, release 1 in green",
    ]


def test_the_end_has_the_order_of_the_inventory() -> None:
    run = a_run(["web1", "web2"])
    run.begin_task("Build the releases", "Build each", 0.0)
    for host in ("web2", "web1"):
        run.report(host, [f"shop: http://{host}/"])
        run.failed(host, "no compiler")
    run.put_in_order()
    assert ([*run.served], [one.host for one in run.failures]) == (["web1", "web2"], ["web1", "web2"])


def test_the_end_repeats_the_beginning_of_a_message() -> None:
    run = a_run(["web1", "web2"])
    run.begin_task("Check the records", "Check them against the host", 0.0)
    message = "\n".join(["12 problems:", *(f"- problem {number}" for number in range(12))])
    run.failed("web1", message)
    run.failed("web2", message)
    assert texts(lines.failed_lines(run.failures)) == [
        "Failed",
        "  2 hosts, web1, web2 failed: Check the records: Check them against the host",
        "    12 problems:",
        *(f"    - problem {number}" for number in range(5)),
        "    … and 7 lines more, above",
    ]


def test_changes_of_a_step_that_several_plays_have_are_one_line() -> None:
    run = a_run(["web1", "web2"])
    for host in ("web1", "web2"):
        run.begin_task("Install packages", "Install packages", 0.0)
        run.host_ended(host, progress.CHANGED)
        run.end_step()
    assert texts(lines.changed_lines(run, check=True)) == ["Would change", "  Install packages (on web1, web2)"]
    assert lines.changed_lines(a_run(["web1"]), check=False) == []


def test_a_run_is_a_report_if_all_of_its_plays_are() -> None:
    run = a_run(["web1"], reports=True)
    assert run.reports
    run.begin_play(progress.Play("without hosts", [], STEPS, False))
    assert run.reports
    run.begin_play(progress.Play("Deploy", ["web1"], STEPS, False, begun=True))
    assert not run.reports


WORDS = ["-i", "inventory/mine", "-e", "app=shop", "-e", "password=sesame", "--limit=web1", "-b"]


def test_an_advised_command_has_the_inventory_and_no_secret() -> None:
    assert advice.command("status", WORDS) == "./grove status -i inventory/mine"
    assert (
        advice.command("deploy", WORDS, "-l", "web1", app=True)
        == "./grove deploy -i inventory/mine -e app=shop -l web1"
    )
    assert advice.command("site", ["--inventory=my hosts"]) == "./grove site -i 'my hosts'"
    assert advice.command("site", ["-imine"]) == "./grove site -i mine"


def test_what_completes_a_run_depends_on_the_verb() -> None:
    assert advice.completing("site", WORDS) == "./grove site -i inventory/mine -e app=shop   completes the run"
    rollback = advice.completing("rollback", WORDS)
    assert rollback.startswith("./grove rollback -i inventory/mine -e app=shop -e release=RELEASE ")
    assert advice.completing("canary", WORDS) == "The same command completes the run"


def test_the_advice_quotes_the_runbook() -> None:
    row = advice.runbook_row("Switch the traffic of each application that has another release")
    assert row is not None
    assert row[0].startswith("the release was not healthy in the idle slot")
    assert row[1] == "the old release"
    hooked = advice.runbook_row("Migrate the database")
    assert hooked is not None
    assert "](" not in "".join(hooked), "a link of the page is no link on a terminal"
    assert advice.runbook_row("A task of somebody else's") is None
    assert advice.runbook_row("Switch the traffic", Path("/nonexistent")) is None


def test_a_failure_is_followed_by_commands() -> None:
    run = a_run(["web1", "web2"])
    run.begin_task("Switch the traffic", "Switch the traffic of each application that has another release", 0.0)
    run.failed("web2", "it answers 500")
    shown = "\n".join(texts(advice.after_failure(run, "deploy", WORDS)))
    assert "It serves now: the old release." in shown
    assert "./grove doctor -i inventory/mine -l web2 " in shown
    assert "./grove deploy -i inventory/mine -e app=shop " in shown
    assert "sesame" not in shown


def test_a_success_is_followed_by_a_request() -> None:
    run = a_run(["web1"])
    assert advice.after_success(run, []) == []
    run.report("web1", ["shop: http://127.0.0.1:8080/ is healthy, release 1 in blue"])
    assert texts(advice.after_success(run, [])) == [
        "Next",
        "  ./grove status   shows what is live on each host",
        "  curl -i http://127.0.0.1:8080/   on web1",
    ]


def test_the_interrupted_step_is_named() -> None:
    run = a_run(["web1"])
    run.begin_task("Build the releases", "Build each", 0.0)
    shown = texts(advice.after_interruption(run, "site", []))
    assert shown == ["The run was ended in the step 'Build the releases'.", "  ./grove site   completes the run"]


def test_the_tasks_whose_messages_stand_at_the_end_exist() -> None:
    """The console knows them by their name."""
    files = ["roles/wsgi_app/tasks/report.yml", "playbooks/rollback.yml", "playbooks/canary.yml"]
    callback = (REPOSITORY / "plugins/callback/console.py").read_text()
    assert 'REPORT = "Report what is served"' in callback
    assert all("- name: Report what is served" in (REPOSITORY / file).read_text() for file in files)


class Screen:
    """What ``LiveLine`` wraps: a display that collects messages."""

    def __init__(self) -> None:
        self.messages: list[str] = []

    def display(self, message: str, **options: object) -> None:
        self.messages.append(message)


def test_a_message_takes_the_place_of_the_live_line(capsys: pytest.CaptureFixture[str]) -> None:
    screen = Screen()
    live = terminal.LiveLine(screen, lambda: "  working")
    live.terminal = True
    live.draw()
    screen.display("[WARNING]: look")
    assert capsys.readouterr().out == f"\r  working\x1b[K{terminal.ERASE}"
    assert screen.messages == ["[WARNING]: look"]
    live.draw()
    live.end()
    live.draw()
    assert capsys.readouterr().out == f"\r  working\x1b[K{terminal.ERASE}", "an ended line stays away"


@pytest.mark.parametrize(("kind", "expected"), [("xterm", False), ("dumb", False), ("", False)])
def test_a_pipe_is_no_terminal(monkeypatch: pytest.MonkeyPatch, kind: str, expected: bool) -> None:
    monkeypatch.setenv("TERM", kind)
    assert terminal.is_terminal() is expected
    assert terminal.width() is None


def test_the_program_chooses_the_output() -> None:
    """``--verbose`` is Grove's word: Ansible would add every result to its own output."""
    text_of_program = (REPOSITORY / "grove").read_text()
    assert "grove.wsgi.console" in text_of_program
    shown = subprocess.run([REPOSITORY / "grove", "help"], capture_output=True, text=True, check=True).stdout
    assert "--verbose" in shown
    assert "--profile" in shown
    assert len(shown.splitlines()) <= 32, "the usage is one page"
