"""The sockets that Listen lines ask for, and those that the kernel refuses beside others."""

from __future__ import annotations

import pytest
from ansible_collections.grove.wsgi.plugins.module_utils.httpd import listening
from ansible_collections.grove.wsgi.plugins.module_utils.httpd.listening import Place, clashing, is_held, listen_place

IPV4, IPV6 = ("0.0.0.0", 80), ("::", 80)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("Listen 80", ("*", 80)),
        ("Listen *:80", ("*", 80)),
        ("  listen 127.0.0.1:9080", ("127.0.0.1", 9080)),
        ("Listen [::1]:443 https", ("::1", 443)),
        ("Listen [0:0:0:0:0:0:0:1]:443", ("::1", 443)),
        ("Listen [2001:DB8::0:1]:443", ("2001:db8::1", 443)),
        ("Listen [fe80::1%eth0]:443", ("fe80::1", 443)),
        ("Listen [::]:80", ("::", 80)),
        ("Listen 0.0.0.0:80", ("0.0.0.0", 80)),
        ("Listen web1.example.org:80", ("web1.example.org", 80)),
        ("# Listen 80", None),
        ("ListenBacklog 80", None),
    ],
)
def test_the_place_of_a_listen_line(line: str, expected: Place | None) -> None:
    assert listen_place(line) == expected


@pytest.mark.parametrize(
    ("line", "held", "expected"),
    [
        # A port alone: the kernel has one socket of IPv6, or one of IPv4 where IPv6 is off.
        ("Listen 80", [IPV6], True),
        ("Listen 80", [IPV4], True),
        ("Listen 80", [("127.0.0.1", 80)], False),
        ("Listen 80", [("::", 81)], False),
        ("Listen 0.0.0.0:80", [IPV4], True),
        ("Listen 0.0.0.0:80", [IPV6], False),
        ("Listen [::]:80", [IPV6], True),
        ("Listen [::]:80", [IPV4], False),
        ("Listen [0::1]:80", [("::1", 80)], True),
        ("Listen localhost:80", [("127.0.0.1", 80)], True),
        ("Listen localhost:80", [("127.0.0.2", 80)], False),
        ("Listen 127.1:80", [("127.0.0.1", 80)], True),
        ("Listen no..name:80", [IPV4, IPV6], False),
    ],
)
def test_what_apache_holds(line: str, held: list[Place], expected: bool) -> None:
    place = listen_place(line)
    assert place is not None
    assert is_held(place, held) is expected


@pytest.mark.parametrize(
    ("lines", "held", "ipv6", "expected"),
    [
        (["80"], [IPV6], True, []),
        (["[::]:80"], [IPV6], True, []),
        (["80"], [IPV4], False, []),
        (["0.0.0.0:80"], [IPV4], False, []),
        # Another socket of the port, which Apache would bind before it closes the first.
        (["0.0.0.0:80"], [IPV6], True, ["0.0.0.0:80"]),
        (["80"], [IPV4], True, ["80"]),
        (["[::]:80"], [IPV4], True, ["[::]:80"]),
        (["127.0.0.1:80"], [IPV6], True, ["127.0.0.1:80"]),
        (["80"], [("127.0.0.1", 80)], False, ["80"]),
        (["localhost:80"], [IPV4], False, ["localhost:80"]),
        # A further port, and a further address beside one that stays.
        (["80", "81"], [IPV6], True, []),
        (["127.0.0.1:80", "127.0.0.2:80"], [("127.0.0.1", 80)], True, []),
    ],
)
def test_places_that_the_kernel_refuses_beside_others(
    monkeypatch: pytest.MonkeyPatch, lines: list[str], held: list[Place], ipv6: bool, expected: list[str]
) -> None:
    monkeypatch.setattr(listening, "has_ipv6", lambda: ipv6)
    found = clashing(["# Listen 80", *(f"Listen {line}" for line in lines)], held)
    assert found == {f"Listen {line}" for line in expected}


@pytest.mark.parametrize(
    ("former", "line", "held", "expected"),
    [
        ("127.0.0.1:80", "127.0.0.1:80", [("127.0.0.1", 80)], False),
        ("127.0.0.1:80", "LOCALHOST:80", [("127.0.0.1", 80)], True),
        ("localhost:80", "LOCALHOST:80", [("127.0.0.1", 80)], True),
        ("localhost:80", "127.0.0.1:80", [("127.0.0.1", 80)], True),
        ("[0:0::1]:80", "[::1]:80", [("::1", 80)], True),
        ("[::]:80", "80", [IPV6], True),
        ("*:80", "80", [IPV6], False),
        ("80 http", "80", [IPV6], False),
    ],
)
def test_apache_takes_a_socket_over_by_its_spelling(
    monkeypatch: pytest.MonkeyPatch, former: str, line: str, held: list[Place], expected: bool
) -> None:
    monkeypatch.setattr(listening, "has_ipv6", lambda: True)
    assert bool(clashing([f"Listen {line}"], held, [f"Listen {former}"])) is expected
