"""Lets Python itself look up the attributes of Pecan's requests.

`pecan.Request` (Pecan 1.8.0) has a `__getattribute__` in Python, which answers 400 to what cannot be decoded. A small
request calls it 80 times. Only properties can fail in that way. So this piece removes the method, and gives the class
properties that do the same when they fail. Three properties and two methods that each request needs take a shorter way
in the usual case: an ASCII path, no form, no class attribute of the same name.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from types import BuiltinFunctionType, FunctionType, GetSetDescriptorType
from typing import Any

from .pecan_piece import Piece, Replacement, UnknownError

_log = logging.getLogger(__name__)

_HARMLESS = (BuiltinFunctionType, FunctionType, GetSetDescriptorType, classmethod, staticmethod)
"""Kinds of attributes that decode nothing when they are read."""

_ADHOC = frozenset({"context", "pecan"})
"""The attributes that Pecan sets on each request. They are in the request's environment, not in the object."""


def _build() -> Iterator[Replacement]:
    import pecan.core
    from webob.multidict import NestedMultiDict

    request = pecan.core.Request
    upstream = vars(request)["__getattribute__"]
    for cls in _subclasses(request):
        if cls.__getattribute__ is not upstream:
            raise UnknownError(f"{cls.__module__}.{cls.__qualname__} looks up its attributes in its own way")
        yield Replacement(cls, "__getattribute__", upstream)
    for name, value in _properties(request).items():
        yield Replacement(request, name, value)
    for name in sorted(_ADHOC):
        if hasattr(request, name):
            raise UnknownError(f"pecan.Request has an attribute {name}")
        yield Replacement(request, name, _Adhoc(name))
    yield Replacement(request, "__setattr__", _setting(request))
    yield Replacement(NestedMultiDict, "get", _getting())
    yield Replacement(request, "__init_subclass__", classmethod(_init_subclass))
    # This comes last, and is undone first: until then all classes answer 400 in the old way, too.
    yield Replacement(request, "__getattribute__", object.__getattribute__)


def _subclasses(cls: Any) -> Iterator[Any]:
    for subclass in cls.__subclasses__():
        yield subclass
        yield from _subclasses(subclass)


def _init_subclass(cls: Any, /, **arguments: Any) -> None:
    """Give a class that an application derives from Pecan's the method that the derived class may need."""
    import pecan.core

    super(pecan.core.Request, cls).__init_subclass__(**arguments)
    if cls.__getattribute__ is object.__getattribute__:
        cls.__getattribute__ = piece.former(pecan.core.Request, "__getattribute__")
    else:
        _log.warning("%s is undone: %s looks up its attributes in its own way", piece.title, cls.__qualname__)
        piece.uninstall()


def _properties(request: Any) -> dict[str, property]:
    from webob.descriptors import environ_getter

    plain = {environ_getter("KEY").fget.__code__, environ_getter("KEY", None).fget.__code__}
    properties = {}
    # `object` comes last in the order of classes. Its attributes are harmless.
    for name, value in {name: value for cls in request.__mro__[-2::-1] for name, value in vars(cls).items()}.items():
        if isinstance(value, property):
            if value.fget is not None and getattr(value.fget, "__code__", None) not in plain:
                properties[name] = _with(value, _refusing(value.fget))
        # Names such as __providedBy__, which zope.interface adds, belong to Python or to libraries, and decode nothing.
        elif hasattr(type(value), "__get__") and not isinstance(value, _HARMLESS) and not name.startswith("__"):
            raise UnknownError(f"pecan.Request.{name} is a {type(value).__qualname__}")
    properties["path_info"] = _with(request.path_info, _ascii("PATH_INFO", None, properties["path_info"].fget))
    properties["script_name"] = _with(request.script_name, _ascii("SCRIPT_NAME", "", properties["script_name"].fget))
    properties["params"] = _with(request.params, _params(request, properties["params"].fget))
    return properties


def _with(upstream: property, fget: Callable[[Any], Any]) -> property:
    return property(fget, upstream.fset, upstream.fdel, upstream.__doc__)


def _refusing(get: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return a function that answers 400 to what `get` cannot decode."""
    from pecan import core

    def fget(self: Any) -> Any:
        try:
            return get(self)
        except UnicodeDecodeError as error:
            core.logger.exception(error)
            core.abort(400)

    return fget


def _ascii(key: str, default: str | None, get: Any) -> Callable[[Any], Any]:
    """Return a function that reads ASCII text from the environment as it is, and other text with `get`."""

    def fget(self: Any) -> Any:
        environ = self.environ
        value = environ.get(key, default)
        if type(value) is str and value.isascii() and "webob.url_encoding" not in environ:
            return value
        return get(self)

    return fget


def _params(request: Any, get: Any) -> Callable[[Any], Any]:
    """Return a function that does not look for a form in a request without one."""
    from webob.multidict import NestedMultiDict, NoVars

    def fget(self: Any) -> Any:
        environ = self.environ
        if (
            environ.get("REQUEST_METHOD", "GET") != "POST"
            and environ.get("CONTENT_TYPE", "") == ""
            and "webob._parsed_post_vars" not in environ
            and type(self) is request
        ):
            return NestedMultiDict(self.GET, NoVars("Not an HTML form submission (Content-Type: )"))
        return get(self)

    return fget


class _Adhoc:
    """Reads one of Pecan's own attributes from the environment. The class itself seems not to have the attribute."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __get__(self, request: Any, cls: type) -> Any:
        if request is None:
            raise AttributeError(f"type object {cls.__name__!r} has no attribute {self.name!r}")
        try:
            return request.environ["webob.adhoc_attrs"][self.name]
        except KeyError:
            raise AttributeError(self.name) from None


def _setting(request: Any) -> Callable[[Any, str, Any], None]:
    """Return a function that stores Pecan's own attributes without asking the class for each of them."""
    upstream = request.__setattr__
    classes = [vars(cls) for cls in request.__mro__]

    def __setattr__(self: Any, attr: str, value: Any) -> None:  # noqa: N807
        if attr in _ADHOC and type(self) is request:
            for attributes in classes:
                if attr in attributes and type(attributes[attr]) is not _Adhoc:
                    break
            else:
                self.environ.setdefault("webob.adhoc_attrs", {})[attr] = value
                return
        upstream(self, attr, value)

    return __setattr__


def _getting() -> Callable[..., Any]:
    """Return a function that reads a query or a form without raising an exception for each name that is absent."""
    from webob.multidict import GetDict, MultiDict, NestedMultiDict, NoVars

    upstream = NestedMultiDict.get
    if not (upstream is GetDict.get is MultiDict.get is Mapping.get):
        raise UnknownError("webob.multidict has a get of its own")

    def get(self: Any, key: Any, default: Any = None) -> Any:
        if type(self) is not NestedMultiDict:
            return upstream(self, key, default)
        for values in self.dicts:
            kind = type(values)
            if kind is GetDict or kind is MultiDict:
                for name, value in reversed(values._items):
                    if name == key:
                        return value
            elif kind is not NoVars:
                return upstream(self, key, default)
        return default

    return get


piece = Piece(
    "The attributes of Pecan's requests",
    {
        "pecan.core:Request.__getattribute__": "893a26d50a809d4f",
        "pecan.core:Request.__getattr__": "be4d680595280cc9",
        "pecan.core:Request.__setattr__": "906ad1838848a894",
        "pecan.core:Request.encget": "475eca810591389e",
        "pecan.core:Request.path_info.fget": "16a3cf0a088570c5",
        "pecan.core:Request.script_name.fget": "c654b8ab9faffab4",
        "pecan.core:Request.params.fget": "dfee29f116886bdd",
        "pecan.core:Request.POST.fget": "41002b0c2cf3f4af",
        "pecan.core:Request.content_type.fget": "0205ec6650b60b3b",
        "pecan.core:abort": "aa47c7774741dc2c",
        "webob.descriptors:environ_getter": "dffccc8d1fbb29e8",
        "webob.descriptors:environ_decoder": "ee6aafa849660126",
        "webob.multidict:NestedMultiDict.__getitem__": "da695106b8847e22",
        "webob.multidict:GetDict.__getitem__": "af1f38cd31a81928",
        "webob.multidict:NoVars.get": "1de82000f586a84f",
    },
    _build,
)
install, uninstall = piece.install, piece.uninstall
