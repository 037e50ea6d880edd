"""Files of root with a certain content."""

from __future__ import annotations

DOCUMENTATION = r"""
module: files
short_description: Files of root have a certain content
description:
  - Compares several files and symbolic links with those on the host in one call, and writes those that differ, each by
    rename.
options:
  folders:
    description: Folders that are made before, for everybody to read. Those that exist stay as they are.
    type: list
    elements: path
    default: []
  files:
    description: The files, which belong to root.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: The file's path.
        type: path
        required: true
      content:
        description: The whole content.
        type: str
        required: true
      mode:
        description: Permissions in octal digits.
        type: str
        default: "0644"
      validate:
        description:
          - A command that checks a copy of a file that differs, before any file is written. The copy's path takes the
            place of C(%s) in a word. A host that does not have the program yet checks nothing.
        type: list
        elements: str
        default: []
  links:
    description: Targets of symbolic links, by the links' paths. Something else in the place of one is an error.
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
from ansible_collections.grove.wsgi.plugins.module_utils.host.written import Text, write_all
from ansible_collections.grove.wsgi.plugins.module_utils.module_result import run_module


def main() -> None:
    """Run the module."""
    file = {
        "path": {"type": "path", "required": True},
        "content": {"type": "str", "required": True},
        "mode": {"type": "str", "default": "0644"},
        "validate": {"type": "list", "elements": "str", "default": []},
    }
    module = AnsibleModule(
        argument_spec={
            "folders": {"type": "list", "elements": "path", "default": []},
            "files": {"type": "list", "elements": "dict", "default": [], "options": file},
            "links": {"type": "dict", "default": {}},
        },
        supports_check_mode=True,
    )
    folders = [Path(folder) for folder in module.params["folders"]]
    texts = [
        Text(Path(one["path"]), one["content"], int(one["mode"], 8), one["validate"]) for one in module.params["files"]
    ]
    links = {Path(path): str(target) for path, target in module.params["links"].items()}
    run_module(module, lambda: write_all(folders, texts, links, dry=module.check_mode))


if __name__ == "__main__":
    main()
