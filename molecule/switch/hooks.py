#!/usr/bin/env python3
"""Deploy releases with hooks to all hosts of the scenario at once, under load: who runs what, how often, and when not.

The report is in .cache/switch/all/; the last line printed names it. Exit status 1 when something was wrong.
"""

from __future__ import annotations

import argparse
import sys
from contextlib import ExitStack
from pathlib import Path

import machine
from driven import LOAD, REPOSITORY, FailureError, Host, expect, judge, playbook_command, run_playbook, tail
from load.process import under_load

HOOKS = ("migrate", "contract", "after")


def command(number: int, hook: str) -> str:
    """Return a hook that leaves a line in the application's state folder."""
    return f"sh -c 'echo {number} >>{{state}}/{hook}'"


class Hosts:
    """All hosts, and playbooks that are run against them together."""

    def __init__(self, inventory: str, containers: dict[str, str], folder: Path) -> None:
        """Take the hosts of the inventory in its order, each with the name of its container."""
        self.inventory, self.folder = inventory, folder
        self.hosts = [
            Host(name, container, machine.address(container), inventory, folder / name)
            for name, container in containers.items()
        ]
        for host in self.hosts:
            host.folder.mkdir(parents=True, exist_ok=True)

    def play(self, playbook: str, *options: str, **variables: object) -> tuple[bool, str]:
        """Run a playbook against all hosts; return whether it succeeded, and what it said."""
        return run_playbook(playbook_command(self.inventory, self.folder, playbook, *options, **variables), self.folder)

    def deploy(self, record: dict[str, object], *options: str, good: bool = True) -> str:
        """Deploy to all; raises FailureError unless that ends as wanted."""
        done, text = self.play("playbooks/deploy.yml", *options, app="load", wsgi_apps=[record])
        expect(done == good, f"deploy {'failed' if good else 'succeeded'}:\n{tail(text)}")
        return text

    def codes(self) -> list[str]:
        """Return the release that each host answers with."""
        return [host.answer()["release"]["code"] for host in self.hosts]

    def runs(self, hook: str) -> list[list[str]]:
        """Return the numbers that a hook has written on each host."""
        return [host.run("sh", "-c", f"cat /var/lib/load/{hook} || true").split() for host in self.hosts]


def together(hosts: Hosts) -> None:
    """Deploy, go back, deploy to some, and fail."""
    first = hosts.hosts[0]
    record = {**first.record(40), **{hook: command(40, hook) for hook in HOOKS}}
    hosts.deploy(record)
    expect(hosts.codes() == ["40", "40"], f"live are {hosts.codes()}, not 40")
    expect(hosts.runs("migrate") == [["40"], []], f"migrate: {hosts.runs('migrate')}, once on the first is right")
    expect(hosts.runs("contract") == [[], ["40"]], f"contract: {hosts.runs('contract')}, once on the last is right")
    expect(hosts.runs("after") == [["40"], ["40"]], f"after: {hosts.runs('after')}, once on each is right")
    for host in hosts.hosts:
        events = [(event["what"], bool(event.get("by"))) for event in host.history()]
        expect(("migrated", host is not first) in events, f"{host.name}: who has migrated is not noted: {events[-8:]}")
        expect(("contracted", host is first) in events, f"{host.name}: who has contracted is not noted: {events[-8:]}")
    hosts.deploy(record)
    expect([len(runs) for runs in hosts.runs("after")] == [1, 1], "the second run has run after again")

    done, text = hosts.play("playbooks/rollback.yml", app="load")
    refused = not done and text.count("cross_contract") >= len(hosts.hosts)
    expect(refused, f"rollback has crossed the contract:\n{tail(text)}")
    expect(hosts.codes() == ["40", "40"], f"after the refused rollback {hosts.codes()} answer")
    done, text = hosts.play("playbooks/rollback.yml", app="load", cross_contract=True)
    expect(done and "40" not in hosts.codes(), f"rollback with cross_contract=true: {hosts.codes()}\n{tail(text)}")
    hosts.deploy(record)
    expect(hosts.codes() == ["40", "40"], f"after the rollback and a deployment {hosts.codes()} answer")
    expect(sum(map(len, hosts.runs("contract"))) == 1, "the contract was run twice")

    record = first.record(41, contract=command(41, "contract"))
    text = hosts.deploy(record, "--limit", f"{first.name},localhost")
    expect("its contract is not run yet" in text, f"a contract that waits is not named:\n{tail(text)}")
    expect(not any("41" in runs for runs in hosts.runs("contract")), "the contract was run before the last host had it")
    hosts.deploy(record)
    expect(sum(runs.count("41") for runs in hosts.runs("contract")) == 1, f"contract: {hosts.runs('contract')}")

    # Ansible makes an address that is a template with the name of the host that delegates.
    addresses = hosts.folder / "addresses.ini"
    addresses.write_text("".join(f"{host.name} ansible_host={host.container}\n" for host in hosts.hosts))
    record = first.record(43, contract=command(43, "contract"))
    done, text = hosts.play("molecule/switch/serial.yml", "-i", str(addresses), wsgi_apps=[record])
    expect(done, f"one host after the other failed:\n{tail(text)}")
    expect(hosts.runs("contract")[-1][-1] == "43", f"contract: {hosts.runs('contract')}, once on the last is right")
    expect(sum(runs.count("43") for runs in hosts.runs("contract")) == 1, "the contract was run on more than one host")
    for host in hosts.hosts:
        noted = [event for event in host.history() if event["what"] == "contracted"]
        expect(noted[-1]["release"] == host.live(), f"{host.name}: the contract is not noted: {noted}")

    text = hosts.deploy(first.record(42, migrate="sh -c 'echo no such table; exit 3'"), good=False)
    expect("no such table" in text, f"the failed migration is not shown:\n{tail(text)}")
    expect(hosts.codes() == ["43", "43"], f"after the failed migration {hosts.codes()} answer")


def main() -> int:
    """Run it all under load on every host."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inventory", required=True)
    parser.add_argument("hosts", nargs="+", metavar="HOST=CONTAINER")
    asked = parser.parse_args()
    containers = dict(host.split("=") for host in asked.hosts)
    hosts = Hosts(asked.inventory, containers, REPOSITORY / ".cache" / "switch" / "all")
    failed = 0
    try:
        with ExitStack() as load:
            runs = [load.enter_context(under_load(host.url, host.folder / "hooks", *LOAD)) for host in hosts.hosts]
            together(hosts)
        for host, run in zip(hosts.hosts, runs, strict=True):
            judge(host, run, f"hooks, {host.name}")
    except (FailureError, RuntimeError, OSError) as error:
        failed = 1
        hosts.hosts[0].say(f"FAILED hooks: {error}")
    lines = [line for host in hosts.hosts for line in host.lines]
    (hosts.folder / "report.txt").write_text("\n".join(lines) + "\n")
    print("\n".join([*lines, f"the reports are in {hosts.folder}"]))
    return failed


if __name__ == "__main__":
    sys.exit(main())
