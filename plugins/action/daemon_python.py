"""The controller's half of the module ``daemon_python``: it does not call a host on which nothing differs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.grove.wsgi.plugins.action.files import ActionModule as Files
from ansible_collections.grove.wsgi.plugins.module_utils.host.written import Text, is_known
from ansible_collections.grove.wsgi.plugins.module_utils.httpd.daemon_python import FILE_MODE, DaemonPython


class ActionModule(Files):
    """Action ``grove.wsgi.daemon_python``; see the module's documentation."""

    module = "grove.wsgi.daemon_python"

    def is_written(self, arguments: Mapping[str, Any], known: Mapping[str, str]) -> bool:
        """Return whether a host, of which ``known`` is known, has the Python that the arguments describe."""
        python = DaemonPython.of(arguments)
        texts = [Text(path, content, FILE_MODE) for path, content in python.files().items()]
        return is_known(known, (), texts, {python.link: python.python})
