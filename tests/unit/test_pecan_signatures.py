"""The replaced signatures of Pecan against Pecan's own."""

import collections
import functools
import gc
import inspect
import logging
import sys
import types
import weakref
from collections.abc import Callable, Iterator
from importlib.metadata import version
from typing import Any

import pecan
import pecan.compat
import pecan.core
import pecan.decorators
import pecan.rest
import pecan.routing
import pecan.secure
import pecan.util
import pytest
from grove_runtime import pecan_signatures
from pecan_controllers import hiding, wrapping
from webob import Request

upstream = pecan.compat.getargspec
"""Pecan's own function: this module is imported before anything is installed."""


@pytest.fixture(autouse=True)
def _uninstalled() -> Iterator[None]:
    pecan_signatures.uninstall()
    yield
    pecan_signatures.uninstall()


def announcing(text: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        def wrapper(self: Any, *args: Any) -> Any:
            return function(self, text, *args)

        return wrapper

    return decorate


def function(a: int, b: str = "b", /, c: int = 3, *rest: int, d: int, e: int = 5, **others: int) -> None:
    pass


def selfish(self: Any, a: Any = None) -> None:
    pass


def signed(a: Any, b: Any) -> None:
    pass


signed.__signature__ = inspect.signature(selfish)  # type: ignore[attr-defined]


async def coroutine(self: Any, a: Any, *, b: Any) -> None:
    pass


def generator(self: Any, *a: Any) -> Iterator[None]:
    yield


class Controller:
    def method(self, a: Any, b: Any = (), *c: Any, **d: Any) -> None:
        pass

    def this(this, a: Any) -> None:  # noqa: N805
        pass

    def without(*args: Any) -> None:
        pass

    @classmethod
    def of_class(cls, a: Any) -> None:
        pass

    @staticmethod
    def static(a: Any, b: Any = 1) -> None:
        pass

    @wrapping
    def wrapped(self, a: Any, b: Any = 2) -> None:
        pass

    @hiding
    def hidden(self, a: Any, b: Any = 2) -> None:
        pass

    @wrapping
    @announcing("x")
    @hiding
    def deep(self, text: Any, a: Any) -> None:
        pass

    @pecan.expose("json", generic=True)
    def exposed(self, a: Any) -> None:
        pass

    @pecan.secure.secure(lambda: True)
    @pecan.expose()
    def secured(self, a: Any) -> None:
        pass

    partial_method = functools.partialmethod(method, 1)

    def __call__(self, a: Any) -> None:
        pass


class Child(Controller):
    pass


class Silent:
    pass


class Keeper(pecan.secure.SecureController):
    @pecan.expose()
    def index(self, a: Any, b: Any = 1) -> None:
        pass


class Rest(pecan.rest.RestController):
    @pecan.expose("json")
    def get_one(self, key: str, *, more: str = "") -> None:
        pass


CALLABLES = {
    "function": function,
    "selfish": selfish,
    "signed": signed,
    "coroutine": coroutine,
    "generator": generator,
    "lambda": lambda a, b=1, *c: None,
    "lambda with self": lambda self, *, k=1: None,
    "wrapped function": wrapping(function),
    "wrapped selfish": wrapping(selfish),
    "wrapped twice": wrapping(wrapping(selfish)),
    "wrapped signed": wrapping(signed),
    "hidden": hiding(selfish),
    "announcing": announcing("x")(selfish),
    "method": Controller().method,
    "method of the class": Controller.method,
    "inherited": Child().method,
    "inherited, of the class": Child.method,
    "this": Controller().this,
    "without": Controller().without,
    "class method": Controller.of_class,
    "class method of an instance": Child().of_class,
    "static method": Controller.static,
    "wrapped method": Controller().wrapped,
    "hidden method": Controller().hidden,
    "deep method": Controller().deep,
    "exposed": Controller().exposed,
    "secured": Controller().secured,
    "partial method": Controller().partial_method,
    "callable object": Controller(),
    "class": Controller,
    "class without __init__": Silent,
    "object that cannot be called": Silent(),
    "partial": functools.partial(function, 1),
    "partial with self": functools.partial(selfish, a=1),
    "method of a callable object": types.MethodType(Controller(), 1),
    "builtin": len,
    "builtin class": int,
    "builtin method": [].append,
    "slot": object.__init__,
    "None": None,
    "secure controller": Keeper().index,
    "REST": Rest().get_one,
    "REST, Pecan's own": Rest()._route,
    "REST handler": Rest()._handle_get,
}


def outcome(getargspec: Callable[[Any], Any], target: Any) -> Any:
    """Return the result of a call, or the type and text of its exception. Two of these can be compared."""
    try:
        result = getargspec(target)
    except Exception as error:
        return type(error), str(error)
    return type(result).__name__, result._asdict(), tuple(result), [type(item) for item in result]


@pytest.mark.parametrize("target", CALLABLES.values(), ids=CALLABLES.keys())
def test_equal_to_upstream(target: Any) -> None:
    shallow, deep = outcome(upstream, target), outcome(pecan.util.getargspec, target)
    assert pecan_signatures.install()
    for _ in range(3):
        assert outcome(pecan.compat.getargspec, target) == shallow
        assert outcome(pecan.util.getargspec, target) == deep


def test_upstream_still_needs_the_fix() -> None:
    assert type(upstream(selfish)) is not type(upstream(selfish)), (
        f"Pecan {version('pecan')} no longer builds a class for each signature: "
        "wsgi/grove_runtime/pecan_signatures.py and whatever installs it can go."
    )


@pytest.mark.parametrize("module", [pecan.core, pecan.rest, pecan.routing, pecan.decorators, pecan.util])
def test_every_module_of_pecan_is_reached(module: Any) -> None:
    assert pecan_signatures.install()
    assert type(module.getargspec(selfish)) is pecan_signatures.ArgSpec
    pecan_signatures.uninstall()
    assert type(module.getargspec(selfish)) is not pecan_signatures.ArgSpec


def test_install_twice_and_uninstall(caplog: pytest.LogCaptureFixture) -> None:
    assert pecan_signatures.install()
    assert pecan_signatures.install()
    assert pecan.util._getargspec is pecan.compat.getargspec is pecan_signatures.signature
    pecan_signatures.uninstall()
    assert pecan.util._getargspec is pecan.compat.getargspec is upstream
    assert not caplog.records


def test_a_signature_is_computed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    assert pecan_signatures.install()
    computed = []

    def counting(target: Any) -> inspect.FullArgSpec:
        computed.append(target)
        return inspect.getfullargspec(target)

    monkeypatch.setattr(pecan_signatures, "inspect", type("inspect", (), {"getfullargspec": staticmethod(counting)}))

    def fresh(self: Any) -> None:
        pass

    for _ in range(3):
        pecan.util.getargspec(fresh)
        pecan.util.getargspec(fresh.__get__(object()))
    assert computed == [fresh]


def test_results_share_no_list() -> None:
    pecan_signatures.install()
    first = pecan.util.getargspec(Controller().method)
    first.args.clear()
    assert pecan.util.getargspec(Controller().method).args == ["self", "a", "b"]
    assert pecan.util.getargspec(Controller.method).args == ["self", "a", "b"]


def test_changed_functions_are_computed_again() -> None:
    pecan_signatures.install()

    def changing(self: Any, a: Any = 1) -> None:
        pass

    def check() -> None:
        assert outcome(pecan.compat.getargspec, changing) == outcome(upstream, changing)

    check()
    changing.__defaults__ = (2,)
    check()
    changing.__defaults__ = None
    check()
    changing.__code__ = (lambda other, *more: None).__code__
    check()
    changing.__signature__ = inspect.signature(function)  # type: ignore[attr-defined]
    check()
    del changing.__signature__  # type: ignore[attr-defined]
    check()


def test_a_decorator_that_copies_attributes_copies_no_signature() -> None:
    pecan_signatures.install()
    pecan.compat.getargspec(selfish)
    wrapper = wrapping(selfish)
    assert vars(wrapper).keys() >= {"_pecan_signature"}
    assert outcome(pecan.compat.getargspec, wrapper) == outcome(upstream, wrapper)


def test_nothing_is_kept_of_functions_that_are_gone() -> None:
    pecan_signatures.install()

    def passing(self: Any, a: Any = None) -> None:
        pass

    passing.__defaults__ = (passing,)
    pecan.util.getargspec(passing)
    reference = weakref.ref(passing)
    del passing
    gc.collect()
    assert reference() is None


def fixed(function: Any) -> Any:
    return pecan_signatures.ArgSpec(*inspect.getfullargspec(function)[:4])


def failing(function: Any) -> Any:
    raise LookupError


def with_other_fields(function: Any) -> Any:
    more = collections.namedtuple("more", "args varargs keywords defaults more")
    return more(*inspect.getfullargspec(function)[:5])


@pytest.mark.parametrize(
    "other", [fixed, failing, with_other_fields, None], ids=lambda other: getattr(other, "__name__", "none")
)
def test_another_pecan_is_left_alone(
    other: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(pecan.util, "_getargspec", other)
    before = {module: dict(vars(module)) for module in (pecan.compat, pecan.util, pecan.core)}
    assert not pecan_signatures.install()
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert {module: dict(vars(module)) for module in before} == before


@pytest.mark.parametrize("other", [upstream, failing, None], ids=["its own", "failing", "none"])
def test_a_pecan_that_computes_signatures_elsewhere_is_left_alone(
    other: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    elsewhere = None if other is None else lambda target: other(target)
    monkeypatch.setattr(pecan.util, "getargspec", elsewhere)
    assert not pecan_signatures.install()
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert pecan.util._getargspec is pecan.compat.getargspec is upstream


def test_without_pecan(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setitem(sys.modules, "pecan.rest", None)
    assert not pecan_signatures.install()
    assert [record.levelno for record in caplog.records] == [logging.WARNING]


class Root:
    rest = Rest()

    @pecan.expose("json", generic=True)
    def index(self, a: str = "1", **others: str) -> dict[str, Any]:
        return {"a": a, **others}

    @index.when(method="POST", template="json")
    def index_post(self, *rest: str, **form: str) -> dict[str, Any]:
        return form

    @pecan.expose("json")
    def _lookup(self, name: str, *remainder: str) -> Any:
        return (Root(), remainder) if name == "again" else None


REQUESTS = [
    ("GET", "/"),
    ("GET", "/?a=2&b=3"),
    ("POST", "/?x=y"),
    ("GET", "/rest/5"),
    ("GET", "/rest/5/6"),
    ("DELETE", "/rest/5"),
    ("GET", "/again/rest/7"),
    ("GET", "/none"),
]


def answers(application: Any) -> list[tuple[str, str]]:
    all_answers = [Request.blank(path, method=method).get_response(application) for method, path in REQUESTS]
    return [(answer.status, answer.text) for answer in all_answers]


def test_an_application_answers_the_same_without_building_classes(monkeypatch: pytest.MonkeyPatch) -> None:
    built: list[str] = []
    original = collections.namedtuple

    def counting(name: str, *args: Any, **kwargs: Any) -> Any:
        built.append(name)
        return original(name, *args, **kwargs)

    application = pecan.make_app(Root())
    without = answers(application)
    monkeypatch.setattr(collections, "namedtuple", counting)
    assert answers(application) == without
    assert built.count("ArgSpec") > len(REQUESTS)
    assert pecan_signatures.install()
    built.clear()
    for _ in range(2):
        assert answers(application) == without
    assert not built
    assert ("200 OK", '{"a": "2", "b": "3"}') in without
