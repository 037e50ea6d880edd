"""What the controller wants built: the file ``plan.json`` at the top of a release's archive."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.grove.wsgi.plugins.module_utils.errors import OperatorError
from ansible_collections.grove.wsgi.plugins.module_utils.host.os_errors import explain

FILE = "plan.json"
ID_MARK = "grove_release_5d1c2e8f7a90"
"""Stands for the name of a release's folder in configuration files that were made from templates: the folder's name is
a hash of them. No filter for texts, such as to_json or quote, changes it."""


class BuildError(OperatorError):
    """The release cannot be built; the message says which step failed and why."""


@dataclass(frozen=True)
class Plan:
    """How a release is built.

    ``requirement`` is the text of the source. ``requirements`` are installed beside it, where no lock lists everything,
    within ``constraints``. ``builds`` is false for a folder whose pyproject.toml describes no package.
    ``static`` gives a folder of the application by its URL path. ``script_name`` is the URL path below which the
    application is mounted, and ``health`` the path below that which is tried, for ``start_timeout`` seconds;
    ``request`` is the request itself, as ``plugin_utils/trial_request.py`` makes it. In the files of ``etc`` that
    ``expanded`` names, ``{etc}``, ``{release}`` and the names in ``places`` stand for folders. Those that ``marked``
    names hold ``ID_MARK`` in the place of the name of the release's folder.
    ``modes`` has the permissions of the files of ``etc`` that were copied, in octal digits.
    ``record`` has what the record says of its packages, for messages: ``name``, ``entry`` (its module),
    ``requirements``, ``lock`` (the name of its file), ``source_lock`` (the lock in the source) and ``left_out``, the
    paths that the release did not get, each with the pattern of ``exclude`` or, for a link, an empty text.
    """

    release: str
    account: str
    python: str
    source_kind: str
    requirement: str = ""
    requirements: tuple[str, ...] = ()
    constraints: tuple[str, ...] = ()
    static: Mapping[str, str] = field(default_factory=dict)
    script_name: str = "/"
    health: str = "/"
    start_timeout: int = 60
    request: Mapping[str, Any] = field(default_factory=dict)
    migrates: bool = False
    expanded: tuple[str, ...] = ()
    marked: tuple[str, ...] = ()
    places: Mapping[str, str] = field(default_factory=dict)
    modes: Mapping[str, str] = field(default_factory=dict)
    record: Mapping[str, Any] = field(default_factory=dict)
    builds: bool = True

    @classmethod
    def read(cls, folder: Path) -> Plan:
        """Read the plan of the release that was unpacked into ``folder``. Raises BuildError when it cannot be used."""
        try:
            content = json.loads((folder / FILE).read_text(encoding="utf-8"))
            lists = {key: tuple(content.get(key, ())) for key in ("expanded", "marked", "requirements", "constraints")}
            return cls(**{**content, **lists})
        except (OSError, ValueError, TypeError) as error:
            raise BuildError(f"the archive's {FILE} cannot be used: {explain(error)}") from error
