"""Addresses with an account lose it wherever a person reads them: in messages, in descriptions, in release ids."""

from __future__ import annotations

import pytest
from ansible_collections.grove.wsgi.plugins.module_utils.release.output import without_account
from ansible_collections.grove.wsgi.plugins.plugin_utils.payload import Payload
from ansible_collections.grove.wsgi.plugins.plugin_utils.records.problems import quoted, shown

SECRET = "git+https://ann:s3cret@example.org/shop@v1"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://user:pw@example.org/x", "https://example.org/x"),
        ("git+https://token@example.org/x@v1", "git+https://example.org/x@v1"),
        ("shop @ https://u:p@example.org/x.whl", "shop @ https://example.org/x.whl"),
        ("https://example.org/x@v1", "https://example.org/x@v1"),
        ("https://example.org ann@example.org", "https://example.org ann@example.org"),
        (
            "a https://u:p@one.org b https://two.org/x@1 c ssh://v@three.org",
            "a https://one.org b https://two.org/x@1 c ssh://three.org",
        ),
        ("./shop", "./shop"),
    ],
)
def test_accounts_are_no_part_of_an_address(url: str, expected: str) -> None:
    assert without_account(url) == expected


@pytest.mark.parametrize("value", [SECRET, [SECRET], {"url": SECRET}, {"a": [{"b": SECRET}]}, SECRET * 20])
def test_no_message_shows_an_account(value: object) -> None:
    texts = [shown(value), quoted(str(value))]
    assert not [text for text in texts if "s3cret" in text or "ann" in text]
    assert all("example.org" in text for text in texts)


def test_a_new_password_makes_no_other_release() -> None:
    def identifier(source: str) -> str:
        payload = Payload()
        payload.add_source({"kind": "vcs", "text": source})
        assert "s3cret" not in str(payload.inputs)
        return payload.identifier()

    assert identifier(SECRET) == identifier(SECRET.replace("s3cret", "other"))
    assert identifier(SECRET) != identifier(SECRET.replace("v1", "v2"))
