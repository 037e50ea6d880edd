"""The argument specs of a record's keys, and the settings of a host, for the tests of records."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from ansible_collections.grove.wsgi.plugins.plugin_utils.records.settings import Settings
from ansible_collections.grove.wsgi.plugins.plugin_utils.records.spec import record_spec

PYTHON = "/usr/bin/python3"
ENTRY_POINTS: dict[str, Any] = yaml.safe_load(
    (Path(__file__).resolve().parents[1] / "roles/wsgi_app/meta/argument_specs.yml").read_text()
)["argument_specs"]
SPEC = record_spec(ENTRY_POINTS)
SETTINGS = Settings(
    base="/srv/wsgi",
    state_base="/var/lib",
    log_base="/var/log",
    listen_address="*",
    door="127.0.0.1:9080",
    python=PYTHON,
    mod_wsgi="6.1.1",
    mod_wsgi_python=PYTHON,
    folders=(),
    workers_per_server=64,
)
