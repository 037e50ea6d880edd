"""The bill of materials of a release (SBOM): a CycloneDX document beside RELEASE.json.

The document lists what lies in the release: Python packages, the source, and extra packages. The same content gives the
same document, byte by byte. The interpreter, Apache, mod_wsgi and the distribution's packages belong to the host, and
change without a new release; the document has none of them.

Format: CycloneDX 1.6, https://cyclonedx.org/docs/1.6/json/.
"""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ansible_collections.grove.wsgi.plugins.module_utils.release import virtualenvs
from ansible_collections.grove.wsgi.plugins.module_utils.release.output import without_account
from ansible_collections.grove.wsgi.plugins.module_utils.release.packages import Package, installed, normalized
from ansible_collections.grove.wsgi.plugins.module_utils.release.plan import Plan

FILE = "sbom.cdx.json"
SPEC_VERSION = "1.6"
ALGORITHMS = {"sha256": "SHA-256", "sha384": "SHA-384", "sha512": "SHA-512"}
REQUIREMENT = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^\]]*\])?\s*(?:==|@)")
HASH = re.compile(r"--hash=(\w+):([0-9a-fA-F]+)")

Document = dict[str, Any]
# Keys of RELEASE.json's inputs that the document has. The digests of configuration stay on the host: a person with the
# document could try passwords with them.
INPUTS = ("format", "lock", "python", "source")


@dataclass(frozen=True)
class Hashes:
    """The hashes of packages by name: of the record's lock, of what was resolved without one, and of own wheels."""

    locked: Mapping[str, list[dict[str, str]]]
    resolved: Mapping[str, list[dict[str, str]]]
    wheels: Mapping[str, str]


def write(release: Path, plan: Plan, wheels: Mapping[str, str]) -> None:
    """Write the document of a release whose packages are installed.

    ``wheels`` gives the SHA-256 of each wheel that came with the archive, by the name of its package.
    """
    described = json.loads((release / "RELEASE.json").read_text(encoding="utf-8"))
    locked, resolved = (hashes_of(release / name) for name in (virtualenvs.LOCK, virtualenvs.RESOLVED))
    document = describe(described, plan, installed_packages(release), Hashes(locked, resolved, wheels))
    (release / FILE).write_text(json.dumps(document, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def installed_packages(release: Path) -> list[Package]:
    """Return the packages that a release can import: those of its own virtualenv, and those of its lock's."""
    shared = installed(release / virtualenvs.DEPENDENCIES)
    packages = {package.name: package for package in [*shared, *installed(release / "venv")]}
    return [packages[name] for name in sorted(packages)]


def listed_packages(release: Path) -> dict[str, str] | None:
    """Return the versions that a release's document lists, by package; None if the release has no document."""
    try:
        components = json.loads((release / FILE).read_text(encoding="utf-8"))["components"]
        return {one["name"]: one["version"] for one in components if one.get("purl", "").startswith("pkg:pypi/")}
    except (OSError, ValueError, KeyError, TypeError):
        return None


def wheel_hashes(release: Path) -> dict[str, str]:
    """Return the SHA-256 of the wheels that came with the archive, by the names of their packages."""
    return {
        normalized(path.name.split("-")[0]): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in release.glob("*.whl")
    }


def hashes_of(lock: Path) -> dict[str, list[dict[str, str]]]:
    """Return the hashes in a lock by package, as CycloneDX writes them; nothing if the file is not there."""
    text = lock.read_text(encoding="utf-8") if lock.exists() else ""
    hashes = {}
    for line in text.replace("\\\n", " ").splitlines():
        requirement = REQUIREMENT.match(line.strip())
        if requirement:
            found = sorted((ALGORITHMS[kind], value) for kind, value in HASH.findall(line) if kind in ALGORITHMS)
            hashes[normalized(requirement[1])] = [{"alg": kind, "content": value.lower()} for kind, value in found]
    return hashes


def describe(described: Mapping[str, Any], plan: Plan, packages: list[Package], hashes: Hashes) -> Document:
    """Return the document. ``described`` is the content of RELEASE.json."""
    inputs = described.get("inputs", {})
    components = [_package(package, hashes) for package in packages]
    extras = [key for key in sorted(inputs) if key.startswith("extras ")]
    components += [_extra(key.split(" ", 1)[1], str(inputs[key])) for key in extras]
    document: Document = {
        "bomFormat": "CycloneDX",
        "specVersion": SPEC_VERSION,
        "version": 1,
        "metadata": {
            "tools": {"components": [{"type": "application", "name": "Grove"}]},
            "component": {
                "bom-ref": "release",
                "type": "application",
                "name": str(described.get("app", plan.account)),
                "version": plan.release,
                "properties": [
                    *_properties({"source": without_account(str(described.get("made_from", plan.requirement)))}),
                    *_properties({"source kind": plan.source_kind}),
                    *_properties(
                        {f"input {key}": without_account(str(inputs[key])) for key in INPUTS if key in inputs}
                    ),
                ],
            },
        },
        "components": components,
        # What each package requires is a matter of the lock; the document says only what the release is made of.
        "dependencies": [{"ref": "release", "dependsOn": [one["bom-ref"] for one in components]}],
    }
    content = json.dumps(document, sort_keys=True)
    return {**document, "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_OID, content)}"}


def _package(package: Package, hashes: Hashes) -> Document:
    is_local = package.url.startswith("file:")
    wheel = hashes.wheels.get(package.name) if is_local else None
    own = [{"alg": "SHA-256", "content": wheel}] if wheel else []
    allowed = [] if is_local else hashes.locked.get(package.name) or hashes.resolved.get(package.name) or []
    # A lock has a hash for each file that the index offers. Only a single one is surely that of the installed file.
    known = own or (allowed if len(allowed) == 1 else [])
    is_locked = is_local or package.name in hashes.locked
    purl = f"pkg:pypi/{quote(package.name)}@{quote(package.version)}{_qualifiers(package)}"
    component: Document = {
        "bom-ref": purl,
        "type": "library",
        "name": package.name,
        "version": package.version,
        "purl": purl,
        "properties": _properties({"locked": "true" if is_locked else "false"}),
    }
    if known:
        component["hashes"] = known
    if not is_local:
        files = {"comment": "one of the files with these hashes", "hashes": allowed} if allowed else {}
        component["externalReferences"] = [{"type": "distribution", "url": package.url or purl, **files}]
    if package.expression:
        component["licenses"] = [{"expression": package.expression}]
    elif package.licences:
        component["licenses"] = [{"license": {"name": licence}} for licence in package.licences]
    return component


def _qualifiers(package: Package) -> str:
    if package.commit:
        return f"?vcs_url={quote(f'git+{package.url}@{package.commit}', safe='')}"
    if package.url and not package.url.startswith("file:"):
        return f"?download_url={quote(package.url, safe='')}"
    return ""


def _extra(name: str, digest: str) -> Document:
    """Return the component of a package of the controller; its version is the digest of its files."""
    return {
        "bom-ref": f"extras/{name}",
        "type": "library",
        "name": name,
        "version": digest,
        "properties": _properties({"locked": "true"}),
    }


def _properties(values: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"name": f"grove:{name}", "value": value} for name, value in values.items()]
