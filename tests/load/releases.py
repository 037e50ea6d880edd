"""Makes releases 1, 2, 3 … of the application in ``app/``: a source folder and its configuration."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from pathlib import Path

from . import wheel_backend

APP = Path(__file__).parent / "app"
CONFIGURATION = "load.toml"
FAULTS: dict[str, type] = {
    "daemon_only": bool,
    "import_error": bool,
    "import_seconds": float,
    "health_status": int,
    "hang": bool,
    "eat": bool,
}


def make(folder: Path, number: int, faults: Mapping[str, bool | int | float] | None = None) -> Path:
    """Write release ``number`` into ``folder``, over an earlier one. The same arguments make the same files.

    ``folder/source`` is the project, ``folder/load.toml`` its configuration with ``faults``, whose names and types are
    those of FAULTS. Returns ``folder``. Raises ValueError for an unknown fault or a value of another type.
    """
    lines = [f'release = "{number}"', "", "[faults]"]
    for name, value in (faults or {}).items():
        expected = FAULTS.get(name)
        if expected is None:
            raise ValueError(f"there is no fault {name} (there are {', '.join(FAULTS)})")
        if isinstance(value, bool) != (expected is bool) or not isinstance(value, int | float):
            raise ValueError(f"fault {name}: {value!r} has to be of type {expected.__name__}")
        lines.append(f"{name} = {str(value).lower()}")
    source = folder / "source"
    shutil.rmtree(source, ignore_errors=True)
    shutil.copytree(APP, source, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(wheel_backend.__file__, source)
    for path, constant in (
        ("load_app/__init__.py", "RELEASE"),
        ("late_module.py", "RELEASE"),
        ("pyproject.toml", "version"),
    ):
        _set(source / path, constant, number)
    (source / "wheels").mkdir()
    wheel_backend.write_wheel(source / "wheels", "release-marker", str(number), {})
    (folder / CONFIGURATION).write_text("\n".join(lines) + "\n")
    return folder


def _set(path: Path, constant: str, number: int) -> None:
    text, count = re.subn(rf'^{constant} = "0"$', f'{constant} = "{number}"', path.read_text(), flags=re.MULTILINE)
    if count != 1:
        raise ValueError(f"{path} sets {constant} {count} times to 0; it has to set it once")
    path.write_text(text)


def record(folder: Path, *, name: str = "load", listen: int = 8300, **more: object) -> dict[str, object]:
    """Return the record of ``wsgi_apps`` that deploys the release in ``folder``; ``more`` are further keys.

    Each process has as many threads as the load client has clients by default, so that slow requests delay no others.
    """
    return {
        "name": name,
        "source": str(folder.resolve() / "source"),
        "entry": {"module": "load_app.wsgi:application"},
        "config": {CONFIGURATION: str(folder.resolve() / CONFIGURATION)},
        "environment": {"LOAD_APP_CONFIG": f"{{etc}}/{CONFIGURATION}"},
        "listen": listen,
        "health": "/health",
        "threads": 16,
        **more,
    }
