"""Write the lock of an application."""

from __future__ import annotations

DOCUMENTATION = r"""
module: lock
short_description: The file with the versions and hashes of all packages of an application
description:
  - An action, which does all of its work on the controller. It makes the lock with uv, for the Pythons and platforms of
    the hosts, and writes it where the record's key C(lock) says. Versions of an existing lock stay where they fit.
  - It shows what it adds, changes and removes. In check mode it writes nothing.
options:
  app:
    description: The application's name.
    type: str
    required: true
  hosts:
    description: The results of M(grove.wsgi.lock_inputs), by host.
    type: dict
    required: true
  folders:
    description: The folders in which a relative path is looked up.
    type: list
    elements: path
    required: true
  upgrade:
    description: C(true), or the packages that get their newest versions that fit.
    type: raw
    default: false
  wheelhouse:
    description: A folder of wheels that is used instead of an index, if the controller has it.
    type: str
    default: ""
  uv_environment:
    description: Environment variables of uv on the hosts. Those of index and proxy count, where the shell has no other.
    type: dict
    default: {}
author: The Grove maintainers (@grove)
"""

EXAMPLES = r"""
- name: Write the lock
  grove.wsgi.lock:
    app: shop
    hosts: {web1: "{{ __inputs }}"}
    folders: "{{ wsgi_app_search_path }}"
"""

RETURN = r"""
path:
  description: The file.
  type: str
  returned: success
"""
