"""How a module ends: with the result of its work, or with the error that stopped it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.grove.wsgi.plugins.module_utils.errors import OperatorError
from ansible_collections.grove.wsgi.plugins.module_utils.host.os_errors import explain


def run_module(module: AnsibleModule, work: Callable[[], dict[str, Any]]) -> NoReturn:
    """Call ``work`` and end the module with its result.

    An OperatorError ends it as failed with its message, and an OSError with a sentence. An error may carry more values
    for the module's result in an attribute ``result``.
    """
    try:
        result = work()
    except (OperatorError, OSError) as error:
        module.fail_json(msg=explain(error), **getattr(error, "result", {}))
    module.exit_json(**result)
    raise AssertionError("exit_json does not return")
