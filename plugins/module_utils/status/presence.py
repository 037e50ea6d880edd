"""Whether an application that was deployed on this host is still served, or was removed and left its files.

Every part that lists the applications of a host asks this module, so that all parts say the same.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ansible_collections.grove.wsgi.plugins.module_utils.logs.places import is_mounted
from ansible_collections.grove.wsgi.plugins.module_utils.status.words import REMOVED, SERVED
from ansible_collections.grove.wsgi.plugins.module_utils.switching import app_file
from ansible_collections.grove.wsgi.plugins.module_utils.switching.application import App


def presence(app: App) -> str:
    """Return ``SERVED`` if a site of Apache has the application, and ``REMOVED`` if none has.

    The first switch of an application writes the file by which it is known, after Apache has loaded its site.
    """
    return SERVED if is_mounted(app.folder.name, app.apache.program) else REMOVED


def served(base: Path) -> list[App]:
    """Return the applications below ``base`` that were not removed."""
    return [app for app in _applications(base) if presence(app) == SERVED]


def _applications(base: Path) -> Iterable[App]:
    return (app_file.read(base, name)[0] for name in app_file.names(base))
