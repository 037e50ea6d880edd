"""The bulk format: newline-delimited JSON, one sample message a line, gzip or not.

A line has the members of a posted sample and a message_id. Its metadata may be nested and typed. A request is stored
completely or not at all. A sample whose message_id is stored already is skipped, so a client that lost the answer can
send the request again.
"""

import io
import zlib
from collections.abc import Iterator

import pecan
import webob
import webob.exc

from telemetry import signing
from telemetry.api import identity
from telemetry.api.errors import ClientSideError
from telemetry.i18n import _
from telemetry.messaging import messages
from telemetry.storage.records import Sample, Stored

CONTENT_TYPES = ("application/x-ndjson", "application/ndjson", "application/jsonl")
BLOCK = 64 * 1024


def store(request: webob.Request) -> Stored:
    """Store the samples in the request's body. Raises a 400, 413 or 415."""
    if request.content_type not in CONTENT_TYPES:
        raise ClientSideError(_("Unknown mimetype: %s") % request.content_type, status_code=415)
    encoding = request.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in ("identity", "gzip"):
        raise ClientSideError(_("Unknown content encoding: %s") % encoding, status_code=415)
    body = BulkBody(request, encoding == "gzip")
    stored: Stored = pecan.request.stores.metering.record_samples(body)
    if not stored.stored and not stored.duplicates:
        raise ClientSideError(_("Samples should be included in request body"))
    return stored


class BulkBody:
    """The samples of a body. Each iteration reads the body from its start, so a transaction can be repeated."""

    def __init__(self, request: webob.Request, compressed: bool) -> None:
        self._body = request.body
        self._compressed = compressed
        self._limit = request.cfg.api.max_bulk_size
        self._secret = request.cfg.publisher.telemetry_secret
        self._reader = messages.Reader(
            scope=identity.scope().project_id,
            user_id=identity.user_id(),
            project_id=identity.project_id(),
            source=request.cfg.sample_source,
        )

    def __iter__(self) -> Iterator[Sample]:
        for number, line in enumerate(self._lines(), 1):
            if not line.strip():
                continue
            try:
                message = messages.load(line)
                sample = self._reader.sample(message)
                sample.message_signature = signing.sign(message, self._secret)
            except messages.MessageError as error:
                raise ClientSideError(_("Line %(number)d: %(error)s") % {"number": number, "error": error}) from error
            yield sample

    def _lines(self) -> Iterator[bytes]:
        partial_line = b""
        for block in self._blocks():
            *lines, partial_line = (partial_line + block).split(b"\n")
            yield from lines
        if partial_line:
            yield partial_line

    def _blocks(self) -> Iterator[bytes]:
        if not self._compressed:
            if len(self._body) > self._limit:
                raise _too_large(self._limit)
            yield self._body
            return
        decompressor = zlib.decompressobj(wbits=31)
        source = io.BytesIO(self._body)
        total = 0
        try:
            while pending := decompressor.unconsumed_tail or source.read(BLOCK):
                block = decompressor.decompress(pending, BLOCK)
                total += len(block)
                if total > self._limit:
                    raise _too_large(self._limit)
                yield block
                if decompressor.eof:
                    next_member = decompressor.unused_data + source.read()
                    if not next_member:
                        return
                    source = io.BytesIO(next_member)
                    decompressor = zlib.decompressobj(wbits=31)
        except zlib.error as error:
            raise ClientSideError(_("The body is not valid gzip: %s") % error) from error
        raise ClientSideError(_("The body is not valid gzip: it ends too early"))


def _too_large(limit: int) -> Exception:
    error: Exception = webob.exc.HTTPRequestEntityTooLarge(
        detail=_("The body is larger than %s bytes after decompression") % limit
    )
    return error
