"""The findings of all hosts: verdicts, and lines for a person."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.grove.wsgi.plugins.module_utils.doctor.finding import OK, PROBLEM, WARNING, ok, problem
from ansible_collections.grove.wsgi.plugins.plugin_utils.console.text import hosts as some_hosts
from ansible_collections.grove.wsgi.plugins.plugin_utils.reaching import address_remedy

CONTROLLER = "(controller)"
"""In the place of a host's name."""
EVERYTHING_SHOWN = 3
"""Hosts of which every finding is shown. Of more, those that are as they should be are counted."""

Finding = Mapping[str, Any]


def of_host(result: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the findings of a host.

    ``reached`` is the answer to the first module, ``examined`` that of the module ``doctor``. ``records`` is empty when
    the check of the records passed; else its message. It is None where it was not made. ``address`` is the address of
    the host in the inventory.
    """
    reached, examined, records = result.get("reached") or {}, result.get("examined") or {}, result.get("records")
    if "ping" not in reached:
        message = str(reached.get("msg") or "it was not asked").strip().removeprefix("Task failed: ")
        if reached.get("unreachable"):
            expected, remedy = "the host answers", "ssh -v HOST, as Ansible does it: ./grove doctor -l HOST -vvvv"
            if right := address_remedy(str(result.get("address") or "")):
                remedy = f"ansible_host is {result['address']!r}; {right}"
            return [problem("reachable", message, expected, remedy).plain()]
        remedy = "give the right account (-u, -b, -K), and the host python3; -vvvv shows each step"
        return [problem("reachable", message, "Ansible can run a module as root", remedy).plain()]
    findings = [ok("reachable", "it answers").plain()]
    if "findings" in examined:
        findings += examined["findings"]
    else:
        message = str(examined.get("msg") or "it was not examined")
        findings.append(problem("examination", message, "it ends", "./grove doctor -l HOST -vvvv").plain())
    if records:
        expected, remedy = "records that fit the host", "correct what the message names, and ./grove doctor"
        findings.append(problem("records", str(records), expected, remedy).plain())
    elif records is not None:
        findings.append(ok("records", "valid, and they fit the host").plain())
    return findings


def judge(results: Mapping[str, Mapping[str, Any]], controller: Sequence[Finding]) -> dict[str, Any]:
    """Return the report: the verdict, and for each host its verdict and findings."""
    by_host: dict[str, list[Any]] = {CONTROLLER: list(controller)}
    by_host |= {name: of_host(result) for name, result in results.items()}
    hosts = {name: {"verdict": worst(findings), "findings": findings} for name, findings in by_host.items()}
    every = [finding for findings in by_host.values() for finding in findings]
    return {
        "verdict": worst(every),
        "problems": sum(finding["verdict"] == PROBLEM for finding in every),
        "warnings": sum(finding["verdict"] == WARNING for finding in every),
        "hosts": hosts,
    }


def worst(findings: Sequence[Finding]) -> str:
    """Return the worst verdict."""
    verdicts = {finding["verdict"] for finding in findings}
    return next((each for each in (PROBLEM, WARNING) if each in verdicts), OK)


def text(report: Mapping[str, Any]) -> list[str]:
    """Return a report as lines of text."""
    hosts = report["hosts"]
    lines: list[str] = []
    if len(hosts) - 1 <= EVERYTHING_SHOWN:
        for name, host in hosts.items():
            width = max(len(finding["subject"]) for finding in host["findings"])
            lines += [name, *(line for finding in host["findings"] for line in _lines(finding, width)), ""]
    else:
        groups: dict[tuple[str, ...], list[str]] = {}
        for name, host in hosts.items():
            for finding in host["findings"]:
                if finding["verdict"] != OK:
                    groups.setdefault(tuple(str(value) for value in finding.values()), []).append(name)
        keys = ("subject", "verdict", "actual", "expected", "remedy")
        for values, names in groups.items():
            finding = dict(zip(keys, values, strict=True))
            lines += [some_hosts(names), *_lines(finding, len(finding["subject"])), ""]
        well = [name for name, host in hosts.items() if host["verdict"] == OK]
        lines += [f"everything is ok on {some_hosts(well)}", ""] if well else []
    return [*lines, verdict(report)]


def verdict(report: Mapping[str, Any]) -> str:
    """Return the last line of a report."""

    def count(number: int, word: str) -> str:
        return f"{number or 'no'} {word}{'s' if number > 1 else ''}"

    return f"{count(report['problems'], 'problem')}, {count(report['warnings'], 'warning')}"


def _lines(finding: Finding, width: int) -> Iterator[str]:
    first, *more = finding["actual"].splitlines() or [""]
    yield f"  {finding['verdict']:7}  {finding['subject']:{width}}  {first}".rstrip()
    indent = " " * (width + 13)
    yield from (f"{indent}{line}" for line in more)
    if finding["verdict"] != OK:
        yield f"{indent}right: {finding['expected']}"
        yield f"{indent}mend:  {finding['remedy']}"
