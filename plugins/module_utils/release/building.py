"""Building a release: an immutable folder that holds all that an application needs to run.

A release is made in a hidden folder beside the others and renamed when it is complete and was tried. If a step fails,
that folder is removed and nothing is left.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import tarfile
import tempfile
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

from ansible_collections.grove.wsgi.plugins.module_utils.app.folder import COLOURS, AppFolder
from ansible_collections.grove.wsgi.plugins.module_utils.host.accounts import account_of
from ansible_collections.grove.wsgi.plugins.module_utils.host.os_errors import explain
from ansible_collections.grove.wsgi.plugins.module_utils.release import (
    layout,
    limits,
    made,
    permissions,
    sbom,
    software,
    trial,
    virtualenvs,
)
from ansible_collections.grove.wsgi.plugins.module_utils.release.plan import BuildError, Plan
from ansible_collections.grove.wsgi.plugins.module_utils.release.virtualenvs import Tools


def build(
    folder: AppFolder,
    release_id: str,
    account_name: str,
    payload: Path,
    tools: Tools,
    built_software: Path | None = None,
) -> dict[str, float]:
    """Build, try and publish a release; return the seconds that each step took.

    ``payload`` is the archive that the controller made, with the plan in it. ``built_software`` is an archive of the
    virtualenvs, which another host has built of the same inputs; without it, they are built here. The application's
    lock has to be held. Raises AccountError and BuildError, and then nothing is left behind.
    """
    seconds: dict[str, float] = {}
    account = account_of(account_name)
    if folder.release(release_id).exists():
        raise BuildError(_incomplete(folder, release_id, account_name))
    former_virtualenvs = set(folder.virtualenvs.glob("*"))
    permissions.make_folders(folder, account.pw_gid)
    _remove_leftovers(folder)
    temporary = Path(tempfile.mkdtemp(prefix=f".{release_id}.", dir=folder.releases))
    shared: Path | None = None
    published = False
    try:
        with _timed(seconds, "unpack"):
            _unpack(payload, temporary)
            plan = Plan.read(temporary)
        lock = temporary / virtualenvs.LOCK
        if lock.exists():
            shared = virtualenvs.shared_path(folder.virtualenvs, lock, plan.python)
            (temporary / virtualenvs.DEPENDENCIES).symlink_to(os.path.relpath(shared, temporary))
        wheels = sbom.wheel_hashes(temporary)
        if built_software is not None:
            with _timed(seconds, "software"):
                software.unpack(built_software, temporary, shared, account.pw_gid)
        else:
            if shared is not None:
                with _timed(seconds, "dependencies"):
                    virtualenvs.make_shared(shared, lock, plan.python, tools, account.pw_gid)
            with _timed(seconds, "application"):
                virtualenvs.install(temporary, shared, plan, tools)
        virtualenvs.forget_wheels(temporary)
        sbom.write(temporary, plan, wheels)
        layout.complete_etc(temporary)
        templates = layout.templates(temporary, plan)
        layout.write_expanded(templates, temporary, temporary, plan)
        permissions.restrict(temporary, account.pw_gid)
        for target, mode in plan.modes.items():
            (temporary / "etc" / target).chmod(int(mode, 8))
        with _timed(seconds, "build"):
            made.make(temporary, account)
        layout.copy_static(temporary, plan)
        permissions.publish(temporary / "static")
        with _timed(seconds, "trial"):
            trial.check_factories(temporary, account)
            trial.check_build(temporary, plan, account)
        layout.write_expanded(templates, temporary, folder.release(release_id), plan)
        os.replace(temporary, folder.release(release_id))
        published = True
    except (BuildError, OSError, tarfile.TarError, EOFError, zlib.error) as error:
        if _is_full(folder.path) or (isinstance(error, OSError) and error.errno == errno.ENOSPC):
            raise BuildError(f"the disk that holds {folder.path} is full; nothing was left behind") from error
        if isinstance(error, BuildError):
            raise
        if isinstance(error, OSError):
            raise BuildError(f"building the release failed: {explain(error)}") from error
        raise BuildError(f"the archive of the release cannot be read: {explain(error)}") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        if not published and shared is not None and shared not in former_virtualenvs:
            shutil.rmtree(shared, ignore_errors=True)
    return seconds


def _incomplete(folder: AppFolder, release_id: str, account_name: str) -> str:
    """Return what to do about a release that is there, and whose RELEASE.json is not."""
    path = folder.release(release_id)
    used = {folder.release_of(colour) for colour in COLOURS} | set(folder.agent_releases().values())
    fault = f"{path}/RELEASE.json is not there or cannot be read, and Grove publishes no release without that file."
    if release_id not in used:
        return f"{fault} No slot has this release: rm -r {path} removes it. Then run again"
    content = json.dumps({"id": release_id})
    return (
        f"{fault} A slot or an agent has this release. If nothing else of it is gone, run again after this command:"
        f"\necho '{content}' | install -g {account_name} -m 640 /dev/stdin {path}/RELEASE.json"
    )


def _is_full(path: Path) -> bool:
    status = os.statvfs(path)
    free_bytes = status.f_bavail * status.f_frsize
    return free_bytes < limits.FULL_DISK_BYTES or (status.f_files > 0 and status.f_favail == 0)


def _remove_leftovers(folder: AppFolder) -> None:
    """Remove what a run that was killed has left; the application's lock says that no other is at work."""
    for parent in (folder.releases, folder.virtualenvs):
        for path in parent.glob(".*"):
            shutil.rmtree(path, ignore_errors=True)


@contextlib.contextmanager
def _timed(seconds: dict[str, float], step: str) -> Iterator[None]:
    start = time.monotonic()
    yield
    seconds[step] = round(time.monotonic() - start, 3)


def _unpack(payload: Path, target: Path) -> None:
    with tarfile.open(payload) as archive:
        if hasattr(tarfile, "data_filter"):
            archive.extractall(target, filter="data")
        else:
            archive.extractall(target)  # the controller made the archive, not a stranger
