"""Volumes that nobody creates any more, in the tables of cinder that count."""

from __future__ import annotations

import datetime as dt
import importlib.util
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

FILE = Path(__file__).resolve().parents[2] / "roles" / "cinder" / "files" / "lost_volumes.py"
specification = importlib.util.spec_from_file_location("lost_volumes", FILE)
assert specification
assert specification.loader
lost_volumes: Any = importlib.util.module_from_spec(specification)
specification.loader.exec_module(lost_volumes)


def volumes_after(tmp_path: Path, scheduler_age: int) -> dict[str, str]:
    """Return the status of each volume after a look; the scheduler's last report is some seconds old."""
    url = f"sqlite:///{tmp_path}/cinder.db"
    (tmp_path / "cinder.conf").write_text(f"[DEFAULT]\nstate_path = /x\n[database]\nconnection = {url}\n")
    engine = sa.create_engine(url)
    now = dt.datetime.now(dt.UTC).replace(tzinfo=None)
    tables = sa.MetaData()

    def made(name: str) -> sa.Table:
        texts = [sa.Column(column, sa.String(36)) for column in ("id", "status", "host", "binary")]
        times = [sa.Column(column, sa.DateTime) for column in ("created_at", "updated_at")]
        return sa.Table(name, tables, *texts, *times, sa.Column("deleted", sa.Boolean))

    volumes, services = made("volumes"), made("services")
    tables.create_all(engine)

    def volume(name: str, **values: Any) -> dict[str, Any]:
        old = now - dt.timedelta(seconds=lost_volumes.AGE + 60)
        return {"id": name, "status": "creating", "host": None, "deleted": False, "created_at": old, **values}

    rows = [
        volume("lost"),
        volume("fresh", created_at=now),
        volume("at its backend", host="a@test"),
        volume("gone", deleted=True),
        volume("made", status="available"),
    ]
    report = {"binary": "cinder-scheduler", "deleted": False, "updated_at": now - dt.timedelta(seconds=scheduler_age)}
    with engine.begin() as connection:
        connection.execute(sa.insert(volumes), rows)
        connection.execute(sa.insert(services), [report])
    lost_volumes.look(str(tmp_path / "cinder.conf"))
    with engine.begin() as connection:
        return {row.id: row.status for row in connection.execute(sa.select(volumes))}


def test_a_volume_that_reached_no_backend_becomes_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lost_volumes, "GRACE", 0)
    statuses = volumes_after(tmp_path, scheduler_age=5)
    assert statuses.pop("lost") == "error"
    assert set(statuses.values()) == {"creating", "available"}


def test_nothing_becomes_an_error_while_no_scheduler_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lost_volumes, "GRACE", 0)
    assert volumes_after(tmp_path, scheduler_age=lost_volumes.SERVICE_DOWN + 60)["lost"] == "creating"
