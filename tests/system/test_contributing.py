"""The page docs/contributing.md: a new key of a record, added to a copy of the project as the page says."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

REPOSITORY = Path(__file__).resolve().parents[2]
PARTS = ("plugins", "roles", "httpd", "docs", "galaxy.yml")
LAYOUT = yaml.safe_load((REPOSITORY / "roles/httpd/vars/main.yml").read_text())["__httpd_families"]["Debian"]["layout"]
SETTINGS = {
    "base": "/srv/wsgi",
    "state_base": "/var/lib",
    "log_base": "/var/log",
    "listen_address": "127.0.0.1",
    "door": "127.0.0.1:18290",
    "python": sys.executable,
    "mod_wsgi": "6.1.1",
    "mod_wsgi_python": sys.executable,
    "folders": ["/"],
    "workers_per_server": 64,
}


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """A copy of the project, as a collection."""
    folder = tmp_path / "ansible_collections" / "grove" / "wsgi"
    folder.mkdir(parents=True)
    for part in PARTS:
        if (REPOSITORY / part).is_dir():
            shutil.copytree(REPOSITORY / part, folder / part, ignore=shutil.ignore_patterns("__pycache__", "*.lock"))
        else:
            shutil.copy(REPOSITORY / part, folder / part)
    return folder


def block(language: str) -> str:
    """Return the page's code block of that language."""
    page = (REPOSITORY / "docs" / "contributing.md").read_text()
    [text] = re.findall(rf"```{language}\n(.*?)```\n", page, re.DOTALL)
    return str(text)


def insert(file: Path, after: str, text: str) -> None:
    """Insert text after the line that a pattern matches."""
    content = file.read_text()
    line = re.search(after, content, re.DOTALL)
    assert line is not None
    file.write_text(content[: line.end()] + text + content[line.end() :])


def run(folder: Path, *command: str) -> None:
    environment = os.environ | {
        "ANSIBLE_COLLECTIONS_PATH": str(folder.parents[2]),
        "ANSIBLE_COLLECTIONS_SCAN_SYS_PATH": "false",
    }
    completed = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert completed.returncode == 0, completed.stdout + completed.stderr


def test_a_key_that_is_added_as_the_page_says_reaches_apache(copied: Path, tmp_path: Path) -> None:
    insert(copied / "roles/wsgi_app/meta/argument_specs.yml", r"\n  record_reach:\n.*?\n    options:\n", block("yaml"))
    insert(copied / "httpd/app.conf.j2", r"\n[^\n]*LimitRequestBody[^\n]*\n", block("jinja"))
    run(copied, sys.executable, "docs/reference.py")
    record = {"name": "shop", "source": "shop==1", "entry": {"module": "shop:app"}, "listen": 18291}
    checks: dict[str, Any] = {
        "records": [{**record, "cache_seconds": 90}, {**record, "name": "cart", "listen": 18292}],
        "settings": SETTINGS,
        "layout": LAYOUT,
    }
    rendered = "lookup('grove.wsgi.rendered', template, checked.steps.sites, template_vars=common)"
    tasks = [
        {"grove.wsgi.check_records": checks, "register": "checked"},
        {"ansible.builtin.copy": {"content": f"{{{{ {rendered} | to_json }}}}", "dest": f"{tmp_path}/sites.json"}},
    ]
    common = {"layout": LAYOUT, "mod_wsgi": {"python_home": "/usr"}, "metrics": False, "only_from": []}
    variables = {"template": f"{copied}/httpd/app.conf.j2", "common": common}
    play = {"hosts": "localhost", "gather_facts": False, "vars": variables, "tasks": tasks}
    (tmp_path / "play.yml").write_text(yaml.safe_dump([play]))
    options = ("-i", "localhost,", "-c", "local", "-e", f"ansible_python_interpreter={sys.executable}")
    run(copied, f"{sys.prefix}/bin/ansible-playbook", *options, f"{tmp_path}/play.yml")
    sites = json.loads((tmp_path / "sites.json").read_text())
    assert '        Header set Cache-Control "max-age=90"\n' in sites["wsgi-shop"]
    assert "Cache-Control" not in sites["wsgi-cart"]


GROUPS = {
    "install": {"build"},
    "make": {"build"},
    "reach": {"apache"},
    "run": {"apache"},
    "replace": {"build", "serving"},
    "limits": {"apache", "build"},
}


def test_a_key_is_in_the_views_of_its_group(copied: Path, tmp_path: Path) -> None:
    specs = copied / "roles/wsgi_app/meta/argument_specs.yml"
    for group in GROUPS:
        option = block("yaml").replace("cache_seconds", f"new_{group}")
        insert(specs, rf"\n  record_{group}:\n.*?\n    options:\n", option)
    run(copied, sys.executable, "docs/reference.py")
    program = f"""
import sys, yaml
sys.path.insert(0, {str(tmp_path)!r})
from ansible.utils.collection_loader._collection_finder import _AnsibleCollectionFinder
_AnsibleCollectionFinder(paths=[{str(tmp_path)!r}], scan_sys_paths=False)._install()
from ansible_collections.grove.wsgi.plugins.plugin_utils.records import checking, settings, spec, views
options = spec.record_spec(yaml.safe_load(open({str(specs)!r}))["argument_specs"])
record = {{"name": "shop", "source": "shop==1", "entry": {{"module": "a:b"}}}}
record |= {{f"new_{{group}}": 90 for group in {list(GROUPS)!r}}}
checked = checking.check_records([record], options, settings.Settings.of({SETTINGS!r}))
assert not checked.problems, checked.problems
for group, expected in {GROUPS!r}.items():
    holding = {{name for name, view in views.views(checked.records[0]).items() if view.get(f"new_{{group}}") == 90}}
    assert holding == expected, group
"""
    run(copied, sys.executable, "-c", program)
