"""The secrets of a control plane: files on the controller, in a folder for each generation.

A rotation makes the accounts of the next generation beside the accounts that are used, so that no request fails while
the services change over.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import string
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from .errors import ControlPlaneError, Problem, wrong

VARIABLE = "openstack_secrets_dir"
LENGTH = 32
ALPHABET = string.ascii_letters + string.digits


@dataclass(frozen=True)
class Generations:
    """The generations of the secrets.

    Attributes:
        folder: The folder with a folder for each generation and the file ``generation``.
        current: The generation that is deployed.
        target: The generation that this run works with: ``current``, or the next one while a rotation begins.
        older: Generations before ``target`` of which there are still secrets.
    """

    folder: Path
    current: int
    target: int
    older: tuple[int, ...]

    @property
    def next(self) -> int:
        """The generation that a rotation leads to: with older ones still there, the last rotation was not completed."""
        return self.current if self.older else self.current + 1

    def path(self, generation: int) -> Path:
        """Return the folder of a generation."""
        return self.folder / str(generation)


def read_generations(folder: str, rotation_to: int) -> Generations:
    """Return the generations in a folder.

    Args:
        folder: The value of openstack_secrets_dir. It need not exist yet.
        rotation_to: The generation that a rotation makes; 0 without a rotation.

    Raises:
        ControlPlaneError: The file ``generation`` holds no number, or cannot be read.
    """
    file = Path(folder, "generation")
    try:
        text = file.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        text = "1"
    except (OSError, UnicodeDecodeError) as error:
        raise wrong(VARIABLE, folder, f"{file} cannot be read: {error}") from None
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        remedy = f"the file {file} has to hold the number of the generation that is deployed, such as 1"
        raise ControlPlaneError([Problem(VARIABLE, f"{text[:20]!r} in {file}", remedy)])
    current = int(text)
    target = rotation_to or current
    older = tuple(number for number in range(1, target) if Path(folder, str(number)).exists())
    return Generations(Path(folder), current, target, older)


def read_secrets(folder: Path, names: Iterable[str], *, predict: bool) -> dict[str, str]:
    """Return the secrets of one generation by their names.

    Args:
        folder: The folder of the generation.
        names: The names of the secrets, which are the names of their files.
        predict: Whether a secret that does not exist gets a value that stands for it, as check mode needs.

    Raises:
        ControlPlaneError: A secret does not exist, cannot be read or is not one line of text.
    """
    values = {}
    problems = []
    for name in names:
        path = folder / name
        try:
            values[name] = _parse(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            if predict:
                values[name] = hashlib.sha256(os.fsencode(path)).hexdigest()[:LENGTH]
            else:
                problems.append(Problem(VARIABLE, f"no file {path}", "run the whole site, which makes it"))
        except OSError as error:
            problems.append(Problem(VARIABLE, f"{path}: {error.strerror}", "it has to be readable"))
        except ValueError:
            remedy = "it has to hold one line, the password; put it back from a copy, or remove it to get a new one"
            problems.append(Problem(VARIABLE, f"no password in {path}", remedy))
    if problems:
        raise ControlPlaneError(problems)
    return values


def write_secrets(folder: Path, names: Iterable[str], *, dry: bool) -> list[str]:
    """Write the secrets that do not exist yet, each with a random value; return their names.

    Several processes may call this at the same time: the first one to write a secret decides its value.

    Args:
        folder: The folder of the generation; it and its parents are made, for their owner alone.
        names: The names of the secrets.
        dry: Whether nothing is written.

    Raises:
        ControlPlaneError: A file or folder cannot be written.
    """
    missing = [name for name in names if not (folder / name).exists()]
    if dry:
        return missing
    try:
        for path in (*reversed(folder.parents), folder):
            with contextlib.suppress(FileExistsError):
                path.mkdir(mode=0o700)
        if folder.stat().st_mode & 0o077:
            folder.chmod(0o700)
        return [name for name in missing if _write(folder / name)]
    except OSError as error:
        raise wrong(VARIABLE, folder.parent, f"it cannot be written: {error}") from None


def _write(path: Path) -> bool:
    value = "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))
    # Readable by its owner alone. The link fails where another process was first.
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(f"{value}\n")
        os.link(temporary, path)
    except FileExistsError:
        return False
    finally:
        os.unlink(temporary)
    return True


def _parse(content: str) -> str:
    # Ansible's lookup "password" stores a salt behind the password.
    password = content.rstrip().rpartition(" salt=")[0] or content.rstrip()
    if not password or not password.isprintable():
        raise ValueError
    return password
