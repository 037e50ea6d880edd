"""The files with the credentials of the doors, and the places that present them."""

from __future__ import annotations

import hashlib
import socket
from pathlib import Path

import pytest
from ansible_collections.grove.wsgi.plugins.module_utils.host import processes
from ansible_collections.grove.wsgi.plugins.module_utils.httpd import credentials
from ansible_collections.grove.wsgi.plugins.module_utils.switching.requests import Place


def test_a_credential_is_a_header_line(tmp_path: Path) -> None:
    secret = "0123456789abcdef" * 4
    (tmp_path / credentials.ROOT).write_text(f"X-Grove-Door: {secret}\n")
    assert credentials.read(folder=tmp_path) == secret
    digest = hashlib.sha1(secret.encode()).hexdigest()
    assert credentials.describe(tmp_path) == {"root": digest, "status": "", "group": ""}


BROKEN = ["", "X-Grove-Door:", "X-Grove-Door: \n", "other: 00\n", "X-Grove-Door: 00\nX: y\n", "ä"]


@pytest.mark.parametrize("text", BROKEN)
def test_a_file_that_holds_no_credential(tmp_path: Path, text: str) -> None:
    assert credentials.read(folder=tmp_path) == ""
    (tmp_path / credentials.ROOT).write_text(text)
    assert credentials.read(folder=tmp_path) == ""
    assert credentials.describe(tmp_path)["root"] == ""


def test_no_message_shows_a_credential() -> None:
    assert "secret" not in repr(Place("127.0.0.1", 9080, "blue.shop.door", credential="secret"))


def test_who_listens_on_a_port() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        own = {Path("/proc/self").stat().st_uid}
        assert processes.listening_users("127.0.0.1", port) == own
        assert processes.listening_users("127.0.0.2", port) == set()
    with socket.create_server(("", 0)) as server:
        assert processes.listening_users("127.0.0.1", server.getsockname()[1]) == own
