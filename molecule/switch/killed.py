"""Processes that die, hang or eat: only the requests inside them are lost, and the service is back at once."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable

from driven import LOAD, Host, apache_children, expect, judge, late, tail, wait_for
from load.process import under_load

BACK = 2.0
"""Seconds in which the service has to be back after processes were killed, besides by how much the client was late."""


def deaths(host: Host) -> None:
    """Kill processes, and let an application use up its memory."""
    colour = host.run("cat", "/srv/wsgi/load/slot.map").split()[1].rpartition("-")[2]
    letter = colour[0]
    cases: dict[str, Callable[[], list[int]]] = {
        "kill -9 of a daemon process": lambda: host.pids(letter)[:1],
        "kill -9 of all of a slot's processes": lambda: host.pids(letter),
        "kill -9 of an Apache child": lambda: apache_children(host)[:1],
    }
    for label, victims in cases.items():
        with under_load(host.url, host.folder / label.replace(" ", "-").replace("'", ""), *LOAD) as run:
            time.sleep(3)
            with run.window("fault", label):
                found = [str(pid) for pid in victims()]
                expect(bool(found), f"{label}: there is none")
                host.run("kill", "-9", *found)
                time.sleep(3)
            time.sleep(2)
        # All clients may have had a request in the killed processes.
        result = judge(host, run, label, allowed=12)
        silence = result.silence or 0.0
        host.say(f"  back within {silence:.2f} s")
        expect(silence <= BACK + late(result), f"{label}: no good answer for {silence:.1f} s")


def memory(host: Host) -> None:
    """Let the application eat until it nears its limit: its processes are replaced, and nobody else notices."""
    done, text = host.deploy(host.record(30, {"eat": True}))
    expect(done, f"release 30 was not deployed:\n{tail(text)}")
    with under_load(host.url, host.folder / "memory", *LOAD) as run:
        before = set(host.pids("b")) | set(host.pids("g"))
        with run.window("fault", "memory of an application exhausted"):
            eaten = subprocess.run(
                [
                    "sh",
                    "-c",
                    f"for i in $(seq 40); do curl -s -o /dev/null -w '%{{http_code}} ' '{host.url}/eat?mb=20'; done",
                ],
                capture_output=True,
                text=True,
                check=False,
            ).stdout.split()
            # Each after its last request, and one after the other.
            wait_for(lambda: not before <= set(host.pids("b")) | set(host.pids("g")), 60)
            time.sleep(15)
        after = set(host.pids("b")) | set(host.pids("g"))
    host.say(f"  the eater got {', '.join(f'{eaten.count(code)} x {code}' for code in sorted(set(eaten)))}")
    result = judge(host, run, "memory exhausted", allowed=12)
    silence = result.silence or 0.0
    host.say(f"  {len(before - after)} processes were replaced; back within {silence:.2f} s")
    expect(silence <= BACK + late(result), f"memory exhausted: no good answer for {silence:.1f} s")


def hanging(host: Host) -> None:
    """Let requests hang: they end, their processes are replaced, and others are answered all the time."""
    done, text = host.deploy(host.record(31, {"hang": True}))
    expect(done, f"release 31 was not deployed:\n{tail(text)}")
    hung = 12
    with under_load(host.url, host.folder / "hanging", *LOAD) as run:
        before = set(host.pids("b")) | set(host.pids("g"))
        begun = time.monotonic()
        with run.window("fault", f"{hung} requests that never end"):
            command = ["curl", "-s", "-o", "/dev/null", "-m", "200", "-w", "%{http_code}", f"{host.url}/hang"]
            clients = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(hung)]
            answers = [client.communicate()[0] for client in clients]
        seconds = time.monotonic() - begun
        wait_for(lambda: not before <= set(host.pids("b")) | set(host.pids("g")), 120)
        replaced = time.monotonic() - begun
        time.sleep(10)
        after = set(host.pids("b")) | set(host.pids("g"))
    expect(set(answers) <= {"500", "502", "503", "504"}, f"hanging requests were answered with {sorted(set(answers))}")
    result = judge(host, run, "hanging requests", allowed=12)
    silence = result.silence or 0.0
    host.say(
        f"  {hung} hanging requests ended within {seconds:.0f} s with {', '.join(sorted(set(answers)))};"
        f" {len(before - after)} processes were replaced, the first after {replaced:.0f} s;"
        f" nobody else waited longer than {silence:.2f} s"
    )
    expect(silence <= BACK + late(result), f"hanging requests: no good answer for {silence:.1f} s")
