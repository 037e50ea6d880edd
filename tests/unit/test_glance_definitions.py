"""What files of metadata definitions hold, as it is compared with glance's database."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from grove_glance.definitions import DefinitionsError, in_files

CPU = {
    "namespace": "OS::Compute::CPU",
    "properties": {"hw_cpu_policy": {"type": "string"}},
    "objects": [{"name": "Pinning", "properties": {}}],
    "tags": [{"name": "Real time"}],
    "resource_type_associations": [{"name": "OS::Nova::Flavor", "prefix": "hw:"}],
}


def test_every_kind_of_definition_is_read(tmp_path: Path) -> None:
    (tmp_path / "cpu.json").write_text(json.dumps(CPU))
    (tmp_path / "empty.json").write_text('{"namespace": "Empty"}')
    (tmp_path / "README").write_text("no definitions")
    assert in_files(tmp_path) == {
        ("os::compute::cpu", "namespace", ""),
        ("os::compute::cpu", "property", "hw_cpu_policy"),
        ("os::compute::cpu", "object", "pinning"),
        ("os::compute::cpu", "tag", "real time"),
        ("os::compute::cpu", "resource type", "os::nova::flavor"),
        ("empty", "namespace", ""),
    }


@pytest.mark.parametrize("name", ["absent", "empty"])
def test_a_folder_without_files_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DefinitionsError, match=f"metadata_source_path.*{name}$"):
        in_files(tmp_path / name)


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"namespace": "A", "objects": [{}]}', '{"namespace": 3}', "\udcff"])
def test_a_file_that_is_no_definitions_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "cpu.json").write_text(json.dumps(CPU))
    (tmp_path / "bad.json").write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(DefinitionsError, match=r"bad\.json"):
        in_files(tmp_path)
