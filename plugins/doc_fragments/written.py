"""Options of modules that write files of root."""

from __future__ import annotations


class ModuleDocFragment:
    """The fragment ``grove.wsgi.written``."""

    DOCUMENTATION = r"""
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
"""
