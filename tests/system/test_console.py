"""The output of ``./grove``, made by real runs of Ansible: into a pipe, and on a terminal."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
SECONDS = 600
PLAYBOOK = """
- name: Deploy the apps
  hosts: all
  gather_facts: false
  tasks:
    - name: Build the releases
      ansible.builtin.import_tasks: build.yml
    - name: Report what is served
      ansible.builtin.debug:
        msg: ["shop: http://127.0.0.1:8080/ is healthy, release 1 in blue"]
"""
BUILD = """
- name: Write the release of the app
  ansible.builtin.copy:
    content: "release 2\\n"
    dest: "{{ folder }}/{{ inventory_hostname }}"
    mode: "0644"
- name: Make each
  ansible.builtin.command: "true"
  loop: [shop, blog]
- name: Look at the result
  ansible.builtin.command: "true"
  changed_when: false
- name: Say what is odd
  ansible.builtin.debug:
    msg: an unusual thing
- name: Check the result
  ansible.builtin.assert:
    that: inventory_hostname != fails | default('')
    fail_msg: "the result is wrong\\nin two lines"
    quiet: true
- name: Wait
  ansible.builtin.wait_for:
    timeout: "{{ pause }}"
  when: pause is defined
"""
REPORT = """
- name: Show the state
  hosts: all
  gather_facts: false
  tasks:
    - name: Ask
      block:
        - name: Ask what does not answer
          ansible.builtin.command: "false"
      rescue:
        - name: Go on
          ansible.builtin.set_fact: {answered: false}
    - name: Show the table
      grove.wsgi.show:
        lines: [host state, web1 well]
      run_once: true
    - name: Check the verdict
      ansible.builtin.assert:
        that: verdict | default('well') == 'well'
        fail_msg: the verdict is bad
      run_once: true
"""
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
ESCAPE = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


@pytest.fixture
def command(tmp_path: Path) -> list[str]:
    """A command line with two hosts, both of which are this machine."""
    for name, content in (("site.yml", PLAYBOOK), ("build.yml", BUILD), ("report.yml", REPORT)):
        (tmp_path / name).write_text(content)
    (tmp_path / "hosts.yml").write_text(
        f"all: {{hosts: {{web1: , web2: }}, vars: {{ansible_connection: local, folder: {tmp_path}/out,"
        f" ansible_python_interpreter: {sys.executable}}}}}\n"
    )
    (tmp_path / "out").mkdir()
    return ["ansible-playbook", str(tmp_path / "site.yml"), "-i", str(tmp_path / "hosts.yml")]


def environment(**more: str) -> dict[str, str]:
    own = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
    for name in ("NO_COLOR", "TERM", "PYTHONDONTWRITEBYTECODE"):
        own.pop(name, None)
    chosen = {"ANSIBLE_CONFIG": str(REPOSITORY / "ansible.cfg"), "ANSIBLE_STDOUT_CALLBACK": "grove.wsgi.console"}
    return {**own, **chosen, "TERM": "xterm-256color", **more}


def pipe(words: list[str], **more: str) -> tuple[int, str]:
    """Run a command whose output is a pipe; return its exit status and what it wrote."""
    done = subprocess.run(
        words,
        env=environment(**more),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    return done.returncode, done.stdout.decode()


def terminal(
    words: list[str], columns: int = 100, when: Callable[[str], bool] | None = None, **more: str
) -> tuple[int, str, bool]:
    """Run a command on a terminal; return its exit status, what it wrote, and whether the terminal's settings are kept.

    when: what the person waits for before typing Ctrl-C.
    """
    controller, own = pty.openpty()
    fcntl.ioctl(own, termios.TIOCSWINSZ, struct.pack("HHHH", 30, columns, 0, 0))
    before = termios.tcgetattr(own)

    def become_the_terminal_of_the_command() -> None:
        # The runner of the tests ignores the signal.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.setsid()
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    process = subprocess.Popen(
        words, env=environment(**more), stdin=own, stdout=own, stderr=own, preexec_fn=become_the_terminal_of_the_command
    )
    written, end = b"", time.monotonic() + SECONDS
    while time.monotonic() < end:
        # In this order: what a process has written before its end is there to be read after it.
        has_ended = process.poll() is not None
        ready, _, _ = select.select([controller], [], [], 0.1)
        if ready:
            with contextlib.suppress(OSError):
                written += os.read(controller, 65536)
        elif has_ended:
            break
        if when is not None and when(written.decode(errors="replace")):
            os.write(controller, b"\x03")
            when = None
    assert process.poll() is not None, written.decode()
    kept = termios.tcgetattr(own) == before
    os.close(own)
    os.close(controller)
    return process.returncode, written.decode(), kept


def screen(written: str) -> list[str]:
    """Return the lines that a terminal shows in the end."""
    lines = []
    for line in written.replace("\r\n", "\n").split("\n"):
        shown = ""
        for part in line.split("\r"):
            text = COLOUR.sub("", part)
            shown = text.replace("\x1b[K", "") if "\x1b[K" in text else text + shown[len(text) :]
        lines.append(shown)
    return lines


def test_a_pipe_gets_plain_lines(command: list[str]) -> None:
    status, output = pipe(command)
    assert status == 0, output
    assert "\x1b" not in output
    assert "\r" not in output
    lines = output.splitlines()
    assert lines[0] == "Deploy the apps: 2 hosts, web1, web2"
    [step] = [line for line in lines if line.startswith("  changed")]
    assert re.fullmatch(r"  changed      Build the releases +\d.* s  shop, blog on web1, web2", step)
    assert "  web1: an unusual thing" in lines
    end = output[output.index("\nChanged\n") :]
    assert "  on 2 hosts, web1, web2\n    shop: http://127.0.0.1:8080/ is healthy, release 1 in blue\n" in end
    assert re.search(r"(?m)^  web1 : ok=6 +changed=2 +unreachable=0 +failed=0 ", end), end
    assert re.search(r"(?m)^  \./grove status -i \S+hosts\.yml ", end)
    assert "TASK [" not in output


def test_a_profile_tells_where_the_time_went(command: list[str]) -> None:
    status, output = pipe(command, ANSIBLE_CALLBACKS_ENABLED="grove.wsgi.profile")
    assert status == 0, output
    table = output[output.index("\nWhere the time went: ") :]
    assert output.index("\nHosts, after ") < len(output) - len(table), "the profile stands at the end"
    rows = re.findall(r"(?m)^ +(\d+\.\d\d)(?: +(\d+) +(\d+\.\d\d))?  +(\S.*)$", table)
    calls = {name: int(number or 0) for _, number, _, name in rows}
    # Two hosts make two each.
    assert (calls["Make each"], calls["Look at the result"]) == (4, 2)
    assert calls["Check the result"] == calls["Start of Ansible, and reading the playbooks"] == 0
    seconds = {name: float(total) for total, _, _, name in rows}
    assert list(seconds) == sorted(seconds, key=lambda name: -seconds[name] if name != "All" else 1)
    assert sum(seconds.values()) - seconds["All"] == pytest.approx(seconds["All"], abs=0.1)
    assert "\n  tasks that every host skipped: 1\n" in table
    assert re.search(r"\n  processor time of the controller: \d+\.\d\d s, of it ", table)


def test_a_second_run_changes_nothing_of_the_file(command: list[str]) -> None:
    """In check mode the difference is shown, and named as what would change."""
    status, output = pipe([*command, "--check", "--diff"])
    assert status == 0, output
    assert "+release 2" in output
    assert output.startswith("Deploy the apps (check mode: nothing is changed): 2 hosts")
    assert "  Build the releases: Write the release of the app\n" in output
    assert "\nWould change\n" in output


def test_a_failure_is_shown_in_full_and_at_the_end(command: list[str]) -> None:
    status, output = pipe([*command, "-e", "fails=web2", "-e", "password=sesame"])
    assert status == 2
    shown, _, end = output.partition("\nFailed\n")
    assert "  Build the releases: Check the result\n" in shown
    assert re.search(r"(?s)fatal: \[web2\]: FAILED! =>.*the result is wrong\n.*in two lines", shown), shown
    assert re.search(r"(?m)^  failed       Build the releases .* on web2$", shown), shown
    assert "  web2 failed: Build the releases: Check the result\n    the result is wrong\n    in two lines\n" in end
    assert re.search(r"\./grove doctor -i \S+ -l web2 ", end)
    assert "sesame" not in end
    assert re.search(r"(?m)^  web1 : ok=\d+ .*failed=0 ", end)


def test_warnings_are_shown(command: list[str]) -> None:
    folder = Path(command[1]).parent
    (folder / "build.yml").write_text(
        "- name: Run a command\n  ansible.builtin.shell: 'true'\n  environment: {A: b}\n"
        "- name: Name a group\n  ansible.builtin.group_by: {key: not-a-name}\n"
    )
    status, output = pipe(command)
    assert status == 0, output
    plain = pipe(command, ANSIBLE_STDOUT_CALLBACK="default")[1]
    warnings = [line for line in plain.splitlines() if "[WARNING]" in line or "DEPRECATION" in line]
    assert warnings
    assert [line for line in warnings if line not in output.splitlines()] == []


def test_a_narrow_terminal_shows_what_is_at_work(command: list[str]) -> None:
    columns = 40
    status, written, kept = terminal([*command, "-e", "pause=1"], columns)
    assert status == 0, written
    assert kept
    live = re.findall(r"\r(  working [^\r]*)\x1b\[K", written)
    assert any("Build the releases" in line for line in live), written
    assert len(set(live)) > 3, "the time of the line goes on"
    assert max(map(len, live)) < columns
    shown = screen(written)
    assert not any("working" in line for line in shown), "nothing of the line stays"
    steps = [line for line in shown if line.startswith(("  changed", "  ok "))]
    assert steps
    assert max(map(len, steps)) < columns
    assert "\x1b[0;33m" in written, "what changed has a colour"


def test_a_terminal_without_colours(command: list[str]) -> None:
    _, written, _ = terminal([*command, "-e", "pause=1"], NO_COLOR="1")
    assert "working" in written
    assert COLOUR.search(written) is None


def test_a_terminal_that_knows_no_orders(command: list[str]) -> None:
    _, written, _ = terminal([*command, "-e", "pause=1"], TERM="dumb")
    assert ESCAPE.search(written) is None
    assert "\r" not in written.replace("\r\n", "\n")
    assert "working" not in written


def test_ctrl_c_leaves_the_terminal_in_order(command: list[str]) -> None:
    status, written, kept = terminal([*command, "-e", "pause=60"], when=lambda text: "web2: Wait" in text)
    assert status not in (0, -signal.SIGINT), "Ansible ends by itself"
    assert kept
    shown = screen(written)
    assert not any("working" in line for line in shown), shown
    assert "The run was ended in the step 'Build the releases'." in shown
    assert any(line.startswith("  ./grove site -i ") for line in shown)
    assert written.endswith("\n")


@pytest.mark.debian_packages("openssh-client")
def test_a_report_is_its_lines_alone(command: list[str]) -> None:
    report = [command[0], command[1].replace("site.yml", "report.yml"), *command[2:]]
    assert pipe(report) == (0, "host state\nweb1 well\n")
    status, output = pipe([*report, "-e", "verdict=bad"])
    assert status == 2
    # A later task has dealt with another failure.
    assert output == "host state\nweb1 well\nthe verdict is bad\n"
    unreachable = ["-e", "ansible_connection=ssh", "-e", "ansible_host=127.0.0.1", "-e", "ansible_port=9"]
    status, output = pipe([*report, *unreachable])
    assert status == 4
    assert "web1: the host cannot be reached: " in output
    assert "Connection refused" in output
    status, written, _ = terminal(report)
    assert [line for line in screen(written) if line] == ["host state", "web1 well"]
