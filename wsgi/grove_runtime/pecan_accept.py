"""Lets WebOb parse each `Accept` header once.

WebOb 1.8 parses the header whenever it is read, and the types that an application offers whenever they are compared
with it. The clients of an application send few different headers.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .pecan_piece import Piece, Replacement

_KNOWN_HEADERS = 64
"""The number of headers, and of offers, that a process remembers. It limits what clients with ever new headers take."""

_LONGEST = 256
"""The length of the longest header that a process remembers, in characters. Browsers send about 140."""


def _build() -> Iterator[Replacement]:
    from webob import acceptparse

    valid = acceptparse.AcceptValidHeader
    classes = {acceptparse.Accept, valid, acceptparse.AcceptNoHeader, acceptparse.AcceptInvalidHeader}
    create = acceptparse.create_accept_header
    parse = vars(acceptparse.Accept)["parse_offer"].__func__
    headers: dict[str, Any] = {}
    offers: dict[str, Any] = {}

    def create_accept_header(header_value: Any) -> Any:
        known = headers.get(header_value) if type(header_value) is str else None
        if known is None:
            known = create(header_value)
            if type(known) is not valid or type(header_value) is not str or len(header_value) > _LONGEST:
                return known
            if len(headers) >= _KNOWN_HEADERS:
                headers.clear()
            headers[header_value] = known
        header = valid.__new__(valid)
        header._header_value = header_value
        # Nobody should change these lists, but nothing keeps an application from it.
        header._parsed = [(name, q, types.copy(), more.copy()) for name, q, types, more in known._parsed]
        header._parsed_nonzero = [item for item in header._parsed if item[1]]
        return header

    def parse_offer(cls: Any, offer: Any) -> Any:
        if type(offer) is not str or cls not in classes:
            return parse(cls, offer)
        known = offers.get(offer)
        if known is None:
            known = parse(cls, offer)
            if len(offer) <= _LONGEST:
                if len(offers) >= _KNOWN_HEADERS:
                    offers.clear()
                offers[offer] = known
        return known

    yield Replacement(acceptparse, "create_accept_header", create_accept_header)
    yield Replacement(acceptparse.Accept, "parse_offer", classmethod(parse_offer))


piece = Piece(
    "The parsing of Accept headers",
    {
        "webob.acceptparse:create_accept_header": "bf2b1186b53a3d84",
        "webob.acceptparse:accept_property": "22d553a4615eb3d9",
        "webob.acceptparse:AcceptValidHeader.__init__": "ccbe0ce45166fa4c",
        "webob.acceptparse:Accept.parse": "db4f1ddecbbce342",
        "webob.acceptparse:Accept.parse_offer": "66d7d1970bb09d44",
        "webob.acceptparse:Accept._parse_media_type_params": "b11d5ee424ededf6",
    },
    _build,
)
install, uninstall = piece.install, piece.uninstall
