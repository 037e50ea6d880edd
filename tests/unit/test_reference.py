"""The generated pages of docs/ against what they are generated from."""

from __future__ import annotations

import importlib.util
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]


def test_the_reference_is_the_one_that_the_argument_specs_give() -> None:
    spec = importlib.util.spec_from_file_location("reference", REPOSITORY / "docs" / "reference.py")
    assert spec is not None
    assert spec.loader is not None
    reference = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(reference)
    assert (REPOSITORY / "docs" / "reference.md").read_text() == reference.page(), "run docs/reference.py"


def test_every_role_is_in_the_reference() -> None:
    written = (REPOSITORY / "docs" / "reference.md").read_text()
    roles = sorted(path.name for path in (REPOSITORY / "roles").iterdir())
    assert roles
    for role in roles:
        assert f"## Variables of the role {role}\n" in written
