"""The identity of a compute on a fresh machine, with the columns of nova's table that count."""

from __future__ import annotations

import importlib.util
import socket
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

FILE = Path(__file__).resolve().parents[2] / "roles" / "nova" / "files" / "compute_identity.py"
specification = importlib.util.spec_from_file_location("compute_identity", FILE)
assert specification
assert specification.loader
compute_identity: Any = importlib.util.module_from_spec(specification)
specification.loader.exec_module(compute_identity)

OWN = "6f1e2b0c-0000-4000-8000-000000000001"
OTHER = "6f1e2b0c-0000-4000-8000-000000000002"
HOST = socket.gethostname()


def node(host: str, identity: str, deleted: int = 0) -> dict[str, Any]:
    return {"host": host, "uuid": identity, "deleted": deleted}


def configuration(folder: Path, nodes: list[dict[str, Any]] | None, options: str = "") -> str:
    """Write nova.conf, and a database with these rows; without ``nodes`` the database has no table."""
    url = f"sqlite:///{folder}/nova.db"
    if nodes is not None:
        texts = [sa.Column(name, sa.String(255)) for name in ("host", "uuid")]
        table = sa.Table("compute_nodes", sa.MetaData(), *texts, sa.Column("deleted", sa.Integer))
        engine = sa.create_engine(url)
        table.metadata.create_all(engine)
        with engine.begin() as connection:
            connection.execute(sa.insert(table), nodes)
    (folder / "state").mkdir()
    path = folder / "nova.conf"
    path.write_text(f"[DEFAULT]\nstate_path = {folder}/state\n{options}[database]\nconnection = {url}\n")
    return str(path)


@pytest.mark.parametrize(
    ("nodes", "options", "identity"),
    [
        ([node(HOST, OWN), node("another", OTHER)], "", OWN),
        ([node(HOST, OTHER, deleted=7), node(HOST, OWN)], "", OWN),
        ([node(HOST, OTHER), node("compute7", OWN)], "host = compute7\n", OWN),
        ([node(HOST, OTHER, deleted=7), node("another", OWN)], "", None),
        # Nova has to say which one.
        ([node(HOST, OWN), node(HOST, OTHER)], "", None),
        (None, "", None),
    ],
)
def test_a_fresh_machine_gets_the_identity_of_its_name(
    tmp_path: Path, nodes: list[dict[str, Any]] | None, options: str, identity: str | None
) -> None:
    words = compute_identity.restore(configuration(tmp_path, nodes, options))
    written = tmp_path / "state" / "compute_id"
    assert (written.read_text() if written.exists() else None) == identity
    assert ("has the identity" in words) == (identity is not None)
    assert all(each["uuid"] in words for each in nodes or [] if each["host"] == HOST) or "several" not in words


def test_an_identity_that_is_there_stays(tmp_path: Path) -> None:
    path = configuration(tmp_path, [node(HOST, OTHER)])
    written = tmp_path / "state" / "compute_id"
    written.write_text(OWN)
    assert compute_identity.restore(path) == f"{written} exists"
    assert written.read_text() == OWN
