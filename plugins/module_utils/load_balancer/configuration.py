"""HAProxy's configuration: checked by HAProxy, put in place, and read by a process that takes over the sockets.

Beside the configuration there are the plan that it was made from, for ``members.py``, and certificates with their keys.
A file with a certificate has the hash of its content in its name. So a renewed certificate makes another configuration,
which HAProxy reads as any other, and the former configuration keeps its certificates until HAProxy runs without them.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.grove.wsgi.plugins.module_utils.host import processes
from ansible_collections.grove.wsgi.plugins.module_utils.host.files import replace_text
from ansible_collections.grove.wsgi.plugins.module_utils.host.info import key_pair
from ansible_collections.grove.wsgi.plugins.module_utils.host.outdated import of_distribution
from ansible_collections.grove.wsgi.plugins.module_utils.load_balancer import limits
from ansible_collections.grove.wsgi.plugins.module_utils.load_balancer.process import (
    APPS,
    FOLDER,
    ConfigurationError,
    Process,
)

PLAN = FOLDER / "grove-plan.json"
CERTIFICATES = FOLDER / "grove-tls"
MODE, SECRET_MODE, SECRET_FOLDER_MODE = 0o640, 0o600, 0o700
DIGEST = "@digest@"
"""Stands in the text of a configuration for the hash of the text, which the running HAProxy then says of itself."""
EVERY = "*"


@dataclass(frozen=True)
class File:
    """A file beside the configuration. ``@NAME@`` stands for its path, in the configuration and in later files.

    text: its content. Without a text, certificate and key are paths on this host whose contents it gets; ``record``
    names the record that they belong to.
    """

    name: str
    text: str | None = field(default=None, repr=False)
    certificate: str = ""
    key: str = ""
    record: str = ""

    def content(self) -> str:
        """Return the content. Raises ConfigurationError where the certificate or the key cannot be used."""
        if self.text is not None:
            return self.text
        if fault := self.fault():
            raise ConfigurationError(f"HAProxy cannot use a given certificate, and nothing was changed:\n{fault}")
        texts = [Path(path).read_text(errors="surrogateescape").strip() for path in (self.certificate, self.key)]
        return "\n".join([*texts, ""])

    def fault(self) -> str:
        """Return why the given certificate and key cannot be used; empty where they can, or where none are given."""
        if self.text is not None:
            return ""
        for key, path in (("tls_certificate", self.certificate), ("tls_key", self.key)):
            if not Path(path).is_file():
                return (
                    f"record {self.record}, key {key}: found {path}, which is not on the load balancer; clients get the"
                    " certificate from there, so the file has to be there"
                )
        if reason := key_pair([self.certificate, self.key]):
            return (
                f"record {self.record}, key tls_key: found {self.key}, which cannot be used with {self.certificate} on"
                f" the load balancer ({reason}); it has to be the certificate's own key, without a passphrase"
            )
        return ""


def held_ports(places: Collection[tuple[str, int]]) -> list[str]:
    """Return a sentence for each address and port that HAProxy is to listen on and that another program holds."""
    found = {}
    for one in processes.listeners():
        for address, port in places:
            if (
                one.port == port
                and one.program != "haproxy"
                and (EVERY in (address, one.address) or address == one.address)
            ):
                found[one.address, port] = (
                    f"port {port}: {one.program} (process {one.pid}) listens on {one.address}:{port}"
                )
    return list(found.values())


def distrusted(authority: str) -> str:
    """Return a sentence if HAProxy verifies API hosts, and does not trust the ``authority``.

    authority: its certificate in PEM; empty where the controller has none, so that the run would make a new authority.
    """
    named = re.search(r"(?m)^\s+server .* ca-file (\S+)", read(APPS.configuration) or "")
    trusted = read(Path(named[1])) if named else None
    if trusted is None or (authority.strip() and authority.strip() in trusted):
        return ""
    found = "another certificate than" if authority.strip() else "no file, and not"
    return (
        f"ca.crt of the private authority, in the folder wsgi_app_tls_ca_dir of the controller: found {found} the one"
        " that HAProxy trusts, which would send no request to API hosts with certificates of another authority; restore"
        " ca.crt and ca.key from the backup, or replace the authority in two runs (docs/scaling.md)"
    )


def placed(files: Iterable[File]) -> tuple[dict[str, Path], dict[Path, str]]:
    """Return the path of each file by its name, and the texts by path. Raises as ``File.content`` does."""
    paths: dict[str, Path] = {}
    texts: dict[Path, str] = {}
    for file in files:
        text = _with_paths(file.content(), paths)
        digest = hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()[: limits.DIGEST_LENGTH]
        stem, _, suffix = file.name.rpartition(".")
        paths[file.name] = CERTIFICATES / f"{stem}-{digest}.{suffix}"
        texts[paths[file.name]] = text
    return paths, texts


def _with_paths(text: str, paths: Mapping[str, Path]) -> str:
    for name, path in paths.items():
        text = text.replace(f"@{name}@", str(path))
    return text


def complete(content: str) -> tuple[str, str]:
    """Return a configuration with its hash in the place of DIGEST, and the hash."""
    digest = hashlib.sha256(content.encode()).hexdigest()[: limits.DIGEST_LENGTH]
    return content.replace(DIGEST, digest), digest


def put(content: str, plan: Mapping[str, Any], files: Sequence[File] = (), *, dry: bool) -> dict[str, Any]:
    """Let HAProxy run with a configuration and its files, and keep the plan beside it; return what changed.

    Servers that were taken out of the traffic stay out. Raises ConfigurationError; then HAProxy runs as before.
    """
    paths, texts = placed(files)
    text, digest = complete(_with_paths(content, paths))
    plan_text = json.dumps(plan, indent=1, sort_keys=True) + "\n"
    former, former_plan = read(APPS.configuration), read(PLAN)
    missing = {path: content for path, content in texts.items() if read(path) != content}
    written = bool(missing) or (text, plan_text) != (former, former_plan)
    loaded = APPS.runs_with(digest)
    result = {
        "changed": written or not loaded,
        "action": "none" if loaded else "load",
        "diff": {"before": former or "", "after": text, "before_header": str(APPS.configuration)},
    }
    if dry or not result["changed"]:
        return result
    if missing:
        CERTIFICATES.mkdir(mode=SECRET_FOLDER_MODE, exist_ok=True)
        CERTIFICATES.chmod(SECRET_FOLDER_MODE)
    for path, content_of_file in missing.items():
        replace_text(path, content_of_file, SECRET_MODE)
    APPS.check(text)
    replace_text(APPS.configuration, text, MODE)
    if not loaded:
        try:
            APPS.load(digest)
        except ConfigurationError:
            if former is not None:
                replace_text(APPS.configuration, former, MODE)
            raise
    # Last, since a plan says what HAProxy does.
    replace_text(PLAN, plan_text, MODE)
    _remove_others(texts)
    return result


def _remove_others(kept: Collection[Path]) -> None:
    """Remove the files of configurations that HAProxy no longer runs with."""
    with contextlib.suppress(FileNotFoundError):
        for path in sorted(CERTIFICATES.iterdir()):
            if path not in kept:
                path.unlink()


def read(path: Path) -> str | None:
    """Return the text of a file; None where there is none."""
    try:
        return path.read_text(errors="surrogateescape")
    except FileNotFoundError:
        return None


def run_installed(process: Process = APPS, *, dry: bool) -> dict[str, Any]:
    """Let a HAProxy run with its installed program and libraries; return what changed.

    A reload starts them. Servers that were taken out of the traffic stay out. Raises ConfigurationError if the
    installed program refuses the configuration, or does not run with it; then HAProxy runs as before.
    """
    former = process.serving()
    older = {path for pid in (former, process.first()) for path in of_distribution(processes.replaced_files(pid))}
    if older and not dry:
        process.check(
            read(process.configuration) or "",
            "the installed HAProxy refuses the configuration, and the former one runs on",
        )
        if failure := process.start_or_reload(lambda: process.serving() != former):
            raise ConfigurationError(f"HAProxy does not start with what is installed; {failure}")
    return {"changed": bool(older), "action": "load" if older else "none", "older": sorted(older)}
