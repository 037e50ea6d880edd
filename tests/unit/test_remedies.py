"""What Grove has for a program that fails: from the outputs of real programs to the line of a record."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ansible_collections.grove.wsgi.plugins.module_utils.release import remedies

WRITE = "Write into the record:\n    "
COMPILER = "build-essential, python3-dev"


@pytest.mark.parametrize(
    ("output", "packages"),
    [
        ("Error: pg_config executable not found.", f"libpq-dev, {COMPILER}"),
        (
            "Exception: Can not find valid pkg-config name.\nSpecify MYSQLCLIENT_CFLAGS and MYSQLCLIENT_LDFLAGS",
            f"default-libmysqlclient-dev, pkg-config, {COMPILER}",
        ),
        ("Modules/a.c:16:10: fatal error: sasl/sasl.h: No such file", f"libldap-dev, libsasl2-dev, {COMPILER}"),
        ("src/a.c:1:10: fatal error: Python.h: No such file or directory", COMPILER),
        ("error: command 'x86_64-linux-gnu-gcc' failed: No such file or directory", COMPILER),
        ("  cause: Git executable not found. Ensure that Git is installed", "git"),
    ],
)
def test_packages_that_a_build_lacks(output: str, packages: str) -> None:
    assert remedies.of_build(output).endswith(f"{WRITE}system_packages: [{packages}]")


def test_a_header_of_an_unknown_package() -> None:
    assert "apt-file search thing.h" in remedies.of_build("a.c:1:1: fatal error: thing.h: No such file or directory")
    assert remedies.of_build("Because there is no version of idna==999") == ""


@pytest.mark.parametrize(
    ("output", "variable"),
    [
        (
            "LookupError: setuptools-scm was unable to detect version for /r/src.\nAlternatively, set the version in"
            " the environment with SETUPTOOLS_SCM_PRETEND_VERSION_FOR_MY_SHOP or"
            " VCS_VERSIONING_PRETEND_VERSION_FOR_MY_SHOP",
            "SETUPTOOLS_SCM_PRETEND_VERSION_FOR_MY_SHOP",
        ),
        (
            "with SETUPTOOLS_SCM_PRETEND_VERSION or VCS_VERSIONING_PRETEND_VERSION, as described in\nNo distribution"
            " name is known here, so the per-distribution SETUPTOOLS_SCM_PRETEND_VERSION_FOR_<DIST> form cannot match",
            "SETUPTOOLS_SCM_PRETEND_VERSION",
        ),
        ("LookupError: setuptools-scm was unable to detect version for '/r/src'.", "SETUPTOOLS_SCM_PRETEND_VERSION"),
        ("Exception: Versioning for this project requires either an sdist tarball, or access", "PBR_VERSION"),
        ("ConfigError: Cannot find the version from SCM or SCM isn't detected.", "PDM_BUILD_SCM_VERSION"),
        (
            "RuntimeError: Error getting the version from source `uv-dynamic-versioning`: Unable to detect version"
            " control system. Checked: Git.",
            "UV_DYNAMIC_VERSIONING_BYPASS",
        ),
    ],
)
def test_a_project_that_asks_its_version_control(output: str, variable: str) -> None:
    assert remedies.of_build(output).endswith(f'beside wsgi_apps:\n    uv_environment: {{{variable}: "1.0"}}')


@pytest.mark.parametrize(
    "output",
    [
        "FileNotFoundError: [Errno 2] No such file or directory: '/r/lib/python3.11/site-packages/shop/pages/a.html'",
        # As the trial's message has it.
        "FileNotFoundError: [Errno 2] No such file: 'releases/1/venv/lib/python3.11/site-packages/shop/pages/a.html'",
        "jinja2.exceptions.TemplateNotFound: a.html",
        "django.template.exceptions.TemplateDoesNotExist: pages/a.html",
        "mako.exceptions.TopLevelLookupException: Cant locate template for uri '/a.html'",
        "ValueError: Missing template asset: pages/a.html (/r/venv/lib/python3.11/site-packages/shop/pages/a.html)",
    ],
)
def test_a_file_that_the_package_lacks(tmp_path: Path, output: str) -> None:
    pages = tmp_path / "src" / "src" / "shop" / "pages"
    pages.mkdir(parents=True)
    (pages / "a.html").touch()
    assert remedies.of_release(tmp_path, output) == ""
    (tmp_path / "src" / "pyproject.toml").touch()
    expected = "\nThe source has src/shop/pages/a.html, but the package that pyproject.toml builds lacks it: "
    assert remedies.of_release(tmp_path, output).startswith(expected)
    # With the file in the package, something else is wrong.
    installed = tmp_path / "venv" / "lib" / "python3.11" / "site-packages" / "shop" / "pages"
    installed.mkdir(parents=True)
    (installed / "a.html").touch()
    assert remedies.of_release(tmp_path, output) == ""


@pytest.mark.parametrize(
    ("output", "package"),
    [
        ("ImportError: libGL.so.1: cannot open shared object file: No such file or directory", "libgl1"),
        ("OSError: libpq.so.5: cannot open shared object file: No such file or directory", "libpq5"),
        ("ImportError: libxslt.so.1: cannot open shared object file: No such file", "libxslt1.1"),
        ("ImportError: libldap-2.5.so.0: cannot open shared object file: No such file", "libldap-2.5-0"),
        ("OSError: cannot load library 'libgobject-2.0-0': libgobject-2.0-0: cannot open", "libglib2.0-0"),
        ("OSError: cannot load library 'libpango-1.0-0': libpango-1.0-0: cannot open shared", "libpango-1.0-0"),
        ("ImportError: failed to find libmagic.  Check your installation", "libmagic1"),
    ],
)
def test_libraries_that_a_host_lacks(tmp_path: Path, output: str, package: str) -> None:
    assert remedies.of_release(tmp_path, output).endswith(f"{WRITE}system_packages: [{package}]")


FRAME = """  File "releases/1/src/shop.py", line 2, in <module>
    SECRET = os.environ["SECRET_KEY"]
  File "<frozen os>", line 679, in __getitem__
"""


@pytest.mark.parametrize(
    ("output", "remedy"),
    [
        (f"{FRAME}KeyError: 'SECRET_KEY'", f"{WRITE}environment: {{SECRET_KEY: …}}"),
        ("KeyError: 'SECRET_KEY'", ""),
        ("ImproperlyConfigured: Set the SECRET_KEY environment variable", f"{WRITE}environment: {{SECRET_KEY: …}}"),
        ("decouple.UndefinedValueError: KEY not found. Declare it", f"{WRITE}environment: {{KEY: …}}"),
        (
            "You must either define the environment variable DJANGO_SETTINGS_MODULE or",
            f"{WRITE}environment: {{DJANGO_SETTINGS_MODULE: …}}",
        ),
        ("/ answered 302 Found with a redirect to http://a.test:8080/login?n=/\n", "health: /login?n=/\n"),
        ("/ answered 301 Moved with a redirect to https://a.test/\n", "name the proxy in httpd_trusted_proxies"),
        ("/up answered 404 Not Found\nno", "health: {path: /up, status: 404}"),
        ("/ answered 400 Bad Request\n", "the key server_name"),
        ("/ answered 503 Busy\n", ""),
        ("PermissionError: [Errno 13] Permission denied: 'shop.log'", "It may write to its state folder, {state}"),
        ("PermissionError: [Errno 13] Permission denied: '/srv/wsgi/a/releases/1/x'", "cannot write to its release"),
        ("PermissionError: [Errno 13] Permission denied: '/etc/shadow'", ""),
        ("sqlite3.OperationalError: unable to open database file", "cannot write to its release"),
        ("FileNotFoundError: [Errno 2] No such file or directory: 'a/b.ini'", "a/b.ini is in the source, which is not"),
        ("FileNotFoundError: [Errno 2] No such file or directory: 'other.ini'", ""),
        ("ValueError: no", ""),
    ],
)
def test_what_a_record_can_say(tmp_path: Path, output: str, remedy: str) -> None:
    (tmp_path / "src" / "a").mkdir(parents=True)
    (tmp_path / "src" / "a" / "b.ini").touch()
    shown = remedies.of_release(tmp_path, output)
    assert remedy in shown if remedy else shown == ""


@pytest.mark.parametrize(
    ("file", "remedy"),
    [
        ("Pipfile", "which pipenv lock writes and Grove reads"),
        ("requirements/production.txt", "with the line -r requirements/production.txt"),
        ("requirements.in", "with the line -r requirements.in"),
        ("environment.yml", "name its packages in requirements.txt"),
        ("requirements.txt", ""),
    ],
)
def test_files_that_name_packages_and_are_not_read(tmp_path: Path, file: str, remedy: str) -> None:
    path = tmp_path / "src" / file
    path.parent.mkdir(parents=True)
    path.touch()
    (tmp_path / "plan.json").write_text(json.dumps({"record": {"name": "shop"}}))
    shown = remedies.of_release(tmp_path, "ModuleNotFoundError: No module named 'yaml'")
    assert "requirements: [PyYAML]" in shown
    assert ("The source has" in shown, remedy in shown) == (bool(remedy), True)
