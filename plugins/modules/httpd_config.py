"""Bring files of Apache's configuration tree to a wanted state, in one step that Apache has agreed to."""

from __future__ import annotations

DOCUMENTATION = r"""
module: httpd_config
short_description: Change Apache's configuration as one checked step
description:
  - Takes sites, configuration snippets and modules by their names and puts them where the distribution's layout wants
    them, with the links that enable them.
  - The wanted files are first put into a copy of the whole tree and read by Apache there. Only when it agrees are they
    written, each by rename; an error on the way puts back what was there.
  - What changed is noted for M(grove.wsgi.httpd_service), which loads it into the running server.
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
    description: Modules that the distribution ships, to be enabled where it enables them by links.
    type: list
    elements: str
    default: []
  disable_modules:
    description: Modules to be disabled there.
    type: list
    elements: str
    default: []
  disable_sites:
    description: Sites to be disabled.
    type: list
    elements: str
    default: []
  disable_confs:
    description: Configuration snippets to be disabled.
    type: list
    elements: str
    default: []
  only_sites:
    description: A pattern of site names; sites of that name which Grove wrote and which C(sites) lacks are removed.
    type: str
  keep_listening:
    description: Keep the C(Listen) lines that stand in the file of C(ports) and that the new content lacks.
    type: bool
    default: false
  needs_restart:
    description: Names out of C(confs) and C(modules) that a reload is not enough for.
    type: list
    elements: str
    default: []
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
  description: Paths that were (or, in check mode, would be) written or removed, relative to ServerRoot.
  type: list
  elements: str
  returned: always
"""

import os
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.grove.wsgi.plugins.module_utils.httpd import loaded as httpd_loaded
from ansible_collections.grove.wsgi.plugins.module_utils.httpd import tree as httpd_tree


def wanted_from(params: dict[str, Any], layout: httpd_tree.Layout) -> httpd_tree.Wanted:
    """Translate the module's parameters into the entries of a tree."""
    wanted = httpd_tree.Wanted(layout)
    for path, content in params["secret_files"].items():
        wanted.add_file(path, content, mode=0o600)
    for name, content in params["modules"].items():
        wanted.add_module(name, content)
    for name, content in params["confs"].items():
        wanted.add_conf(name, content)
    for name, content in params["sites"].items():
        wanted.add_site(name, content)
    if params["ports"] is not None:
        if layout.ports.startswith("!"):
            path = layout.conf.format(layout.ports[1:])
            wanted.add_conf(layout.ports[1:], ports_with_kept(params, layout, path))
        else:
            wanted.add_file(layout.ports, ports_with_kept(params, layout, layout.ports))
    for name in params["enable_modules"]:
        wanted.enable_module(name)
    for name in params["disable_modules"]:
        wanted.disable_module(name)
    for name in params["disable_sites"]:
        wanted.disable_site(name)
    for name in params["disable_confs"]:
        wanted.disable_conf(name)
    if params["only_sites"]:
        wanted.keep_only(params["only_sites"])
    return wanted


def ports_with_kept(params: dict[str, Any], layout: httpd_tree.Layout, path: str) -> str:
    """Return the content of ``ports``; with ``keep_listening``, and the addresses that Grove wrote there before."""
    content: str = params["ports"]
    before = httpd_tree.current(layout.root, path).content or ""
    if not params["keep_listening"] or httpd_tree.MARK not in before:
        return content
    lines = {line for line in [*content.splitlines(), *before.splitlines()] if line.startswith("Listen ")}
    head = content.partition("Listen ")[0]
    return head + "".join(f"{line}\n" for line in sorted(lines))


def diff_of(layout: httpd_tree.Layout, changed: dict[str, httpd_tree.Entry]) -> list[dict[str, str]]:
    """Return a diff for each changed path; files with restricted modes keep their content to themselves."""
    diffs = []
    for path, entry in changed.items():
        absolute = os.path.join(layout.root, path)
        if entry.mode & 0o077 == 0:
            diffs.append({"header": absolute, "prepared": "(content not shown)\n"})
            continue
        before = httpd_tree.current(layout.root, path)
        diffs.append(
            {
                "before_header": absolute,
                "after_header": absolute,
                "before": before.describe(),
                "after": entry.describe(),
            }
        )
    return diffs


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
            "disable_modules": {"type": "list", "elements": "str", "default": []},
            "disable_sites": {"type": "list", "elements": "str", "default": []},
            "disable_confs": {"type": "list", "elements": "str", "default": []},
            "only_sites": {"type": "str"},
            "keep_listening": {"type": "bool", "default": False},
            "needs_restart": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
    )
    try:
        layout = httpd_tree.Layout.of(module.params["layout"])
        wanted = wanted_from(module.params, layout)
        httpd_tree.refuse_foreign(wanted, list(module.params["sites"]))
        changed = httpd_tree.changes(wanted)
        installed = os.path.exists(layout.binary) and os.path.exists(os.path.join(layout.root, layout.main))
        if changed and installed:
            httpd_tree.check_staged(layout, changed)
        diff = diff_of(layout, changed)
        if changed and not module.check_mode:
            httpd_tree.apply(layout, changed)
        if not module.check_mode:
            restart_paths = [
                template.format(name)
                for name in module.params["needs_restart"]
                for template in (layout.conf, layout.module)
            ]
            httpd_loaded.note_applied(layout.root, wanted.entries, restart_paths, changed)
    except (httpd_tree.TreeError, OSError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=bool(changed), changed_files=sorted(changed), diff=diff)


if __name__ == "__main__":
    main()
