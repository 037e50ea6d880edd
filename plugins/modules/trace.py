"""Send one request to an application and read its trace."""

from __future__ import annotations

DOCUMENTATION = r"""
module: trace
short_description: One request to the live slot of an application, with the time in each part of the application
description:
  - Sends the request through the door of the live slot. The process that answers writes the trace to the application's
    log, from which the module reads it. Other requests are not touched.
  - In check mode, a request is sent only if its method changes nothing.
options:
  app:
    description: The application's name.
    type: str
    required: true
  request:
    description: C(METHOD URL), or C(METHOD URL JSON). The URL is a path below the path of the application's record.
    type: str
    required: true
  headers:
    description: >-
      Headers of the request, each as C(NAME: VALUE).
    type: list
    elements: str
    default: []
  timeout:
    description: Seconds until there has to be an answer.
    type: float
    default: 60
  base:
    description: The folder that holds every application's folder.
    type: path
    default: /srv/wsgi
author: The Grove maintainers (@grove)
"""

EXAMPLES = r"""
- name: Trace a request
  grove.wsgi.trace:
    app: telemetry
    request: GET /v2/meters?limit=1
  register: trace
"""

RETURN = r"""
slot:
  description: The slot that has answered.
  type: str
  returned: when the request was sent
release:
  description: The release that has answered.
  type: str
  returned: when the request was sent
status:
  description: The status of the answer.
  type: int
  returned: when the request was sent
lines:
  description: The trace.
  type: list
  elements: str
  returned: when the request was sent
"""

from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.grove.wsgi.plugins.module_utils.module_result import run_module
from ansible_collections.grove.wsgi.plugins.module_utils.switching import app_file, traced


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "app": {"type": "str", "required": True},
            "request": {"type": "str", "required": True},
            # A header may be somebody's token.
            "headers": {"type": "list", "elements": "str", "default": [], "no_log": True},
            "timeout": {"type": "float", "default": 60},
            "base": {"type": "path", "default": "/srv/wsgi"},
        },
        supports_check_mode=True,
    )
    params = module.params

    def work() -> dict[str, Any]:
        request = traced.parse(params["request"], params["headers"])
        if not params["timeout"] > 0:
            raise traced.TraceError(f"timeout is {params['timeout']}; it has to be above 0")
        app, record = app_file.read(Path(params["base"]), params["app"])
        if module.check_mode and not request.is_reading:
            return {"changed": True}
        answer = traced.send(app, traced.path_of(record), request, params["timeout"])
        return {"changed": not request.is_reading, **answer}

    run_module(module, work)


if __name__ == "__main__":
    main()
