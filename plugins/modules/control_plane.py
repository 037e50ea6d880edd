"""The documentation of the action ``control_plane``."""

from __future__ import annotations

DOCUMENTATION = r"""
module: control_plane
short_description: Checks the variables of a control plane and writes its secrets
description:
  - Checks the settings of a control plane, the variables C(NAME_service) of its services and the secrets that exist,
    and that every service which another one sends requests to is in somebody's C(wsgi_services). All that is wrong is
    reported at once.
  - Writes the secrets of the generation that do not exist yet, on the controller. No secret is in the result.
  - Roles and plays read the control plane by the lookup of the same name, which takes what this task returned.
options:
  settings:
    description:
      - The variables of the role C(openstack) without their prefix, C(address), C(region), C(keystone_url),
        C(database_kind), C(database_address), C(message_bus_address), C(cache_addresses), C(secrets_dir), C(versions)
        and C(version_overrides), and C(rotation_to) and C(retired) of a rotation.
    type: dict
    required: true
  services:
    description: The variable C(NAME_service) of each service of all hosts by its name, empty where it is not known.
    type: dict
    required: true
author: The Grove maintainers (@grove)
"""

EXAMPLES = r"""
- name: Check the control plane and write its secrets
  grove.wsgi.control_plane:
    settings: "{{ __openstack_settings }}"
    services: "{{ __openstack_descriptions }}"
  register: __openstack_checked
"""

RETURN = r"""
settings:
  description: The settings as values, without templates.
  type: dict
  returned: always
services:
  description: The services as values, without templates.
  type: dict
  returned: always
written:
  description: The names of the secrets that were written, or would be in check mode.
  type: list
  returned: always
"""
