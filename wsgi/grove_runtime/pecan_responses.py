"""Fills in Pecan's usual responses at once.

A response that Pecan has rendered changes from an empty HTML page to 1 KB of JSON. With WebOb 1.8, this searches and
copies the list of headers five times. Pecan 1.8.0 then decodes the body again, only to see that it is not empty. This
piece knows the usual lists of headers. Whatever else a response has, WebOb and Pecan do what they always do.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .pecan_piece import Piece, Replacement

_HTML = ("Content-Type", "text/html; charset=UTF-8")
_JSON = ("Content-Type", "application/json")
_EMPTY = [_HTML, ("Content-Length", "0")]
"""The headers of a response that was made without arguments."""

_DECODED = frozenset({"application/json", "text/html; charset=UTF-8", "text/plain; charset=UTF-8"})
"""Values of Content-Type with which Pecan's attempt to decode the body never raises an exception."""


def _build() -> Iterator[Replacement]:
    import pecan.core

    response = pecan.core.Response
    text, content_type = response.text, response.content_type
    init, absolute = response.__init__, response._abs_headerlist
    handle = pecan.core.PecanBase._handle_empty_response_body

    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:  # noqa: N807
        if (
            args
            or kwargs
            or type(self) is not response
            or self.default_content_type != "text/html"
            or self.default_charset != "UTF-8"
            or self.default_conditional_response is not False
        ):
            init(self, *args, **kwargs)
            return
        self._status = "200 OK"
        self._headers = None
        self._headerlist = _EMPTY.copy()
        self.conditional_response = False
        self._app_iter = [b""]

    def set_text(self: Any, value: Any) -> None:
        if type(value) is not str or type(self) is not response or self._headerlist != _EMPTY or self._app_iter is None:
            text.fset(self, value)
            return
        body = value.encode()
        self._app_iter = [body]
        self._headerlist[:] = (_HTML, ("Content-Length", str(len(body))))

    def set_content_type(self: Any, value: Any) -> None:
        headers = self._headerlist
        if (
            value != "application/json"
            or type(value) is not str
            or type(self) is not response
            or len(headers) != 2
            or headers[0] != _HTML
            or headers[1][0] != "Content-Length"
        ):
            content_type.fset(self, value)
            return
        headers[:] = (headers[1], _JSON)

    def _handle_empty_response_body(self: Any, state: Any) -> None:
        if not is_full(state.response):
            handle(self, state)

    def is_full(answer: Any) -> bool:
        if type(answer) is not response or answer._status != "200 OK" or answer.unicode_errors != "strict":
            return False
        body = answer._app_iter
        if type(body) is not list or len(body) != 1 or type(body[0]) is not bytes or not body[0]:
            return False
        for name, value in answer._headerlist:
            if name == "Content-Length":
                continue
            if name.lower() == "content-type" and (type(value) is not str or value not in _DECODED):
                return False
        return True

    def _abs_headerlist(self: Any, environ: Any) -> Any:
        headers = self._headerlist
        if (
            len(headers) == 2
            and headers[1] is _JSON
            and type(headers[0]) is tuple
            and len(headers[0]) == 2
            and headers[0][0] == "Content-Length"
        ):
            return headers.copy()
        return absolute(self, environ)

    yield Replacement(response, "_abs_headerlist", _abs_headerlist)
    yield Replacement(response, "__init__", __init__)
    yield Replacement(response, "text", property(text.fget, set_text, text.fdel, text.__doc__))
    replaced = property(content_type.fget, set_content_type, content_type.fdel, content_type.__doc__)
    yield Replacement(response, "content_type", replaced)
    yield Replacement(pecan.core.PecanBase, "_handle_empty_response_body", _handle_empty_response_body)


piece = Piece(
    "The filling of Pecan's responses",
    {
        "pecan.core:PecanBase._handle_empty_response_body": "03c3ea2f05068727",
        "pecan.core:Response.__init__": "e4f16b165ff13383",
        "pecan.core:Response._abs_headerlist": "72035d9182bccf07",
        "pecan.core:Response.text.fget": "440802ffb071d09f",
        "pecan.core:Response.text.fset": "13e560416233bfd9",
        "pecan.core:Response.body.fget": "eb8d6dda60d3c14a",
        "pecan.core:Response.body.fset": "7e9bdd636e43237b",
        "pecan.core:Response.charset.fget": "9625812208333bac",
        "pecan.core:Response.content_type.fset": "29a09b6a62f1e16f",
        "pecan.core:Response.content_length.fset": "8637aa4a89eb8f6b",
        "pecan.core:Response.content_md5.fset": "bc12b335f93f9509",
        "webob.headers:ResponseHeaders.__setitem__": "67224d07027b4f7c",
        "webob.response:_content_type_has_charset": "e0fe5b7093cdf75f",
    },
    _build,
)
install, uninstall = piece.install, piece.uninstall
