"""Neutron's API, with its policies loaded at the start.

Neutron itself loads them during the first request. A request that arrives meanwhile would find none.
"""

from neutron import policy
from neutron.wsgi.api import application

__all__ = ["application"]

policy.init()
