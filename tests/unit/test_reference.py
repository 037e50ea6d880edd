"""The files that docs/reference.py generates, compared with their sources."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def reference() -> ModuleType:
    """The generator."""
    spec = importlib.util.spec_from_file_location("reference", REPOSITORY / "docs" / "reference.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_reference_is_up_to_date(reference: ModuleType) -> None:
    assert (REPOSITORY / "docs" / "reference.md").read_text() == reference.page(), "run docs/reference.py"


def test_the_types_of_a_records_keys_are_up_to_date(reference: ModuleType) -> None:
    written = (REPOSITORY / "plugins" / "plugin_utils" / "records" / "keys.py").read_text()
    assert written == reference.keys_module(), "run docs/reference.py"


def test_every_role_is_in_the_reference() -> None:
    written = (REPOSITORY / "docs" / "reference.md").read_text()
    roles = sorted(path.name for path in (REPOSITORY / "roles").iterdir())
    assert roles
    for role in roles:
        assert f"## Variables of the role {role}\n" in written


def test_the_keys_of_a_record_stand_in_groups_with_examples() -> None:
    written = (REPOSITORY / "docs" / "reference.md").read_text()
    groups = written[written.index("## A record of wsgi_apps") : written.index("## Variables of the role wsgi_app")]
    sections = groups.split("\n### ")[1:]
    assert len(sections) >= 5
    for section in sections:
        assert "```yaml\nwsgi_apps:" in section
        assert "| name | type | default | meaning |" in section
