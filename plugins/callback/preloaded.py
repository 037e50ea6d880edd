"""Load what nearly every task needs before Ansible starts a process for each task."""

from __future__ import annotations

from typing import Any

from ansible.plugins.callback import CallbackBase
from ansible.plugins.loader import filter_loader, test_loader

DOCUMENTATION = r"""
name: preloaded
type: aggregate
short_description: Load what nearly every task needs before Ansible starts a process for each task
description:
  - Ansible does each task of a host in a process of its own, which imports the filters and tests of ansible-core anew,
    and those of this collection where a task uses one. This plugin imports them once, before the first of these
    processes.
  - Those of this collection are imported for a play with roles, which has many tasks.
requirements:
  - enabled in configuration, as the file ansible.cfg of Grove does
author: The Grove maintainers (@grove)
"""

CORE = "ansible.builtin.default"
OWN = "grove.wsgi.record_environment"
"""A filter of each collection. Ansible imports all files of its filters to find it."""
TEST = "ansible.builtin.defined"


class CallbackModule(CallbackBase):  # type: ignore[misc]
    """Callback ``grove.wsgi.preloaded``."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "grove.wsgi.preloaded"
    CALLBACK_NEEDS_ENABLED = True

    def v2_playbook_on_play_start(self, play: Any) -> None:
        """Load the plugins."""
        filter_loader.get(CORE)
        test_loader.get(TEST)
        if play.get_roles():
            filter_loader.get(OWN)
