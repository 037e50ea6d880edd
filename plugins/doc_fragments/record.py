"""Options of modules that work on a release of an application, with the application's record."""

from __future__ import annotations


class ModuleDocFragment:
    """The fragment ``grove.wsgi.record``."""

    DOCUMENTATION = r"""
options:
  record:
    description: The serving part of the completed record, as M(grove.wsgi.check_records) returns it.
    type: dict
    required: true
  release:
    description: The release's id.
    type: str
    required: true
  run:
    description: The run that M(grove.wsgi.deployment) has begun.
    type: dict
"""
