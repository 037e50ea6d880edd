"""Cinder's API, with its policies loaded at the start.

Cinder itself loads them during the first request. A request that arrives meanwhile would find none.
"""

from cinder import policy
from cinder.wsgi.api import application

__all__ = ["application"]

policy.init()
