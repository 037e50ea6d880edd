"""Files of root with a certain content."""

from __future__ import annotations

DOCUMENTATION = r"""
module: files
short_description: Files of root have a certain content
description:
  - Compares several files and symbolic links with those on the host in one call, and writes those that differ, each by
    rename.
extends_documentation_fragment: grove.wsgi.written
options:
  links:
    description: Targets of symbolic links, by the links' paths. Something else in the place of one is an error.
    type: dict
    default: {}
  known:
    description:
      - What M(grove.wsgi.host_info) has read as C(written). In a playbook this is an action, which does not call the
        host where nothing differs.
    type: dict
    default: {}
author: The Grove maintainers (@grove)
"""

EXAMPLES = r"""
- name: Write the configuration
  grove.wsgi.files:
    folders: [/etc/rabbitmq]
    files:
      - {path: /etc/rabbitmq/rabbitmq.conf, content: "{{ lookup('ansible.builtin.template', 'rabbitmq.conf.j2') }}"}
"""

RETURN = r"""
changed_files:
  description: The folders, files and links that were made or written, or would be in check mode.
  type: list
  elements: str
  returned: success
"""

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.grove.wsgi.plugins.module_utils.host.written import ARGUMENTS, texts_of, write_all
from ansible_collections.grove.wsgi.plugins.module_utils.module_result import run_module

DICT = {"type": "dict", "default": {}}


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec={**ARGUMENTS, "links": DICT, "known": DICT}, supports_check_mode=True)
    folders, texts = [Path(folder) for folder in module.params["folders"]], texts_of(module.params["files"])
    links = {Path(path): str(target) for path, target in module.params["links"].items()}
    run_module(module, lambda: write_all(folders, texts, links, dry=module.check_mode))


if __name__ == "__main__":
    main()
