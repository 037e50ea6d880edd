"""The documentation of roles and modules, compared with their code."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

REPOSITORY = Path(__file__).resolve().parents[2]
ROLES = sorted(path.parent.parent.name for path in REPOSITORY.glob("roles/*/meta/argument_specs.yml"))
MODULES = sorted(path.stem for path in REPOSITORY.glob("plugins/modules/*.py"))
# Modules without a Python part of their own: the action is all there is.
ACTIONS_ALONE = (
    "audit",
    "backup_folder",
    "check_records",
    "check_variables",
    "control_plane",
    "distribution",
    "doctor_report",
    "host_facts",
    "lock",
    "report",
    "show",
)


def load(path: str) -> Any:
    file = REPOSITORY / path
    return yaml.safe_load(file.read_text()) if file.exists() else {}


def options(role: str) -> dict[str, Any]:
    """Return the role's variables: the options of all entry points that are not keys of a record."""
    points = load(f"roles/{role}/meta/argument_specs.yml")["argument_specs"]
    own = [point for name, point in points.items() if not name.startswith("record_")]
    return {key: option for point in own for key, option in point.get("options", {}).items()}


def test_every_role_has_specs() -> None:
    assert sorted(path.name for path in (REPOSITORY / "roles").iterdir() if path.is_dir()) == ROLES
    assert ROLES


@pytest.mark.parametrize("role", ROLES)
def test_defaults_and_specs_agree(role: str) -> None:
    defaults = load(f"roles/{role}/defaults/main.yml") or {}
    specified = options(role)
    assert sorted(defaults) == sorted(key for key, option in specified.items() if not option.get("required"))
    assert {key: specified[key].get("default") for key in defaults} == defaults
    assert all(key.startswith(f"{role}_") or key in ("wsgi_apps", "wsgi_services") for key in specified)


def described(option: dict[str, Any]) -> bool:
    text = option.get("description")
    sentences = text if isinstance(text, list) else [text]
    return all(isinstance(sentence, str) and sentence.endswith(".") for sentence in sentences)


def levels(specified: dict[str, Any], prefix: str = "") -> dict[str, dict[str, Any]]:
    flat = {}
    for key, option in specified.items():
        flat[prefix + key] = option
        flat.update(levels(option.get("options", {}), f"{prefix}{key}."))
    return flat


@pytest.mark.parametrize("role", ROLES)
def test_every_option_has_a_type_and_a_description(role: str) -> None:
    for name, point in load(f"roles/{role}/meta/argument_specs.yml")["argument_specs"].items():
        assert point["short_description"]
        for key, option in levels(point.get("options", {})).items():
            assert described(option), f"{role} {name} {key}"
            assert "type" in option, f"{role} {name} {key}"
            assert option["type"] != "list" or "elements" in option, f"{role} {name} {key}"
            assert not (option.get("required") and "default" in option), f"{role} {name} {key}"


@pytest.mark.parametrize("role", ROLES)
def test_public_variables_that_tasks_read_are_known(role: str) -> None:
    variables = set(options(role))
    for path in (REPOSITORY / "roles" / role / "vars").glob("*.yml"):
        variables |= set(load(str(path.relative_to(REPOSITORY))) or {})
    used = set()
    for path in (REPOSITORY / "roles" / role).rglob("*.yml"):
        text = re.sub(r"(?m)^\s*#.*|C\([^)]*\)", "", path.read_text())
        used |= set(re.findall(rf"(?<![\w.'\"-]){role}_\w+(?!\w|\.so)", text))
    # The last one is an argument of apt, not a variable of the role cache.
    registered = {"httpd_host", "cache_valid_time"}
    files = {path.stem for path in (REPOSITORY / "roles" / role / "tasks").glob("*.yml")}
    assert used - variables - registered - files - {f"{role}s"} == set()


def constant(path: str, name: str) -> Any:
    """Return the YAML in the string ``name`` of a Python file."""
    for node in ast.walk(ast.parse((REPOSITORY / path).read_text())):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == name:
            return yaml.safe_load(ast.literal_eval(node.value))
    raise AssertionError(f"{path} has no {name}")


def documentation(module: str, name: str) -> Any:
    """Return a part of a module's documentation, with the options of the fragments that it extends."""
    written = constant(f"plugins/modules/{module}.py", name)
    if name == "DOCUMENTATION" and "extends_documentation_fragment" in written:
        fragments = written["extends_documentation_fragment"]
        for fragment in [fragments] if isinstance(fragments, str) else fragments:
            file = fragment.removeprefix("grove.wsgi.")
            shared = constant(f"plugins/doc_fragments/{file}.py", "DOCUMENTATION")["options"]
            written["options"] = {**shared, **written.get("options", {})}
    return written


ASK_SPEC = """
import json, sys
from ansible.module_utils import basic

class Seen(Exception):
    pass

def remember(self, argument_spec, **more):
    print(json.dumps([argument_spec, more.get("supports_check_mode", False)]))
    raise Seen

basic.AnsibleModule.__init__ = remember
import importlib
module = importlib.import_module("ansible_collections.grove.wsgi.plugins.modules." + sys.argv[1])
try:
    module.main()
except Seen:
    pass
"""


@pytest.mark.parametrize("module", [name for name in MODULES if name not in ACTIONS_ALONE])
def test_modules_accept_the_options_that_they_document(module: str) -> None:
    completed = subprocess.run([sys.executable, "-c", ASK_SPEC, module], capture_output=True, text=True, check=True)
    specified, check_mode = yaml.safe_load(completed.stdout)
    assert check_mode is True
    documented = documentation(module, "DOCUMENTATION")["options"]
    keys = ("type", "elements", "default", "required", "choices")
    assert {name: {key: option[key] for key in keys if key in option} for name, option in documented.items()} == {
        name: {key: option[key] for key in keys if key in option} for name, option in specified.items()
    }


@pytest.mark.parametrize("module", MODULES)
def test_the_documentation_of_modules_is_complete(module: str) -> None:
    written = documentation(module, "DOCUMENTATION")
    assert written["module"] == module
    for name, option in written["options"].items():
        assert described(option), f"{module} {name}"
    for name, value in documentation(module, "RETURN").items():
        assert described(value), f"{module} {name}"
        assert {"type", "returned"} <= set(value), f"{module} {name}"
    example = documentation(module, "EXAMPLES")
    used = set(example[0][f"grove.wsgi.{module}"] or ())
    assert used <= set(written["options"])


def test_ansible_reads_the_documentation() -> None:
    names = [f"grove.wsgi.{module}" for module in MODULES]
    done = subprocess.run(
        [Path(sys.prefix, "bin", "ansible-doc"), "--json", *names],
        capture_output=True,
        text=True,
        check=False,
        cwd=REPOSITORY,
    )
    assert done.returncode == 0, done.stderr
    assert sorted(json.loads(done.stdout)) == names


def test_ansible_does_not_read_all_records_before_groves_own_check() -> None:
    # It would end the deployment of one application for a failed template of another.
    assert "wsgi_apps" not in load("roles/wsgi_app/meta/argument_specs.yml")["argument_specs"]["main"]["options"]
