"""Documentation of the action ``distribution``, which calls a shell of the host, or M(ansible.builtin.setup)."""

from __future__ import annotations

DOCUMENTATION = r"""
module: distribution
short_description: Read the distribution, the package manager, the service manager and the state of SELinux
description:
  - Sets the facts C(distribution), C(distribution_major_version), C(distribution_release), C(distribution_version),
    C(os_family), C(pkg_mgr), C(selinux) and C(service_mgr), as M(ansible.builtin.setup) does.
  - This is an action. On Debian and Ubuntu it reads some small files with one command of the shell, and starts no
    Python on the host. On any other host it calls M(ansible.builtin.setup). It changes nothing.
options: {}
author: The Grove maintainers (@grove)
"""

EXAMPLES = r"""
- name: Read the distribution
  grove.wsgi.distribution:
"""

RETURN = "{}"
