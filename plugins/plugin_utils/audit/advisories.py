"""Known vulnerabilities of Python packages, as pip-audit finds them in a public database."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from . import limits

Pinned = tuple[str, str]
"""Name and version of a package."""
KNOWN: Pinned = ("jinja2", "2.4.1")
"""A version with vulnerabilities that have been public since 2014."""


@dataclass(frozen=True)
class Service:
    """The database: ``pypi`` (the JSON API of the index) or ``osv``; ``osv_url`` is an address of the latter's kind."""

    kind: str = "pypi"
    osv_url: str = ""


@dataclass(frozen=True)
class Vulnerability:
    """A known vulnerability. ``fixed_in`` has the versions without it; ``aliases`` are its other names."""

    name: str
    aliases: tuple[str, ...]
    fixed_in: tuple[str, ...]


@dataclass
class Advisories:
    """The answers. A package of neither dictionary has no known vulnerability.

    ``unknown`` has those of which the database said nothing, with the reason. ``problem`` says why the database could
    not be used; then every package is unknown.
    """

    vulnerable: dict[Pinned, list[Vulnerability]] = field(default_factory=dict)
    unknown: dict[Pinned, str] = field(default_factory=dict)
    problem: str = ""


def look_up(packages: Collection[Pinned], service: Service) -> Advisories:
    """Ask the database about each package once, and first about one that is known to be vulnerable.

    Without the right answer to the first question, no other answer would mean anything: an index or a mirror may stand
    in for the database, have the packages, and know no vulnerability.
    """
    result = Advisories(problem=_test(service))
    valid = []
    for pinned in sorted(set(packages)):
        if result.problem:
            result.unknown[pinned] = result.problem
        elif _is_version(pinned[1]):
            valid.append(pinned)
        else:
            result.unknown[pinned] = "its version is none that an index has"
    for layer in layers(valid):
        answers, problem = _ask(layer, service)
        result.problem = result.problem or problem
        _sort(layer, answers, problem, result)
    return result


def _test(service: Service) -> str:
    """Return why the database cannot be used; empty if it can."""
    name, version = KNOWN
    answers, problem = _ask({name: version}, service)
    if problem or answers.get(name, {}).get("vulns"):
        return problem
    answer = answers.get(name, {}).get("skip_reason", "it says that this version has none")
    return f"the database does not know the vulnerabilities of {name} {version} ({answer}), so it is no such database"


def layers(packages: Collection[Pinned]) -> Iterator[dict[str, str]]:
    """Yield the packages in parts in which each name has one version, as a requirements file has."""
    versions: dict[str, list[str]] = {}
    for name, version in packages:
        versions.setdefault(name, []).append(version)
    for number in range(max(map(len, versions.values()), default=0)):
        yield {name: own[number] for name, own in versions.items() if number < len(own)}


def _sort(layer: Mapping[str, str], answers: Mapping[str, Any], problem: str, result: Advisories) -> None:
    for name, version in layer.items():
        answer = answers.get(canonicalize_name(name))
        if answer is None or "skip_reason" in answer:
            result.unknown[name, version] = problem or str((answer or {}).get("skip_reason", "it gave no answer"))
        elif answer["vulns"]:
            result.vulnerable[name, version] = [
                Vulnerability(one["id"], tuple(sorted(one["aliases"])), tuple(one["fix_versions"]))
                for one in answer["vulns"]
            ]


def _ask(layer: Mapping[str, str], service: Service) -> tuple[dict[str, Any], str]:
    """Return pip-audit's answers by package, or why there are none."""
    with tempfile.TemporaryDirectory(prefix="grove-audit-") as folder:
        requirements = Path(folder, "requirements.txt")
        requirements.write_text("".join(f"{name}=={version}\n" for name, version in layer.items()), encoding="utf-8")
        command = [
            *(sys.executable, "-m", "pip_audit", "--requirement", str(requirements), "--no-deps", "--disable-pip"),
            *("--format", "json", "--desc", "off", "--aliases", "on", "--progress-spinner", "off"),
            *("--vulnerability-service", service.kind, "--timeout", str(limits.CONNECT_SECONDS)),
            *(["--osv-url", service.osv_url] if service.osv_url else []),
            *("--cache-dir", f"{folder}/cache"),
        ]
        seconds = limits.QUESTIONS_SECONDS + limits.QUESTION_SECONDS * len(layer)
        try:
            done = subprocess.run(
                command, env=_environment(), capture_output=True, text=True, timeout=seconds, check=False
            )
        except subprocess.TimeoutExpired:
            return {}, f"the database gave no answer within {seconds} s"
        except OSError as error:
            return {}, f"pip-audit cannot be run: {error}"
    try:
        # Its exit status is 1 for a vulnerability, and for every error.
        answers = json.loads(done.stdout)["dependencies"]
        return {canonicalize_name(answer["name"]): answer for answer in answers}, ""
    except (ValueError, KeyError, TypeError):
        return {}, _reason(done.stderr)


def _environment() -> dict[str, str]:
    """Return the environment of pip-audit, whose library has a variable of its own for certificate authorities."""
    authorities = os.environ.get("SSL_CERT_FILE") or os.environ.get("PIP_CERT")
    return {**({"REQUESTS_CA_BUNDLE": authorities} if authorities else {}), **os.environ}


def _reason(errors: str) -> str:
    lines = [line.strip() for line in errors.strip().splitlines() if line.strip()]
    if any("No module named pip_audit" in line for line in lines):
        return "pip-audit is not installed beside ansible-playbook; install it, or run ./grove audit"
    return f"the database cannot be reached: {lines[-1] if lines else 'pip-audit said nothing'}"


def _is_version(text: str) -> bool:
    try:
        Version(text)
    except InvalidVersion:
        return False
    return True
