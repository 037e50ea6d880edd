"""Error messages in the caller's language, if a translation is installed."""

import struct
from collections.abc import Iterator
from pathlib import Path

import oslo_i18n._gettextutils
import pytest
import webtest
from telemetry.api import hooks

from tests.functional.calls import fault


def catalogue(texts: dict[str, str]) -> bytes:
    """Return a gettext catalogue in its binary form."""
    pairs = sorted((name.encode(), text.encode()) for name, text in texts.items())
    tables = [b"", b""]
    content = b""
    begin = 28 + 16 * len(pairs)
    for column in (0, 1):
        for pair in pairs:
            tables[column] += struct.pack("<II", len(pair[column]), begin + len(content))
            content += pair[column] + b"\0"
    head = struct.pack("<7I", 0x950412DE, 0, len(pairs), 28, 28 + 8 * len(pairs), 0, 0)
    return head + tables[0] + tables[1] + content


@pytest.fixture
def german(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    folder = tmp_path / "de" / "LC_MESSAGES"
    folder.mkdir(parents=True)
    (folder / "telemetry.mo").write_bytes(
        catalogue(
            {
                "": "Content-Type: text/plain; charset=UTF-8\n",
                "Limit must be positive": "Das Limit muss größer als 0 sein",
            }
        )
    )
    monkeypatch.setenv("TELEMETRY_LOCALEDIR", str(tmp_path))
    monkeypatch.setattr(oslo_i18n._gettextutils, "_AVAILABLE_LANGUAGES", {})
    hooks.translations.cache_clear()
    yield
    hooks.translations.cache_clear()


def test_language_of_the_caller(german: None, api: webtest.TestApp) -> None:
    for accept_language, message in (
        ("fr;q=0.5, de;q=0.9", "Das Limit muss größer als 0 sein"),
        ("fr", "Limit must be positive"),
        ("", "Limit must be positive"),
    ):
        assert fault(api.get("/v2/meters?limit=0", headers={"Accept-Language": accept_language}, status=400)) == message
