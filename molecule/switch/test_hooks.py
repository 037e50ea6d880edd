"""Releases with hooks, deployed to all hosts at once under load: which host runs which hook, and how often."""

from __future__ import annotations

from contextlib import ExitStack

import pytest
from switch_host import APP, REPOSITORY, SwitchHost, playbook_command, run_playbook, tail

HOOKS = ("migrate", "contract", "after")
NO_TABLE = "sh -c 'echo no such table; exit 3'"


class AllHosts:
    """All hosts, and playbooks that are run against them together."""

    def __init__(self, hosts: list[SwitchHost]) -> None:
        self.hosts = hosts
        self.folder = hosts[0].folder.parent / "all"
        self.folder.mkdir(parents=True, exist_ok=True)

    def try_play(self, playbook: str, *options: str, **variables: object) -> tuple[bool, str]:
        """Run a playbook against all hosts; return whether it succeeded, and its output."""
        return run_playbook(playbook_command(self.folder, playbook, *options, **variables), self.folder)

    def deploy(self, record: dict[str, object], *options: str, succeeds: bool = True) -> str:
        """Deploy to all hosts; fails unless the run ends as ``succeeds`` says."""
        succeeded, output = self.try_play("playbooks/deploy.yml", *options, app=APP, wsgi_apps=[record])
        assert succeeded == succeeds, f"deploy {'failed' if succeeds else 'succeeded'}:\n{tail(output)}"
        return output

    def codes(self) -> list[str]:
        """Return the release that each host answers with."""
        return [host.code() for host in self.hosts]

    def runs(self, hook: str) -> list[list[str]]:
        """Return the numbers that a hook has written on each host."""
        return [host.run("sh", "-c", f"cat /var/lib/{APP}/{hook} || true").split() for host in self.hosts]

    def times_run(self, hook: str, number: str) -> int:
        """Return how often a release's hook ran on all hosts together."""
        return sum(numbers.count(number) for numbers in self.runs(hook))


@pytest.fixture
def all_hosts(switch_hosts: list[SwitchHost]) -> AllHosts:
    """The hosts of the scenario as one."""
    return AllHosts(switch_hosts)


def writes(number: int, hook: str) -> str:
    """Return the command of a hook that adds a number to its file in the application's state folder."""
    return f"sh -c 'echo {number} >>{{state}}/{hook}'"


def test_hooks(all_hosts: AllHosts) -> None:
    """Deploy a release with all hooks, roll back, and deploy to one host, serially, and with a failing hook."""
    with ExitStack() as load:
        for host in all_hosts.hosts:
            load.enter_context(host.load("hooks"))
        check_each_hook_runs_where_it_has_to(all_hosts)
        check_rollback_over_a_contract(all_hosts)
        check_contract_waits_for_the_last_host(all_hosts)
        check_one_host_after_the_other(all_hosts)
        output = all_hosts.deploy(all_hosts.hosts[0].record(42, migrate=NO_TABLE), succeeds=False)
        assert "no such table" in output, f"the failed migration is not shown:\n{tail(output)}"
        assert all_hosts.codes() == ["43", "43"], "after the failed migration"


def record_with_all_hooks(hosts: AllHosts) -> dict[str, object]:
    return {**hosts.hosts[0].record(40), **{hook: writes(40, hook) for hook in HOOKS}}


def check_each_hook_runs_where_it_has_to(hosts: AllHosts) -> None:
    """``migrate`` runs once, on the first host; ``contract`` once, on the last; ``after`` once on each."""
    first = hosts.hosts[0]
    record = record_with_all_hooks(hosts)
    hosts.deploy(record)
    assert hosts.codes() == ["40", "40"]
    assert hosts.runs("migrate") == [["40"], []]
    assert hosts.runs("contract") == [[], ["40"]]
    assert hosts.runs("after") == [["40"], ["40"]]
    for host in hosts.hosts:
        events = [(event["what"], bool(event.get("by"))) for event in host.history()]
        assert ("migrated", host is not first) in events, f"{host.name}: who has migrated is not noted: {events[-8:]}"
        assert ("contracted", host is first) in events, f"{host.name}: who has contracted is not noted: {events[-8:]}"
    hosts.deploy(record)
    assert [len(numbers) for numbers in hosts.runs("after")] == [1, 1], "the second run has run after again"


def check_rollback_over_a_contract(hosts: AllHosts) -> None:
    """A rollback over a contract is refused, unless cross_contract allows it."""
    succeeded, output = hosts.try_play("playbooks/rollback.yml", app=APP)
    assert not succeeded, "a rollback has crossed the contract"
    assert output.count("cross_contract") >= len(hosts.hosts), f"not refused on each host:\n{tail(output)}"
    assert hosts.codes() == ["40", "40"], "after the refused rollback"
    succeeded, output = hosts.try_play("playbooks/rollback.yml", app=APP, cross_contract=True)
    assert succeeded, f"rollback with cross_contract=true:\n{tail(output)}"
    assert "40" not in hosts.codes(), "after the rollback"
    hosts.deploy(record_with_all_hooks(hosts))
    assert hosts.codes() == ["40", "40"], "after the rollback and a deployment"
    assert hosts.times_run("contract", "40") == 1


def check_contract_waits_for_the_last_host(hosts: AllHosts) -> None:
    """A deployment to one host of two does not run ``contract``, and says so."""
    first = hosts.hosts[0]
    record = first.record(41, contract=writes(41, "contract"))
    output = hosts.deploy(record, "--limit", f"{first.name},localhost")
    assert "its contract is not run yet" in output, f"a contract that waits is not named:\n{tail(output)}"
    assert hosts.times_run("contract", "41") == 0, "the contract was run before the last host had the release"
    hosts.deploy(record)
    assert hosts.times_run("contract", "41") == 1


def check_one_host_after_the_other(hosts: AllHosts) -> None:
    """With ``serial: 1``, ``contract`` runs once, on the last host, and every host notes it."""
    # Ansible evaluates an address that is a template with the name of the host that delegates.
    addresses = hosts.folder / "addresses.ini"
    addresses.write_text("".join(f"{host.name} ansible_host={host.container}\n" for host in hosts.hosts))
    record = hosts.hosts[0].record(43, contract=writes(43, "contract"))
    playbook = str(REPOSITORY / "molecule" / "switch" / "serial.yml")
    succeeded, output = hosts.try_play(playbook, "-i", str(addresses), wsgi_apps=[record])
    assert succeeded, f"one host after the other failed:\n{tail(output)}"
    assert hosts.runs("contract")[-1][-1] == "43"
    assert hosts.times_run("contract", "43") == 1
    for host in hosts.hosts:
        contracted = [event for event in host.history() if event["what"] == "contracted"]
        assert contracted[-1]["release"] == host.live_release(), f"{host.name}: the contract is not noted"
