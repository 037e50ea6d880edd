"""How a module ends: with the result of its work, or with the error that stopped it."""

from __future__ import annotations

import os
import pwd
from collections.abc import Callable
from typing import Any, NoReturn

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.grove.wsgi.plugins.module_utils.errors import OperatorError
from ansible_collections.grove.wsgi.plugins.module_utils.host.os_errors import explain

UMASK = 0o022
"""Accounts of applications read what is written for them, and Apache's what it serves. The umask of root's shell may
forbid that."""


class AccountError(OperatorError):
    """The module does not run as root."""


def run_module(module: AnsibleModule, work: Callable[[], dict[str, Any]]) -> NoReturn:
    """Call ``work`` and end the module with its result.

    A module works as root, and with ``UMASK``. An OperatorError ends it as failed with its message, and an OSError with
    a sentence. An error may carry more values for the module's result in an attribute ``result``.
    """
    os.umask(UMASK)
    try:
        require_root()
        result = work()
    except (OperatorError, OSError) as error:
        module.fail_json(msg=explain(error), **getattr(error, "result", {}))
    module.exit_json(**result)
    raise AssertionError("exit_json does not return")


def require_root() -> None:
    """Raise AccountError unless this process runs as root."""
    number = os.geteuid()
    if number == 0:
        return
    try:
        account = pwd.getpwuid(number).pw_name
    except KeyError:
        account = str(number)
    raise AccountError(
        f"Grove works as root on the host, and Ansible runs as {account} there; nothing was changed. Add -b to the"
        " command (and -K, if sudo asks for a password), or set ansible_become: true for the host in the inventory"
    )
