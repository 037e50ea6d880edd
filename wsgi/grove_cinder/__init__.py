"""Cinder's API with its policies loaded: left to the first request, a second one at that moment finds none."""

from cinder import policy
from cinder.wsgi.api import application

__all__ = ["application"]

policy.init()
