"""What an entry may name, and what is refused before a request finds out."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import pytest
from grove_runtime import callables


def application(environ: Any, start_response: Any) -> list[bytes]:
    return []


def flexible(*arguments: Any, **keywords: Any) -> list[bytes]:
    return []


class Application:
    def __init__(self, environ: Any = None, start_response: Any = None) -> None:
        self.environ = environ

    def __call__(self, environ: Any, start_response: Any) -> list[bytes]:
        return []

    def method(self, environ: Any, start_response: Any) -> list[bytes]:
        return []


def wrapper(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def inner(*arguments: Any) -> Any:
        return function(*arguments)

    return inner


@pytest.mark.parametrize(
    "one",
    [
        application,
        flexible,
        Application(),
        Application,
        Application().method,
        functools.partial(flexible, 1),
        wrapper(application),
        lambda *arguments: [],
        print,
        dict,
    ],
)
def test_applications(one: object) -> None:
    callables.check(one)


def make() -> None:
    """Stand for a function that makes an application."""


def make_for(settings: Any) -> None:
    """Stand for a function that needs an argument."""


class Made:
    pass


async def asynchronous(scope: Any, receive: Any, send: Any) -> None:
    """Stand for an ASGI application."""


class Asynchronous:
    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Stand for an object such as one of FastAPI."""


@pytest.mark.parametrize(
    ("one", "message"),
    [
        (make, r"found \S+:make\(\).*, and a WSGI application takes environ and start_response\. .*:make\(\) with its"),
        (make_for, r"found \S+:make_for\(settings.*:make_for\(\) with its arguments"),
        (Made, r"found \S+:Made\(\)"),
        ({}, "found an object of the class dict, which cannot be called"),
        (asynchronous, r"found \S+:asynchronous, an ASGI application; Apache serves WSGI"),
        (Asynchronous(), r"found an object of \S+\.Asynchronous, an ASGI application"),
    ],
)
def test_what_is_no_application(one: object, message: str) -> None:
    with pytest.raises(callables.EntryError, match=message):
        callables.check(one)
