"""An index of Python packages on the loopback address, whose files and hashes a test chooses."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serves a folder, and logs nothing."""

    def log_message(self, *_: object) -> None:
        pass


class Index:
    """An index that serves ``folder``; ``url`` is its address, and ``simple`` that for pip and uv."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self.url = f"http://127.0.0.1:{port}"
        self.simple = f"{self.url}/simple"

    def offer(self, name: str, file: str, content: bytes, *, promised: bytes | None = None) -> str:
        """Offer a file with the hash of ``promised``, or else its own; return that hash."""
        folder = self.folder / "simple" / name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / file).write_bytes(content)
        digest = hashlib.sha256(content if promised is None else promised).hexdigest()
        (folder / "index.html").write_text(f'<a href="{file}#sha256={digest}">{file}</a>')
        return digest


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[Index]:
    """Serve a folder, which is made."""
    folder.mkdir()
    handler = functools.partial(Handler, directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield Index(folder, server.server_port)
        finally:
            server.shutdown()
            thread.join()
