"""Backups on the controller: which host is copied, what is refused, whole and half-written folders, and secrets."""

from __future__ import annotations

import os
import tarfile
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.grove.wsgi.plugins.filter.backup import backup_choice, backup_hosts
from ansible_collections.grove.wsgi.plugins.module_utils.database.backup import (
    ARCHIVE,
    BackupError,
    differences,
    pack,
    sha256,
    unpack,
)
from ansible_collections.grove.wsgi.plugins.plugin_utils import backup
from ansible_collections.grove.wsgi.plugins.plugin_utils.backup import BackupFolderError, Manifest, Secrets

GB = 1024**3
STATE: dict[str, Any] = {
    "series": "10.11",
    "answers": True,
    "cluster": "",
    "member_state": "",
    "clients": 0,
    "databases": [],
    "saved": False,
    "interrupted": "",
    "placing": False,
    "data_bytes": GB,
    "data_free": 10 * GB,
    "staging": "/var/backups/grove",
    "staging_free": 10 * GB,
    "same_disk": True,
}
MEMBER = {**STATE, "cluster": "Primary", "member_state": "Synced", "saved": True, "databases": ["nova"]}
GROUP = ("db1", "db2", "db3")
NAME = "2026-01-31T02-00-00Z"


def manifest(**values: Any) -> Manifest:
    standard: dict[str, Any] = {
        "time": "2026-01-31T02:00:00+00:00",
        "host": "db3",
        "hosts": GROUP,
        "series": "10.11",
        "version": "10.11.6",
        "data_bytes": GB,
        "databases": {"nova": {"instances": 3}},
        "files": {ARCHIVE: {"bytes": 1000, "sha256": ""}},
        "secrets": {},
        "keystone": [],
    }
    return Manifest(**{**standard, **values})


def test_a_server_alone_is_copied() -> None:
    assert backup.choose(["db1"], {"db1": STATE}, "mariadb") == ("db1", [])


def test_of_a_cluster_the_synced_member_with_the_fewest_clients_is_copied() -> None:
    states = {"db1": {**MEMBER, "clients": 9}, "db2": MEMBER, "db3": {**MEMBER, "clients": 2}}
    assert backup.choose(GROUP, states, "mariadb") == ("db2", [])
    assert backup.choose(GROUP, dict.fromkeys(GROUP, MEMBER), "mariadb") == ("db3", [])
    # A lost host, and one that gets its data, do not stop a backup.
    joining = {**MEMBER, "member_state": "Joined"}
    assert backup.choose(GROUP, {"db1": MEMBER, "db3": joining}, "mariadb") == ("db1", [])


@pytest.mark.parametrize(
    ("hosts", "states", "kind", "words"),
    [
        ([], {}, "mariadb", "group database: found no host"),
        (["db1"], {}, "mariadb", "host db1: the run does not reach it"),
        (["db1"], {"db1": {**STATE, "answers": False}}, "mariadb", "host db1: its MariaDB does not answer"),
        (["db1"], {"db1": STATE}, "postgresql", "found postgresql; backup and restore know mariadb alone"),
        (GROUP, {"db1": {**MEMBER, "cluster": "non-Primary"}}, "mariadb", "found non-Primary, Synced"),
        (
            ["db1"],
            {"db1": {**STATE, "staging_free": GB}},
            "mariadb",
            "has 1024 MB free, and a copy of its data needs 2304",
        ),
    ],
)
def test_what_cannot_be_copied_is_refused_by_name(hosts: list[str], states: Any, kind: str, words: str) -> None:
    assert words in "\n".join(backup.choose(hosts, states, kind)[1])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"db2": {**STATE, "databases": ["shop"]}}, "host db2: it has databases of its own (shop)"),
        (
            {"db1": {**STATE, "databases": ["shop"], "interrupted": "2026-01-30T02-00-00Z"}},
            "host db1: it has databases",
        ),
        ({"db2": {**STATE, "databases": ["shop"], "placing": True}}, "host db2: it has databases"),
        ({"db3": {**STATE, "saved": True}}, "host db3: it has been in a cluster"),
        ({"db1": {**STATE, "series": "11.8"}}, "host db1: found MariaDB 11.8, and the backup is of 10.11"),
        (
            {"db1": {**STATE, "data_free": GB}},
            "the file system of the data has 1024 MB free, and the restore needs 1280 MB",
        ),
        ({"db1": {**STATE, "same_disk": False, "staging_free": 9}}, "/var/backups/grove has 0 MB free"),
        ({"db2": None}, "host db2: the run does not reach it"),
    ],
)
def test_hosts_that_are_not_fit_for_a_restore_are_refused(changes: dict[str, Any], words: str) -> None:
    states = {host: state for host, state in {**dict.fromkeys(GROUP, STATE), **changes}.items() if state}
    problems = backup.restore_problems(GROUP, states, "mariadb", manifest(), NAME)
    assert len(problems) == 1
    assert words in problems[0]


def test_fresh_hosts_and_an_interrupted_restore_are_accepted() -> None:
    fresh = {host: {**STATE, "series": ""} for host in GROUP}
    assert backup.restore_problems(GROUP, fresh, "mariadb", manifest(), NAME) == []
    for half in ({"placing": True, "interrupted": "other"}, {"interrupted": NAME}):
        states = {**fresh, "db1": {**STATE, "databases": ["nova"], **half}}
        assert backup.restore_problems(GROUP, states, "mariadb", manifest(), NAME) == []
    assert "group database" in backup.restore_problems([], {}, "mariadb", manifest(), NAME)[0]
    assert "found postgresql" in backup.restore_problems(GROUP, fresh, "postgresql", manifest(), NAME)[0]


def test_the_hosts_of_a_run() -> None:
    hostvars = {"api1": {"wsgi_services": ["keystone"]}, "api2": {"wsgi_services": ["nova"]}, "db1": {}}
    groups = {"wsgi": ["api1", "api2"], "database": ["db1"]}
    assert backup_hosts(groups, hostvars) == ["db1", "api1"]
    assert backup_hosts({"wsgi": ["api1"]}, hostvars) == ["localhost"]
    # In the first play of a run.
    assert backup_hosts(groups, {}) == [*groups["database"], *groups["wsgi"]]
    assert backup_choice([], {}, "mariadb")["problems"] != []


def whole(folder: Path, secrets: Secrets, keystone: dict[str, bytes] | None = None) -> tuple[Path, Manifest]:
    """Make a backup of some data."""
    partial = backup.begin(folder, 0)
    (partial / ARCHIVE).write_bytes(b"data")
    digests = secrets.pack(partial / backup.SECRETS, keystone or {})
    files = {name: backup.described(partial / name) for name in (ARCHIVE, backup.SECRETS)}
    made = manifest(files=files, secrets=digests, keystone=list(keystone or {}))
    return backup.complete(partial, made), made


def inventory(folder: Path) -> Secrets:
    """Make the secrets of an inventory, with backups beside and below them."""
    for name, text in {
        "shop_1": "s",
        "openstack/1/nova": "n",
        "tls/ca.crt": "c",
        "tls/ca.key": "k",
        "backups/old/x": "x",
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return secrets_in(folder)


def secrets_in(folder: Path) -> Secrets:
    sources = {"secrets": folder, "openstack": folder / "openstack", "tls": folder / "tls"}
    return Secrets(sources, [folder / "backups"])


def test_a_backup_has_its_name_when_it_is_whole(tmp_path: Path) -> None:
    folder, made = whole(tmp_path / "backups", inventory(tmp_path / "secrets"), {"fernet-keys/0": b"key"})
    assert backup.NAME.fullmatch(folder.name)
    assert backup.read_manifest(folder) == manifest(**{**vars(made), "hosts": list(GROUP)})
    assert {one.name: one.stat().st_mode & 0o777 for one in folder.iterdir()} == dict.fromkeys(
        (ARCHIVE, backup.SECRETS, backup.MANIFEST), 0o600
    )
    assert folder.stat().st_mode & 0o777 == folder.parent.stat().st_mode & 0o777 == 0o700
    with tarfile.open(folder / backup.SECRETS) as packed:
        assert sorted(packed.getnames()) == [
            "keystone/fernet-keys/0",
            "openstack/1/nova",
            "secrets/shop_1",
            "tls/ca.crt",
            "tls/ca.key",
        ]


def test_what_a_dead_run_has_left_goes_away_and_what_a_live_one_writes_stays(tmp_path: Path) -> None:
    dead = tmp_path / f"{NAME}.999999999.partial"
    live = tmp_path / f"{NAME}.{os.getpid()}.partial"
    for one in (dead, live):
        one.mkdir()
    partial = backup.begin(tmp_path, 0)
    assert partial.exists()
    assert live.exists()
    assert not dead.exists()
    with pytest.raises(BackupFolderError, match="a whole backup has a name such as"):
        backup.read_manifest(partial)


def test_a_controller_without_room_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BackupFolderError, match="free, and the backup may need"):
        backup.begin(tmp_path, 2**60)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda folder: (folder / ARCHIVE).write_bytes(b"dotu"), "mariadb.tar.gz is damaged"),
        (lambda folder: (folder / ARCHIVE).write_bytes(b"dat"), "mariadb.tar.gz is damaged"),
        (lambda folder: (folder / backup.SECRETS).unlink(), "secrets.tar.gz is missing"),
        (lambda folder: (folder / backup.MANIFEST).unlink(), "manifest.json cannot be read"),
        (lambda folder: (folder / backup.MANIFEST).write_text('{"format": 2}'), "found format 2"),
        (lambda folder: (folder / backup.MANIFEST).write_text('{"format": 1}'), "manifest.json cannot be read"),
        (lambda folder: folder.rename(folder.with_name("gone")), "which is no folder"),
    ],
)
def test_a_damaged_backup_is_refused(tmp_path: Path, damage: Any, words: str) -> None:
    folder, _ = whole(tmp_path / "backups", inventory(tmp_path / "secrets"))
    damage(folder)
    with pytest.raises(BackupFolderError, match=words):
        backup.read_manifest(folder)


def test_old_backups_are_removed(tmp_path: Path) -> None:
    for day in range(1, 5):
        (tmp_path / f"2026-01-0{day}T00-00-00Z").mkdir()
        (tmp_path / f"2026-01-0{day}T00-00-00Z" / backup.MANIFEST).touch()
    (tmp_path / "mine").mkdir()
    assert backup.prune(tmp_path, 0) == []
    assert backup.prune(tmp_path, 2) == ["2026-01-01T00-00-00Z", "2026-01-02T00-00-00Z"]
    assert sorted(one.name for one in tmp_path.iterdir()) == ["2026-01-03T00-00-00Z", "2026-01-04T00-00-00Z", "mine"]


def test_an_inventory_without_secrets_gets_them_back(tmp_path: Path) -> None:
    folder, made = whole(tmp_path / "backups", inventory(tmp_path / "secrets"))
    other = secrets_in(tmp_path / "other")
    archive = folder / backup.SECRETS
    assert other.problems(made) == []
    assert len(other.put_back(archive, made, dry=True)) == 4
    assert not (tmp_path / "other").exists()
    other.put_back(archive, made, dry=False)
    assert other.digests() == made.secrets
    assert (tmp_path / "other" / "openstack" / "1" / "nova").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "other" / "openstack").stat().st_mode & 0o777 == 0o700
    # An interrupted run goes on.
    (tmp_path / "other" / "shop_1").unlink()
    assert other.problems(made) == []
    assert other.put_back(archive, made, dry=False) == [str(tmp_path / "other" / "shop_1")]


def test_other_secrets_are_refused_and_other_certificates_stay(tmp_path: Path) -> None:
    folder, made = whole(tmp_path / "backups", inventory(tmp_path / "secrets"))
    own = inventory(tmp_path / "secrets")
    (tmp_path / "secrets" / "tls" / "ca.crt").write_text("renewed")
    (tmp_path / "secrets" / "tls" / "ca.key").unlink()
    assert own.problems(made) == []
    assert own.put_back(folder / backup.SECRETS, made, dry=False) == []
    (tmp_path / "secrets" / "openstack" / "1" / "nova").write_text("other")
    (tmp_path / "secrets" / "shop_1").write_text("other")
    problems = own.problems(made)
    assert [problem.partition(":")[0] for problem in problems] == [
        str(tmp_path / "secrets"),
        str(tmp_path / "secrets" / "openstack"),
    ]
    assert "1/nova" in problems[1]


def test_secrets_of_a_later_generation_are_refused(tmp_path: Path) -> None:
    _, made = whole(tmp_path / "backups", inventory(tmp_path / "secrets"))
    own = inventory(tmp_path / "secrets")
    (tmp_path / "secrets" / "openstack" / "generation").write_text("2\n")
    assert "generation" in own.problems(made)[0]
    (tmp_path / "secrets" / "openstack" / "generation").write_text("1\n")
    assert own.problems(made) == []


def test_data_folders_are_packed_and_unpacked(tmp_path: Path) -> None:
    data = tmp_path / "data"
    (data / "shop").mkdir(parents=True)
    (data / "shop" / "orders.ibd").write_text("rows")
    (data / "xtrabackup_info").touch()
    pack(data, tmp_path / ARCHIVE)
    (tmp_path / "back").mkdir()
    unpack(tmp_path / ARCHIVE, tmp_path / "back")
    assert sorted(str(one.relative_to(tmp_path / "back")) for one in (tmp_path / "back").rglob("*")) == [
        "shop",
        "shop/orders.ibd",
    ]
    assert len(sha256(tmp_path / ARCHIVE)) == 64


@pytest.mark.parametrize("name", ["../out", "/out", "link"])
def test_an_archive_does_not_write_elsewhere(tmp_path: Path, name: str) -> None:
    with tarfile.open(tmp_path / ARCHIVE, "w:gz") as packed:
        member = tarfile.TarInfo(name)
        member.type = tarfile.SYMTYPE if name == "link" else tarfile.REGTYPE
        packed.addfile(member)
    with pytest.raises(BackupError, match="does not belong there"):
        unpack(tmp_path / ARCHIVE, tmp_path)


def test_a_cut_archive_is_named(tmp_path: Path) -> None:
    (tmp_path / ARCHIVE).write_bytes(b"\x1f\x8b\x08")
    with pytest.raises(BackupError, match="the archive cannot be read"):
        unpack(tmp_path / ARCHIVE, tmp_path)


def test_differing_rows_are_named() -> None:
    found = {"shop": {"orders": 2}, "more": {}}
    expected = {"shop": {"orders": 3, "lines": 1}}
    assert differences(expected, found) == "shop.lines missing instead of 1, shop.orders 2 instead of 3, database more"
    many = {"shop": {str(number): 1 for number in range(12)}}
    assert differences(many, {"shop": {}}).endswith("and 2 more")
