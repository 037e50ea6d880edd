"""Records for tests: the argument specs of their keys, the settings of a host, and the part that switching reads."""

from __future__ import annotations

import os
import pwd
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


def switching_part(base: Path, port: int) -> dict[str, Any]:
    """Return what switching reads of the record of an app named shop, with nothing that listens on its port."""
    return {
        "name": "shop",
        "folder": str(base / "shop"),
        "account": pwd.getpwuid(os.getuid()).pw_name,
        "processes": 2,
        "health_path": "/",
        "start_timeout": 1,
        "idle": "cold",
        "drain_timeout": 60,
        "address": "127.0.0.1",
        "port": port,
        "server_name": None,
        "tls": "off",
        "url": f"http://127.0.0.1:{port}/",
        "door": f"127.0.0.1:{port}",
        "doors": {"blue": "blue.shop.door", "green": "green.shop.door"},
    }
