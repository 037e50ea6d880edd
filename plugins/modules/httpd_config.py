"""Change files of Apache's configuration tree in one step that Apache has checked."""

from __future__ import annotations

DOCUMENTATION = r"""
module: httpd_config
short_description: Change Apache's configuration as one checked step
description:
  - Takes sites, configuration snippets and modules by their names and puts them where the distribution's layout wants
    them, with the links that enable them.
  - The files are first put into a copy of the whole tree, which Apache checks. Only when Apache accepts it are they
    written, each by rename. After an error, the files that were written before it are put back.
  - Changed files are noted for M(grove.wsgi.httpd_service), which loads them into the running server.
options:
  layout:
    description: Where the distribution keeps Apache's files, C(httpd_layout) of the role C(httpd).
    type: dict
    required: true
  sites:
    description: Content of site files by name.
    type: dict
    default: {}
  confs:
    description: Content of configuration snippets by name.
    type: dict
    default: {}
  modules:
    description: Content of module files (C(LoadModule) lines) by name.
    type: dict
    default: {}
  ports:
    description: Content of the file that holds the C(Listen) lines.
    type: str
  secret_files:
    description: Content of files that only root may read, by their path relative to ServerRoot.
    type: dict
    default: {}
  enable_modules:
    description: Modules that the distribution ships. They are enabled where it enables modules by links.
    type: list
    elements: str
    default: []
  enable_modules_alone:
    description: Modules that are enabled like C(enable_modules), but without the distribution's settings for them.
    type: list
    elements: str
    default: []
  disable_modules:
    description: Modules of the distribution that are disabled.
    type: list
    elements: str
    default: []
  disable_sites:
    description: Sites that are disabled.
    type: list
    elements: str
    default: []
  disable_confs:
    description: Configuration snippets that are disabled.
    type: list
    elements: str
    default: []
  only_sites:
    description: A pattern of site names. Matching sites that Grove wrote are removed unless they are in C(sites).
    type: str
  remove_sites:
    description: Names of sites that are removed if Grove wrote them.
    type: list
    elements: str
    default: []
  keep_listening:
    description: Keep the C(Listen) lines that stand in the file of C(ports) and that the new content lacks.
    type: bool
    default: false
  needs_restart:
    description: Names out of C(confs) and C(modules) that a reload is not enough for.
    type: list
    elements: str
    default: []
  unit:
    description:
      - Content of a drop-in for Apache's unit of systemd. A change needs a restart. Without this option, the drop-in
        stays as it is.
    type: str
  scripts:
    description:
      - Content of scripts that sites name, by their absolute paths. A script is written if its folder exists, before
        the sites.
    type: dict
    default: {}
  compare:
    description: Also tell what M(grove.wsgi.httpd_service) would do then, in the same call.
    type: bool
    default: false
author: The Grove maintainers (@grove)
"""

EXAMPLES = r"""
- name: Declare a site
  grove.wsgi.httpd_config:
    layout: "{{ httpd_layout }}"
    sites:
      bookstore: "{{ lookup('ansible.builtin.template', 'bookstore.conf.j2') }}"
"""

RETURN = r"""
changed_files:
  description: Paths that were written or removed, or would be in check mode, relative to ServerRoot.
  type: list
  elements: str
  returned: always
restart_files:
  description: Those of them that Apache reads when it starts only.
  type: list
  elements: str
  returned: always
restart_reasons:
  description: >-
    On a host that hands over to a new Apache, the settings that need a restart all the same, each with the reason.
  type: list
  elements: str
  returned: always
load:
  description:
    - Of M(grove.wsgi.httpd_service), which loads the files, whether it has work (C(due)), and the C(action) that it
      would return.
  type: dict
  returned: with O(compare)
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.grove.wsgi.plugins.module_utils.httpd.config import Config, change
from ansible_collections.grove.wsgi.plugins.module_utils.httpd.layout import Layout
from ansible_collections.grove.wsgi.plugins.module_utils.httpd.service import Unwritten, load
from ansible_collections.grove.wsgi.plugins.module_utils.module_result import run_module


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "layout": {"type": "dict", "required": True},
            "sites": {"type": "dict", "default": {}},
            "confs": {"type": "dict", "default": {}},
            "modules": {"type": "dict", "default": {}},
            "ports": {"type": "str"},
            "secret_files": {"type": "dict", "default": {}, "no_log": True},
            "enable_modules": {"type": "list", "elements": "str", "default": []},
            "enable_modules_alone": {"type": "list", "elements": "str", "default": []},
            "disable_modules": {"type": "list", "elements": "str", "default": []},
            "disable_sites": {"type": "list", "elements": "str", "default": []},
            "disable_confs": {"type": "list", "elements": "str", "default": []},
            "only_sites": {"type": "str"},
            "remove_sites": {"type": "list", "elements": "str", "default": []},
            "keep_listening": {"type": "bool", "default": False},
            "needs_restart": {"type": "list", "elements": "str", "default": []},
            "unit": {"type": "str"},
            "scripts": {"type": "dict", "default": {}},
            "compare": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    layout = Layout.of(module.params["layout"])
    config = Config(**{name: value for name, value in module.params.items() if name not in ("layout", "compare")})

    def work() -> dict[str, Any]:
        result = change(layout, config, dry=module.check_mode)
        if module.params["compare"]:
            unwritten = Unwritten.of([result]) if module.check_mode else Unwritten()
            step = load(layout, lambda: list, dry=True, unwritten=unwritten)
            result["load"] = {"due": step["changed"], "action": step["action"]}
        return result

    run_module(module, work)


if __name__ == "__main__":
    main()
