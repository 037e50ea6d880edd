"""Documentation of the action ``backup_folder``, which runs on the controller alone."""

from __future__ import annotations

DOCUMENTATION = r"""
module: backup_folder
short_description: A backup on the controller
description:
  - With O(state=begun), makes the folder of a new backup, under a name that no whole backup has, and removes what
    interrupted runs have left.
  - With O(state=complete), adds the secrets and the manifest to it, gives it its name, and removes older backups.
  - With O(state=read), checks a backup and compares its secrets with those of the inventory.
  - With O(state=keystone), returns the keys of keystone that a backup has.
  - With O(state=put_back), writes the secrets of a backup that the inventory does not have.
  - This is an action.
options:
  state:
    description: What the action does.
    type: str
    choices: [begun, complete, read, put_back, keystone]
    required: true
  folder:
    description: The folder of all backups, for O(state=begun); the folder that was begun; or a whole backup.
    type: str
    required: true
  sources:
    description: The folders of the inventory's secrets, by C(secrets), C(openstack) and C(tls).
    type: dict
    default: {}
  apart:
    description: Folders that are no secrets, although they lie in a source.
    type: list
    elements: str
    default: []
  needed:
    description: The bytes that have to be free, for O(state=begun).
    type: int
    default: 0
  keep:
    description: How many backups stay, for O(state=complete). 0 for all.
    type: int
    default: 0
  made:
    description: What M(grove.wsgi.database_backup) returned, with C(host), C(hosts) and C(data_bytes).
    type: dict
    default: {}
  keystone:
    description: The keys of keystone in Base64, by their paths in its folder.
    type: dict
    default: {}
author: The Grove maintainers (@grove)
"""

EXAMPLES = r"""
- name: Check the backup
  grove.wsgi.backup_folder:
    state: read
    folder: /root/backups/2026-01-31T02-00-00Z
    sources: {secrets: /root/inventory/secrets}
  register: __backup
"""

RETURN = r"""
folder:
  description: The folder that was begun, or the whole backup.
  type: str
  returned: always
manifest:
  description: The manifest.
  type: dict
  returned: with state complete, read or put_back
problems:
  description: Secrets of the inventory that differ.
  type: list
  elements: str
  returned: with state read
keystone:
  description: The keys of keystone in Base64, by their paths.
  type: dict
  returned: with state keystone
removed:
  description: The names of the older backups that were removed.
  type: list
  elements: str
  returned: with state complete
written:
  description: The secrets that were written, or would be in check mode.
  type: list
  elements: str
  returned: with state put_back
"""
