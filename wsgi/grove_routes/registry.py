"""The readers, in the order in which they are asked. A new framework is one more class, and one line here."""

from __future__ import annotations

from .read_others import Bottle, Django, Falcon, Pyramid
from .read_paste import Cascade, UrlMap
from .read_pecan import Pecan
from .read_routes import Router
from .read_werkzeug import Dispatcher, Flask, RuleMap
from .walking import Reader

READERS: list[Reader] = [
    UrlMap(),
    Cascade(),
    Dispatcher(),
    Pecan(),
    Flask(),
    Django(),
    Falcon(),
    Bottle(),
    Pyramid(),
    # These two look for an attribute, and the ones above for a class.
    Router(),
    RuleMap(),
]
