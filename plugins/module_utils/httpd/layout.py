"""Where a distribution keeps Apache's files, and where among them the Listen lines stand."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.grove.wsgi.plugins.module_utils.errors import OperatorError
from ansible_collections.grove.wsgi.plugins.module_utils.httpd.listening import excludes, listen_place


class TreeError(OperatorError):
    """The tree cannot be changed as it has to be; the message says which file and why."""


@dataclass(frozen=True)
class Layout:
    """Where a distribution keeps Apache's files. The fields are those of ``httpd_layout`` in the role ``httpd``."""

    root: str
    main: str
    binary: str
    control: str
    envvars: str
    service: str
    pid_file: str
    log_dir: str
    site: str
    site_enabled: str
    conf: str
    conf_enabled: str
    module: str
    module_enabled: str
    ports: str

    @classmethod
    def of(cls, values: dict[str, Any]) -> Layout:
        """Take the fields out of a role variable that may hold more.

        Raises TreeError when one is missing.
        """
        missing = sorted(set(cls.__dataclass_fields__) - set(values))
        if missing:
            raise TreeError(f"httpd_layout lacks {', '.join(missing)}")
        return cls(**{name: str(values[name] or "") for name in cls.__dataclass_fields__})

    @property
    def program(self) -> str:
        """Apache's name in the process table."""
        return os.path.basename(self.binary)

    @property
    def listen_path(self) -> str:
        """The path of the file with Grove's Listen lines, relative to ServerRoot.

        Where the distribution has a file for them, ``ports`` names it. Where they stand in the main file, ``ports`` is
        ``!`` and the name of a snippet of Grove's own.
        """
        return self.conf.format(self.listen_conf) if self.listen_conf else self.ports

    @property
    def listen_conf(self) -> str:
        """The name of the snippet with Grove's Listen lines; empty where the distribution has a file for them."""
        return self.ports[1:] if self.ports.startswith("!") else ""

    @property
    def foreign_listen_path(self) -> str:
        """The path of the file in which the distribution, or a person, puts Listen lines."""
        return self.main if self.listen_conf else self.ports


def default_pid_file(program: str) -> Path:
    """Return where the distribution whose Apache is called ``program`` keeps the parent's process id."""
    return Path("/run", program, f"{program}.pid")


def keep_listen_lines(content: str, before: str) -> str:
    """Return the content of a file of Listen lines, and the lines that it had ``before`` and would lose.

    A line of before is left out where Apache could not bind both: an application has another address on its port now.
    """
    lines = {line for line in content.splitlines() if line.startswith("Listen ")}
    places = [place for line in lines if (place := listen_place(line))]
    for line in before.splitlines():
        former = listen_place(line)
        if line.startswith("Listen ") and former and not any(excludes(former, place) for place in places):
            lines.add(line)
    head = content.partition("Listen ")[0]
    return head + "".join(f"{line}\n" for line in sorted(lines))
