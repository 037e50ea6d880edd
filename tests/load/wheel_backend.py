"""The project's build backend. It writes the wheel itself, so that a build needs no package index."""

from __future__ import annotations

import tomllib
import zipfile
from collections.abc import Mapping
from pathlib import Path

HERE = Path(__file__).resolve().parent
MODULES = ("load_app/__init__.py", "load_app/wsgi.py", "late_module.py")
WHEELS = HERE / "wheels"


def write_wheel(folder: Path, name: str, version: str, files: Mapping[str, str], requires: tuple[str, ...] = ()) -> str:
    """Write a pure-Python wheel into ``folder`` and return its file name; equal inputs give equal bytes."""
    stem = f"{name.replace('-', '_')}-{version}"
    required = "".join(f"Requires-Dist: {requirement}\n" for requirement in requires)
    metadata = {
        "METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{required}",
        "WHEEL": "Wheel-Version: 1.0\nGenerator: load-app\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    content = {**files, **{f"{stem}.dist-info/{key}": text for key, text in metadata.items()}}
    record = f"{stem}.dist-info/RECORD"
    content[record] = "".join(f"{path},,\n" for path in [*content, record])
    wheel = f"{stem}-py3-none-any.whl"
    with zipfile.ZipFile(folder / wheel, "w") as archive:
        for path, text in content.items():
            archive.writestr(zipfile.ZipInfo(path, date_time=(2020, 1, 1, 0, 0, 0)), text)
    return wheel


def build_wheel(wheel_directory: str, config_settings: object = None, metadata_directory: str | None = None) -> str:
    """Build the application's wheel (PEP 517); it requires the wheels in the folder ``wheels`` beside this file."""
    project = tomllib.loads((HERE / "pyproject.toml").read_text())["project"]
    files = {module: (HERE / module).read_text() for module in MODULES}
    requires = tuple(f"{path.name.split('-')[0]} @ {path.as_uri()}" for path in sorted(WHEELS.glob("*.whl")))
    return write_wheel(Path(wheel_directory), project["name"], project["version"], files, requires)
