"""Keep the modules that Ansible has packed for the next run."""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import pickle
import sys
from pathlib import Path
from typing import Any

import ansible
from ansible import constants
from ansible.executor.module_common import _CachedModule
from ansible.plugins.callback import CallbackBase
from ansible.plugins.loader import module_utils_loader
from ansible_collections.grove.wsgi.plugins.plugin_utils.bytecode import with_bytecode
from ansible_collections.grove.wsgi.plugins.plugin_utils.packed import Packed, key_of

DOCUMENTATION = r"""
name: packed
type: aggregate
short_description: Keep the modules that Ansible has packed for the next run
description:
  - Ansible packs each module with all that it imports anew in each run. This plugin keeps what it has packed in the
    folder C(grove-packed) of C(ANSIBLE_HOME), and gives it to the next run, unless a file of it or Ansible has changed.
  - It adds the bytecode of the controller's Python. A host with the same version of Python need not compile the module.
  - Only modules of this collection and of ansible-core are kept. The folder may be removed at any time.
requirements:
  - enabled in configuration, as the file ansible.cfg of Grove does
author: The Grove maintainers (@grove)
"""

PLUGINS = Path(__file__).resolve().parents[1]


class CallbackModule(CallbackBase):  # type: ignore[misc]
    """Callback ``grove.wsgi.packed``."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "grove.wsgi.packed"
    CALLBACK_NEEDS_ENABLED = True

    def v2_playbook_on_start(self, playbook: Any) -> None:
        """Give the run what earlier ones have packed. All playbooks are read: they may bring folders of their own."""
        self.packed = packed()
        # Without it, the run packs its modules itself.
        with contextlib.suppress(OSError):
            self.packed.restore(cache())

    def v2_playbook_on_stats(self, stats: Any) -> None:
        """Keep what the run has packed, unless a file has changed meanwhile."""
        with contextlib.suppress(OSError):
            if packed() == self.packed:
                self.packed.keep(cache(), compiled)


def packed() -> Packed:
    """Return the packed modules of this version of Grove and Ansible."""
    versions = [ansible.__version__, ansible.__file__, sys.version]
    folders = [PLUGINS / "modules", PLUGINS / "module_utils"]
    used = [Path(folder) for folder in module_utils_loader._get_paths(subdirs=False)]
    return Packed(Path(constants.ANSIBLE_HOME, "grove-packed"), key_of(versions, [*folders, *used]))


def compiled(content: bytes) -> bytes:
    """Return a file of Ansible's folder for packed modules, with bytecode in it."""
    module = pickle.loads(content)
    if not isinstance(module, _CachedModule):
        raise TypeError(f"Ansible keeps a packed module as {type(module).__name__}, and not as _CachedModule")
    archive = with_bytecode(base64.b64decode(module.zip_data))
    return pickle.dumps(dataclasses.replace(module, zip_data=base64.b64encode(archive)))


def cache() -> Path:
    """Return the folder in which Ansible looks for packed modules of this run; see its module_common.py."""
    return Path(constants.DEFAULT_LOCAL_TMP, "ansiballz_cache")
