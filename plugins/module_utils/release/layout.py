"""The folders ``etc`` and ``static`` of a release: what the source, the record and installed packages put there."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.grove.wsgi.plugins.module_utils.release import launching, paste_file
from ansible_collections.grove.wsgi.plugins.module_utils.release.plan import ID_MARK, BuildError, Plan
from ansible_collections.grove.wsgi.plugins.module_utils.release.virtualenvs import site_packages

IN_STATE = "{state}/"
"""The beginning of a folder that Apache serves where it is, in the state of the application."""
PASTE = "paste.json"
"""The file of a release that holds the record's key ``paste``."""


def complete_etc(release: Path) -> None:
    """Complete ``etc`` from the source."""
    etc = release / "etc"
    etc.mkdir(exist_ok=True)
    source = release / "src"
    if source.is_dir():
        # Pecan's %(confdir)s and PasteDeploy's %(here)s are etc: files beside that file in the source must be there.
        for entry in source.iterdir():
            if not (etc / entry.name).exists():
                (etc / entry.name).symlink_to(f"../src/{entry.name}")


def copy_static(release: Path, plan: Plan) -> None:
    """Copy the folders that Apache serves to ``static``. Raises BuildError."""
    source, static = release / "src", release / "static"
    static.mkdir()
    for number, folder in enumerate(plan.static.values()):
        if folder.startswith(IN_STATE):
            continue
        origin = (source if source.is_dir() else site_packages(release / "venv")) / folder
        if not origin.is_dir():
            raise BuildError(f"static: the application has no folder {folder}")
        # Each file gets a new time: the archive stores none, and browsers compare it with their copy.
        shutil.copytree(origin, static / str(number), copy_function=shutil.copyfile)


def templates(release: Path, plan: Plan) -> dict[str, str]:
    """Return the texts with placeholders by the names of their files in ``etc``.

    They are the record's files of sections, files of templates that name the release's folder, and paste files of
    installed packages with the record's overlay. Raises BuildError for an overlay that does not fit.
    """
    names = (*plan.expanded, *plan.marked)
    texts = {name: (release / "etc" / name).read_text(encoding="utf-8") for name in names}
    for target, settings in paste_settings(release).items():
        source = _installed_file(release / "venv", settings["from"], f"paste.{target}.from")
        try:
            content = paste_file.PasteFile(source.read_text(encoding="utf-8"))
            if settings["oslo_config_file"]:
                content.set_oslo_config_file(settings["oslo_config_file"])
            content.lay_over(settings["overlay"])
        except paste_file.PasteError as error:
            raise BuildError(f"key paste.{target}.overlay: {error}. Nothing that serves was changed") from error
        origin = f"Written by Grove from the installed {settings['from']} and the record's overlay."
        texts[target] = content.text(origin)
    return texts


def paste_settings(release: Path) -> dict[str, Any]:
    """Return the record's key ``paste``: by file name ``from``, ``oslo_config_file`` and ``overlay``."""
    path = release / PASTE
    settings: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return settings


def write_expanded(texts: Mapping[str, str], release: Path, final: Path, plan: Plan) -> None:
    """Write texts to ``etc``, with placeholders expanded for a release that is, or is going to be, at ``final``."""
    expand = launching.module_of(release).expand
    for name, text in texts.items():
        target = release / "etc" / name
        # A link to the source's file of that name: the source stays as it is.
        if target.is_symlink():
            target.unlink()
        if name in plan.marked:
            complete = text.replace(ID_MARK, final.name)
        else:
            complete = expand(text, {"etc": f"{final}/etc", "release": str(final), **plan.places})
        target.write_text(complete, encoding="utf-8")


def _installed_file(virtualenv: Path, path: str, key: str) -> Path:
    for folder in (virtualenv, *virtualenv.glob("lib/python3*/site-packages")):
        if (folder / path).is_file():
            return folder / path
    raise BuildError(f"key {key}: found no file {path} in the virtualenv or its site-packages")
