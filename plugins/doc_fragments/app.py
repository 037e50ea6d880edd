"""Options of modules that work on an application which was deployed on the host."""

from __future__ import annotations


class ModuleDocFragment:
    """The fragment ``grove.wsgi.app``."""

    DOCUMENTATION = r"""
options:
  app:
    description: The application's name.
    type: str
    required: true
  base:
    description: The folder that holds every application's folder.
    type: path
    default: /srv/wsgi
  run:
    description: The run that M(grove.wsgi.deployment) has begun.
    type: dict
"""
