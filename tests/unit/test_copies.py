"""Configuration files that reach a release byte for byte."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.grove.wsgi.plugins.action.release import build_plan
from ansible_collections.grove.wsgi.plugins.plugin_utils.payload import Payload
from ansible_collections.grove.wsgi.plugins.plugin_utils.records.checking import check_records
from ansible_collections.grove.wsgi.plugins.plugin_utils.records.copies import Copy, decoded
from ansible_collections.grove.wsgi.plugins.plugin_utils.records.project import Needs
from ansible_collections.grove.wsgi.plugins.plugin_utils.records.views import build_view
from record_settings import SETTINGS, SPEC

BYTES = bytes(range(256))


def checked(value: object, **keys: Any) -> Any:
    record = {"name": "shop", "source": "shop==1", "entry": {"module": "shop:app"}, "config": {"key.bin": value}}
    return check_records([{**record, **keys}], SPEC, SETTINGS)


def test_a_copy_and_its_mode_reach_the_plan(tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(BYTES)
    result = checked({"copy": str(tmp_path / "key"), "mode": "0550"})
    assert result.problems == ()
    [record] = result.records
    assert record.copies == {"key.bin": Copy(str(tmp_path / "key"), "0550")}
    plan = build_plan(build_view(record), Needs(), "0123456789ab")
    assert '"modes": {\n  "key.bin": "0550"\n }' in plan
    assert '"expanded": []' in plan


def test_base64_may_have_lines_and_stays_out_of_the_views() -> None:
    result = checked({"base64": "c2Vj cmV0Cg=="})
    assert result.problems == ()
    assert "c2Vj" not in str(build_view(result.records[0]))
    assert decoded("c2Vj cmV0Cg==") == b"secret\n"


def test_sections_may_be_called_like_the_keys_of_a_copy() -> None:
    [record] = checked({"copy": {"a": "b"}, "base64": {"c": 1}}).records
    assert record.copies == {}


@pytest.mark.parametrize(
    ("value", "key"),
    [
        ({"copy": "nowhere/key"}, "config.key.bin.copy"),
        ({"copy": 3}, "config.key.bin.copy"),
        ({"copy": "/etc/passwd", "base64": "YQ=="}, "config.key.bin"),
        ({"copy": "/etc/passwd", "owner": "root"}, "config.key.bin"),
        ({"base64": "secret!"}, "config.key.bin.base64"),
        ({"base64": "YQ==", "mode": "0644"}, "config.key.bin.mode"),
        ({"base64": "YQ==", "mode": 640}, "config.key.bin.mode"),
    ],
)
def test_what_cannot_be_copied_is_named_and_not_shown(value: object, key: str) -> None:
    problems = checked(value).problems
    assert [problem.key for problem in problems] == [key]
    assert "secret!" not in str(problems)


def test_options_of_a_copy_cannot_be_what_a_migration_reads() -> None:
    keys = {"migrate": "true", "migrate_reads": {"key.bin": ["DEFAULT"]}}
    assert [problem.key for problem in checked({"base64": "YQ=="}, **keys).problems] == ["migrate_reads.key.bin"]


def test_the_archive_holds_the_bytes() -> None:
    payload = Payload()
    payload.add_file("etc/key.bin", BYTES, "config key.bin")
    assert payload.members[0].read() == BYTES
    assert str(BYTES) not in str(payload.inputs)
