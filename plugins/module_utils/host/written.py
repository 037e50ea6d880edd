"""Files of root with a certain content: comparing several with those on the host, and writing those that differ."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.grove.wsgi.plugins.module_utils.errors import OperatorError
from ansible_collections.grove.wsgi.plugins.module_utils.host.files import replace_link, replace_text

FOLDER_MODE = 0o755
FOLDER = "folder"
# The arguments of modules that write files; the fragment grove.wsgi.written describes them.
ARGUMENTS: dict[str, dict[str, Any]] = {
    "folders": {"type": "list", "elements": "path", "default": []},
    "files": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "path": {"type": "path", "required": True},
            "content": {"type": "str", "required": True},
            "mode": {"type": "str", "default": "0644"},
            "validate": {"type": "list", "elements": "str", "default": []},
        },
    },
}


@dataclass(frozen=True)
class Text:
    """A file that belongs to root, with its content and permissions.

    ``validate`` is a command that checks a copy of the file, whose path takes the place of ``%s`` in a word. A host
    that does not have the program yet checks nothing.
    """

    path: Path
    content: str
    mode: int
    validate: Sequence[str] = ()


def texts_of(files: Iterable[Mapping[str, Any]]) -> list[Text]:
    """Return the files of a module's argument ``files``."""
    return [Text(Path(one["path"]), one["content"], int(one["mode"], 8), one["validate"]) for one in files]


class InvalidError(OperatorError):
    """The program that reads a file does not accept it."""


class NotALinkError(OperatorError):
    """In the place of a symbolic link there is something else."""


def write_all(
    folders: Iterable[Path], texts: Iterable[Text], links: Mapping[Path, str], *, dry: bool = False
) -> dict[str, Any]:
    """Make the folders, and write the files and symbolic links that differ; return the module's result.

    ``links`` are targets by the links' paths. A folder that exists stays as it is, and so does the owner of a link.
    Raises NotALinkError before anything is changed, InvalidError before a file or link is, and OSError.
    """
    late = {path: target for path, target in links.items() if _target(path) != target}
    missing = [folder for folder in folders if not folder.is_dir()]
    for folder in missing if not dry else ():
        folder.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
        folder.chmod(FOLDER_MODE)
    different = [(text, _content(text.path)) for text in texts if not _is_written(text)]
    for text, _ in different:
        _validate(text)
    for text, before in different if not dry else ():
        if before != text.content or text.path.is_symlink():
            replace_text(text.path, text.content, mode=text.mode)
        os.chown(text.path, 0, 0)
        text.path.chmod(text.mode)
    for path, target in late.items() if not dry else ():
        replace_link(path, target)
    diffs = [
        {"before_header": str(text.path), "after_header": str(text.path), "before": before, "after": text.content}
        for text, before in different
    ]
    names = [*map(str, missing), *(str(text.path) for text, _ in different), *map(str, late)]
    return {"changed": bool(names), "changed_files": names, "diff": diffs}


def describe(path: str) -> str:
    """Return what is known of a path without its content: it is a folder, a link to a target, or a file of an owner.

    Empty where there is nothing, or something else.
    """
    try:
        status = os.lstat(path)
        if stat.S_ISLNK(status.st_mode):
            return f"link {os.readlink(path)}"
        if stat.S_ISREG(status.st_mode):
            return _file(stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid, Path(path).read_bytes())
    except FileNotFoundError:
        return ""
    return FOLDER if stat.S_ISDIR(status.st_mode) else ""


def is_known(
    known: Mapping[str, str], folders: Iterable[Path], texts: Iterable[Text], links: Mapping[Path, str]
) -> bool:
    """Return whether ``write_all`` has nothing to do on a host of which ``known`` has the descriptions by path."""
    expected = {str(folder): FOLDER for folder in folders}
    expected |= {str(path): f"link {target}" for path, target in links.items()}
    for text in texts:
        content = text.content.encode("utf-8", errors="surrogateescape")
        expected[str(text.path)] = _file(text.mode, 0, 0, content)
    return all(known.get(path) == description for path, description in expected.items())


def _file(mode: int, owner: int, group: int, content: bytes) -> str:
    return f"file {mode:o} {owner} {group} {hashlib.sha256(content).hexdigest()}"


def _validate(text: Text) -> None:
    if not text.validate or shutil.which(text.validate[0]) is None:
        return
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", suffix=text.path.suffix) as copy:
        copy.write(text.content)
        copy.flush()
        command = [word.replace("%s", copy.name) for word in text.validate]
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    if done.returncode:
        reason = (done.stderr or done.stdout).strip().replace(copy.name, str(text.path))
        raise InvalidError(f"{text.path} is not accepted by {text.validate[0]}, and was not changed: {reason}")


def _target(path: Path) -> str | None:
    if os.path.lexists(path) and not path.is_symlink():
        raise NotALinkError(f"{path} is no symbolic link, and is not replaced by one; move it away")
    return os.readlink(path) if path.is_symlink() else None


def _is_written(text: Text) -> bool:
    try:
        status = text.path.lstat()
    except FileNotFoundError:
        return False
    expected = (stat.S_IFREG | text.mode, 0, 0)
    return (status.st_mode, status.st_uid, status.st_gid) == expected and _content(text.path) == text.content


def _content(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="surrogateescape")
    except FileNotFoundError:
        return ""
