"""The Python packages of a virtualenv, read from the metadata that each of them has there."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from ansible_collections.grove.wsgi.plugins.module_utils.release.output import without_account

CLASSIFIER = "License :: "


@dataclass(frozen=True)
class Package:
    """An installed package.

    ``name`` is normalized as indexes do it. ``url`` says where the package comes from if it comes from no index, and
    ``commit`` is the commit in a repository at that URL. ``licences`` are texts of the metadata; newer packages have an
    SPDX expression, ``expression``, in their place.
    """

    name: str
    version: str
    url: str = ""
    commit: str = ""
    expression: str = ""
    licences: tuple[str, ...] = ()

    @property
    def from_index(self) -> bool:
        """Whether an index named the package."""
        return not self.url


def normalized(name: str) -> str:
    """Return a package's name as an index writes it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def installed(virtualenv: Path) -> list[Package]:
    """Return the packages of a virtualenv, sorted. A folder that is no virtualenv, or is not there, has none."""
    found = {
        package.name: package
        for folder in virtualenv.glob("lib/python3*/site-packages")
        for package in _in_folder(folder)
    }
    return [found[name] for name in sorted(found)]


def _in_folder(folder: Path) -> Iterator[Package]:
    for distribution in metadata.distributions(path=[str(folder)]):
        about = distribution.metadata
        name, version = _field(about, "Name"), _field(about, "Version")
        # A folder that another program has left has no metadata, and so no name.
        if not name or not version:
            continue
        url, commit = _origin(distribution)
        classifiers = [text for text in about.get_all("Classifier") or () if text.startswith(CLASSIFIER)]
        licence = _field(about, "License")
        yield Package(
            name=normalized(name),
            version=version,
            url=url,
            commit=commit,
            expression=_field(about, "License-Expression"),
            # Some packages have the whole text of their licence in this field.
            licences=tuple(sorted({licence} if licence and "\n" not in licence else set(classifiers))),
        )


def _field(about: metadata.PackageMetadata, name: str) -> str:
    values = about.get_all(name)
    return str(values[0]).strip() if values else ""


def _origin(distribution: metadata.Distribution) -> tuple[str, str]:
    """Return URL and commit of a package that came from no index (PEP 610)."""
    try:
        content = json.loads(distribution.read_text("direct_url.json") or "{}")
        url, commit = content.get("url", ""), content.get("vcs_info", {}).get("commit_id", "")
    except (ValueError, AttributeError):
        return "", ""
    return without_account(str(url)), str(commit)
