"""What to write into a record for a module that a release cannot import."""

from __future__ import annotations

import difflib
import json
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ansible_collections.grove.wsgi.plugins.module_utils.release.plan import FILE

NO_MODULE = re.compile(r"No module named '?([\w.]+)'?(?!.*is not a package)")
NO_PACKAGE = re.compile(
    r"(?:PackageNotFoundError: No package metadata was found for|DistributionNotFound: The ')\s*'?([\w.-]+)"
)
# Packages whose name is not that of their module.
DISTRIBUTIONS = {
    "Crypto": "pycryptodome",
    "Levenshtein": "levenshtein",
    "MySQLdb": "mysqlclient",
    "OpenSSL": "pyOpenSSL",
    "PIL": "pillow",
    "allauth": "django-allauth",
    "asynchat": "pyasynchat",
    "asyncore": "pyasyncore",
    "attr": "attrs",
    "audioop": "audioop-lts",
    "bs4": "beautifulsoup4",
    "cgi": "legacy-cgi",
    "compressor": "django-compressor",
    "corsheaders": "django-cors-headers",
    "crispy_forms": "django-crispy-forms",
    "cv2": "opencv-python-headless",
    "dateutil": "python-dateutil",
    "debug_toolbar": "django-debug-toolbar",
    "distutils": "setuptools",
    "dns": "dnspython",
    "docx": "python-docx",
    "dotenv": "python-dotenv",
    "environ": "django-environ",
    "fitz": "PyMuPDF",
    "git": "GitPython",
    "google.protobuf": "protobuf",
    "imghdr": "standard-imghdr",
    "jose": "python-jose",
    "jwt": "PyJWT",
    "ldap": "python-ldap",
    "magic": "python-magic",
    "memcache": "python-memcached",
    "mptt": "django-mptt",
    "mysql.connector": "mysql-connector-python",
    "nacl": "PyNaCl",
    "paste.deploy": "PasteDeploy",
    # Later ones have no such module.
    "pkg_resources": "setuptools<81",
    "psycopg": "psycopg[binary]",
    "psycopg2": "psycopg2-binary",
    "pptx": "python-pptx",
    "rest_framework": "djangorestframework",
    "serial": "pyserial",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "slugify": "python-slugify",
    "social_django": "social-auth-app-django",
    "socks": "PySocks",
    "storages": "django-storages",
    "systemd": "systemd-python",
    "taggit": "django-taggit",
    "telnetlib": "standard-telnetlib",
    "yaml": "PyYAML",
    "zmq": "pyzmq",
}
# Modules of several packages that share a folder, by the separator in the package's name.
SHARED_FOLDERS = {"azure": "-", "google": "-", "jaraco": ".", "repoze": ".", "ruamel": ".", "zope": "."}
# Folders of a source in which packages usually lie.
TOPS = ("", "src", "lib")
# Files that name packages, and that Grove does not read.
UNREAD = (
    *(
        "requirements/prod*.txt",
        "requirements/base.txt",
        "requirements/*.txt",
        "requirements*.txt",
        "*requirements.txt",
    ),
    *("requirements.in", "environment.yml", "environment.yaml", "conda.yaml", "setup.cfg"),
)
MOST_FILES = 20_000
"""Files of a source among which a module is looked for; the largest applications have fewer."""


def hint(release: Path, output: str) -> str:
    """Return how to add what an output says is missing, as further lines of a message; empty where nothing is."""
    modules, packages = NO_MODULE.findall(output), NO_PACKAGE.findall(output)
    if not modules and not packages:
        return ""
    record = _written(release)
    unread = _unread(release / "src", record)
    if not modules:
        return f"{unread}\nThe virtualenv has no package {packages[-1]}.{_addition(packages[-1], record)}"
    module = modules[-1].strip(".")
    own = _own_module(release, module, record)
    return f"\n{own}" if own else f"{unread}\n{_foreign_module(release, module, record)}"


def distribution(module: str) -> tuple[str, bool]:
    """Return the package that brings a module, and whether that is known; else a package with the module's name."""
    names = module.split(".")
    for count in range(len(names), 0, -1):
        if known := DISTRIBUTIONS.get(".".join(names[:count])):
            return known, True
    if names[0].startswith("oslo_"):
        return names[0].replace("_", ".", 1), True
    if names[0] in SHARED_FOLDERS and len(names) > 1:
        return SHARED_FOLDERS[names[0]].join(names[: 3 if names[:2] == ["google", "cloud"] else 2]), False
    return names[0].replace("_", "-"), False


def _written(release: Path) -> Mapping[str, Any]:
    """Return what the record says of its packages; empty for a release of an older Grove."""
    try:
        plan = json.loads((release / FILE).read_text(encoding="utf-8"))
        content = plan.get("record")
    except (OSError, ValueError, AttributeError):
        return {}
    return {**content, "builds": plan.get("builds", True)} if isinstance(content, Mapping) else {}


def _unread(source: Path, record: Mapping[str, Any]) -> str:
    """Return which file of the source names packages and is not read, where no other file does; empty without one."""
    if record.get("lock") or record.get("source_lock") or (source / "requirements.txt").is_file():
        return ""
    if (source / "Pipfile").is_file():
        return "\nThe source has a Pipfile and no Pipfile.lock, which pipenv lock writes and Grove reads."
    paths = sorted(path for pattern in UNREAD for path in source.glob(pattern) if path.is_file())
    if not paths:
        return ""
    name = paths[0].relative_to(source).as_posix()
    if not name.endswith((".txt", ".in")):
        return f"\nThe source has {name}, which Grove does not read: name its packages in requirements.txt."
    remedy = f"put a file requirements.txt into the source, with the line -r {name}"
    return f"\nThe source has {name}, which Grove does not read: {remedy}."


def not_packaged(release: Path, path: str) -> str:
    """Return what is the matter with a file that the source has and the package built of it lacks; else empty.

    ``path`` is what the file's own path in the source ends with.
    """
    source, installed = release / "src", list(release.glob("venv/lib/python3*/site-packages"))
    project = _project(source, _written(release))
    name = next((name for name in _files(source) if f"/{name}".endswith(f"/{path}")), "")
    if not project or not name or any(f"/{one}".endswith(f"/{path}") for top in installed for one in _files(top)):
        return ""
    return (
        f"The source has {name}, but the package that {project} builds lacks it: let the build include it (with"
        " setuptools: package-data in pyproject.toml, or MANIFEST.in and include-package-data)"
    )


def _project(source: Path, record: Mapping[str, Any]) -> str:
    """Return the file that says how the package of the source is built; empty where none is built."""
    names = ("pyproject.toml", "setup.py") if record.get("builds", True) else ()
    return next((name for name in names if (source / name).is_file()), "")


def _own_module(release: Path, module: str, record: Mapping[str, Any]) -> str:
    """Return what is the matter with a module of the application's own source; empty where it has no such module."""
    path = module.replace(".", "/")
    for name, why in (record.get("left_out") or {}).items():
        if any(re.fullmatch(rf"({top}/)?{re.escape(path)}(\.py)?", name) for top in TOPS):
            if why:
                return (
                    f"The source has {name}, which the key exclude leaves out ({why!r}): give the record a list exclude"
                    " without that pattern"
                )
            return (
                f"The source has {name}, a link that leads out of the source, which is left out: put what it leads to"
                " into the source, or name that folder in the key extras"
            )
    source = release / "src"
    entry = str(record.get("entry") or "")
    is_entry = bool(entry) and (entry == module or entry.startswith(f"{module}."))
    place = _in_source(source, path, anywhere=is_entry or "." in module)
    project = _project(source, record)
    if place and project:
        return (
            f"The source has {place}, but the package that {project} builds lacks it: let the build include it (with"
            " setuptools: packages, or packages.find, in pyproject.toml)"
        )
    if place:
        return f"The source has {place}, which is not at its top: name the folder of {Path(place).name} as the source"
    if is_entry:
        close = difflib.get_close_matches(module, sorted(_top_names(source)), 1)
        package, is_known = distribution(module)
        other = "." if is_known else ". Correct the entry; only if another package brings the module:"
        remedy = f"; did you mean {close[0]}?" if close else f"{other}{_addition(package, record)}"
        return f"The key entry names the module {module}, which neither the source nor the virtualenv has{remedy}"
    return ""


def _foreign_module(release: Path, module: str, record: Mapping[str, Any]) -> str:
    package, is_known = distribution(module)
    top = module.partition(".")[0]
    if not is_known and top != module and top not in SHARED_FOLDERS and _is_installed(release, top):
        return (
            f"The virtualenv has {top}, but no module {module}: its package may have that module in another version, or"
            f" another package may bring it.{_addition(package, record)}"
        )
    doubt = "" if is_known else " If its package has another name than the module, write that name."
    return f"The virtualenv has no module {module}.{doubt}{_addition(package, record)}"


def _addition(package: str, record: Mapping[str, Any]) -> str:
    """Return how a package is added, for the way in which the record names its packages."""
    requirements = [*(record.get("requirements") or []), package]
    line = f"requirements: [{', '.join(map(_yaml, requirements))}]"
    if record.get("lock"):
        return f" Write into the record, and then run ./grove lock -e app={record.get('name')}:\n    {line}"
    if file := record.get("source_lock"):
        return (
            f" Add {package} to the source's dependencies and make {file} anew, or write into the record:\n    {line}"
        )
    return f" Write into the record:\n    {line}"


def _yaml(text: str) -> str:
    return text if re.fullmatch(r"[A-Za-z][\w.=<>~-]*", text) else json.dumps(text)


def _in_source(source: Path, path: str, *, anywhere: bool) -> str:
    """Return the file or the folder of a module in the source; empty where there is none."""
    wanted = (f"{path}.py", f"{path}/__init__.py")
    found = []
    for name in _files(source):
        if end := next((one for one in wanted if name == one or name.endswith(f"/{one}")), None):
            above = name.removesuffix(end).strip("/")
            if anywhere or above in TOPS:
                found.append(name.removesuffix("/__init__.py"))
    return min(found, key=lambda name: (name.count("/"), name), default="")


def _files(source: Path) -> Iterator[str]:
    count = 0
    for folder, folders, files in os.walk(source):
        folders.sort()
        for name in files:
            count += 1
            if count > MOST_FILES:
                return
            yield Path(folder, name).relative_to(source).as_posix()


def _top_names(source: Path) -> Iterator[str]:
    for top in TOPS:
        folder = source / top
        for path in folder.iterdir() if folder.is_dir() else ():
            if path.suffix == ".py" or (path / "__init__.py").is_file():
                yield path.stem


def _is_installed(release: Path, name: str) -> bool:
    folders = [
        *release.glob("venv/lib/python3*/site-packages"),
        *release.glob("dependencies/lib/python3*/site-packages"),
    ]
    return any((folder / name).is_dir() or (folder / f"{name}.py").is_file() for folder in folders)
