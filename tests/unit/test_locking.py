"""What a lock is made from, and for; and how two locks differ."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.grove.wsgi.plugins.action.lock import summary, wanted_of
from ansible_collections.grove.wsgi.plugins.plugin_utils import lock_text, locking
from ansible_collections.grove.wsgi.plugins.plugin_utils.locking import LockError, Target, Wanted
from ansible_collections.grove.wsgi.plugins.plugin_utils.records.checking import check_records
from record_settings import SETTINGS, SPEC

LOCK = """\
# Written by somebody
Flask[async]==3.1.3 \\
    --hash=sha256:aa \\
    --hash=sha256:bb
    # via -r wanted.txt
colorama==0.4.6 ; sys_platform == 'win32' --hash=sha256:cc
shop @ https://example.org/shop.whl#sha256=dd \\
    --hash=sha256:dd
plain==1
"""


def test_a_lock_is_read() -> None:
    packages = lock_text.packages(LOCK)
    assert [(one.name, one.version, one.is_hashed) for one in packages] == [
        ("flask", "3.1.3", True),
        ("colorama", "0.4.6", True),
        ("shop", "https://example.org/shop.whl#sha256=dd", True),
        ("plain", "1", False),
    ]
    assert lock_text.packages("") == []


def test_differences_of_locks() -> None:
    assert lock_text.differences(LOCK, LOCK.replace("# Written by somebody\n", "")) == []
    changed = LOCK.replace("3.1.3", "3.2").replace("sha256:cc", "sha256:ee").replace("plain==1\n", "other==2\n")
    assert lock_text.differences(LOCK, changed) == [
        "changed colorama 0.4.6: its hashes or conditions",
        "changed flask 3.1.3 to 3.2",
        "added other 2",
        "removed plain 1",
    ]
    assert lock_text.differences("", "plain==1\n") == ["added plain 1"]


def test_what_a_lock_lacks() -> None:
    packages = lock_text.packages(LOCK)
    asked = ["flask>=3", "flask<3", "FLASK", "alembic", "tz; sys_platform == 'win32'", "shop", "plain[extra]==1"]
    assert lock_text.lacking(packages, asked) == [("flask<3", "3.1.3"), ("alembic", "")]


@pytest.mark.parametrize(
    ("targets", "options", "purpose"),
    [
        (
            [Target("3.11", "x86_64", 36)],
            ["--python-version", "3.11", "--python-platform", "x86_64-manylinux_2_36"],
            "Python 3.11 on x86_64 with glibc 2.36",
        ),
        (
            [Target("3.13", "aarch64", 41), Target("3.13", "aarch64", 30)],
            ["--python-version", "3.13", "--python-platform", "aarch64-manylinux_2_28"],
            "Python 3.13 on aarch64 with glibc 2.30",
        ),
        (
            [Target("3.13", "x86_64", 41), Target("3.9", "x86_64", 36)],
            ["--python-version", "3.9", "--universal"],
            "Python 3.9 and later, on every platform",
        ),
        ([Target("3.11", "s390x", 36)], ["--python-version", "3.11", "--universal"], "Python 3.11, on every platform"),
        ([Target("3.11", "x86_64")], ["--python-version", "3.11", "--universal"], "Python 3.11, on every platform"),
    ],
)
def test_the_platform_is_that_of_all_hosts(targets: list[Target], options: list[str], purpose: str) -> None:
    assert locking.platform(targets) == (options, purpose)


def test_the_target_is_that_of_a_python() -> None:
    python = {"version": "3.11.2", "abi": "cpython-311-x86_64-linux-gnu", "glibc": "2.36"}
    assert Target.of(python) == Target("3.11", "x86_64", 36)
    assert Target.of({"version": "3.12.0", "abi": None, "glibc": ""}) == Target("3.12")


def test_the_place_of_a_lock(tmp_path: Path) -> None:
    files = tmp_path / "files"
    (files / "shop").mkdir(parents=True)
    folders = [str(tmp_path / "none"), str(tmp_path), str(files)]

    def place(**names: Any) -> Path:
        return Wanted("shop", {}, **names).place(folders)

    assert place() == tmp_path / "shop.lock"
    assert place(lock="shop/its.lock") == files / "shop" / "its.lock"
    assert place(lock="none/its.lock") == tmp_path / "none" / "its.lock"
    assert place(lock="/srv/its.lock") == Path("/srv/its.lock")
    (tmp_path / "link.lock").symlink_to(files / "real.lock")
    assert place(lock="link.lock", path=str(tmp_path / "link.lock")) == files / "real.lock"
    with pytest.raises(LockError, match="record shop, key lock: no folder of wsgi_app_search_path exists"):
        Wanted("shop", {}).place([str(tmp_path / "none")])


@pytest.mark.parametrize(
    ("upgrade", "options"),
    [
        (False, []),
        ("false", []),
        ("True", ["--upgrade"]),
        (True, ["--upgrade"]),
        ("Flask", ["--upgrade-package", "flask"]),
        ("flask, plain", ["--upgrade-package", "flask", "--upgrade-package", "plain"]),
        (["plain"], ["--upgrade-package", "plain"]),
    ],
)
def test_the_variable_upgrade(upgrade: object, options: list[str]) -> None:
    assert locking.upgrade_options(upgrade, LOCK) == options


def test_a_package_that_the_lock_does_not_have_is_not_upgraded() -> None:
    with pytest.raises(
        LockError, match="upgrade: found 'flsk', which is no package of the lock; it has colorama, flask"
    ):
        locking.upgrade_options("flsk", LOCK)
    with pytest.raises(LockError, match="there is no lock yet"):
        locking.upgrade_options("flask", "")


def test_the_shell_says_how_uv_reaches_the_index() -> None:
    of_host = {"UV_DEFAULT_INDEX": "https://host.test/", "https_proxy": "http://proxy.test", "SSL_CERT_FILE": "/host"}
    shell = {"UV_DEFAULT_INDEX": "https://shell.test/", "PIP_CERT": "/shell"}
    assert locking.environment_of_uv(shell, of_host) == {
        "UV_DEFAULT_INDEX": "https://shell.test/",
        "https_proxy": "http://proxy.test",
        "PIP_CERT": "/shell",
        "SSL_CERT_FILE": "/shell",
    }
    assert locking.environment_of_uv({"PIP_INDEX_URL": "https://a.test/"}, {})["UV_DEFAULT_INDEX"] == "https://a.test/"


def test_the_build_requirements_are_those_of_setuptools(tmp_path: Path) -> None:
    assert locking.build_requirements(tmp_path) == ["setuptools"]
    file = tmp_path / "pyproject.toml"
    for content, expected in (
        ("[project]\n", ["setuptools"]),
        ('[build-system]\nrequires = ["pbr", "Setuptools>=61"]\n', ["pbr", "Setuptools>=61"]),
        ('[build-system]\nrequires = ["hatchling"]\n', []),
    ):
        file.write_text(content)
        assert locking.build_requirements(tmp_path) == expected
    file.write_text("[[[")
    with pytest.raises(LockError, match=r"pyproject\.toml of the source cannot be read"):
        locking.build_requirements(tmp_path)


@pytest.mark.parametrize(
    "address",
    [
        "git+https://git.test/shop@0123abc",
        "git+https://alice:secret@git.test/shop.git@feature/x#subdirectory=a",
        "git+https://git.test/shop",
    ],
)
def test_a_repository_is_known_by_its_address(address: str) -> None:
    assert locking.repository(address) == "git+https://git.test/shop"


def inputs(**changes: Any) -> dict[str, Any]:
    """Return what the action ``lock_inputs`` returns of a host."""
    wanted: dict[str, Any] = {
        "name": "shop",
        "source": {"kind": "requirement", "text": "shop", "path": None},
        "exclude": [],
    }
    wanted |= {"requirements": [], "lock": None, "path": None, **changes}
    python = {"version": "3.11.2", "abi": "cpython-311-x86_64-linux-gnu", "glibc": "2.36"}
    return {"wanted": wanted, "python": python, "names": ["shop"]}


def test_the_lock_is_for_the_hosts_that_have_the_app() -> None:
    hosts = {"web1": {"wanted": None, "names": ["blog"]}, "web2": inputs()}
    assert wanted_of("shop", hosts)[1] == [Target("3.11", "x86_64", 36)]
    with pytest.raises(LockError, match="app: found 'x', and no record is called that; there are blog"):
        wanted_of("x", {"web1": {"wanted": None, "names": ["blog"]}})
    with pytest.raises(LockError, match="key requirements: found other values on web3 than on web2"):
        wanted_of("shop", {**hosts, "web3": inputs(requirements=["flask"])})


def test_the_summary_names_what_changes_and_what_to_add(tmp_path: Path) -> None:
    made = locking.Made(tmp_path / "shop.lock", "", "plain==1 --hash=sha256:aa\n", "Python 3.11")
    wanted = Wanted("shop", {})
    assert summary(made, wanted, would=True) == [
        f"{tmp_path}/shop.lock: 1 package for Python 3.11",
        "  added plain 1",
        "nothing was written, since this is a check",
        "add this line to the record shop:  lock: shop.lock",
    ]
    same = locking.Made(tmp_path / "shop.lock", made.after, made.after, "Python 3.11")
    assert summary(same, Wanted("shop", {}, lock="shop.lock"), would=False)[1:] == [
        "  nothing to change; -e upgrade=true takes newer versions"
    ]


def problems(folder: Path, locking: str = "", **keys: Any) -> list[str]:
    """Return the problems of a record, whose lock may be made by this run."""
    record = {"name": "shop", "source": "shop==1", "entry": {"module": "shop:application"}, "listen": 8080, **keys}
    settings = SETTINGS.__class__(**{**vars(SETTINGS), "folders": (str(folder),), "locking": locking})
    return [str(problem) for problem in check_records([record], SPEC, settings).problems]


def test_a_lock_has_to_have_what_the_requirements_name(tmp_path: Path) -> None:
    (tmp_path / "shop.lock").write_text(LOCK)
    assert problems(tmp_path, lock="shop.lock", requirements=["flask>=3"]) == []
    remedy = "./grove lock -e app=shop brings into the lock what requirements names"
    assert problems(tmp_path, lock="shop.lock", requirements=["flask<3", "alembic"]) == [
        f"record shop, key requirements: found 'flask<3', and 3.1.3 in shop.lock; {remedy}",
        f"record shop, key requirements: found 'alembic', and no such package in shop.lock; {remedy}",
    ]
    assert problems(tmp_path, "shop", lock="shop.lock", requirements=["flask<3", "alembic"]) == []


def test_a_lock_may_be_missing_while_it_is_made(tmp_path: Path) -> None:
    assert "key lock: found 'no.lock', which is not there" in problems(tmp_path, lock="no.lock")[0]
    assert problems(tmp_path, "shop", lock="no.lock") == []
    (tmp_path / "no.lock").mkdir()
    assert "which is no file" in problems(tmp_path, "shop", lock="no.lock")[0]
