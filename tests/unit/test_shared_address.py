"""The shared address of load balancers: what is read of iproute2's output, and which interface is the right one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.grove.wsgi.plugins.module_utils.load_balancer import shared_address


def entry(name: str, *networks: str, hardware: str = "02:00:00:00:00:01") -> dict[str, Any]:
    """Return an interface as iproute2 prints it."""
    addresses = [{"local": one.partition("/")[0], "prefixlen": int(one.partition("/")[2])} for one in networks]
    return {"ifname": name, "address": hardware, "addr_info": [*addresses, {}]}


def interfaces(*entries: dict[str, Any]) -> list[shared_address.Interface]:
    return shared_address.parse(json.dumps([{}, *entries]))


LOOPBACK = entry("lo", "127.0.0.1/8", "::1/128", hardware="00:00:00:00:00:00")
CLIENTS = entry("eth0", "192.0.2.10/24", "2001:db8::1/64")
INSIDE = entry("eth1", "10.0.0.1/8", "192.0.2.129/25")


@pytest.fixture(autouse=True)
def configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of keepalived's configuration, which is not there."""
    path = tmp_path / "keepalived.conf"
    monkeypatch.setattr(shared_address, "CONFIGURATION", path)
    return path


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("192.0.2.9", "eth0"),
        ("2001:db8::9", "eth0"),
        # The smaller of two networks.
        ("192.0.2.200", "eth1"),
        ("10.1.2.3", "eth1"),
        ("198.51.100.9", None),
        ("127.0.0.9", None),
        ("2001:db8:1::9", None),
    ],
)
def test_the_interface_with_the_network_of_the_address(address: str, name: str | None) -> None:
    found = shared_address.with_network(address, interfaces(LOOPBACK, CLIENTS, INSIDE))
    assert (found.name if found else None) == name


def test_the_shared_address_makes_no_network_of_its_own() -> None:
    """A host that has it has its network through another address."""
    held = entry("eth1", "10.0.0.1/8", "192.0.2.9/32")
    own = interfaces(LOOPBACK, CLIENTS, held)
    found = shared_address.with_network("192.0.2.9", own)
    assert found is not None
    assert found.name == "eth0"
    assert shared_address.holds("192.0.2.9", own)
    assert shared_address.with_network("192.0.2.9", interfaces(held)) is None


def test_both_interfaces_are_named_where_they_are_missing() -> None:
    with pytest.raises(shared_address.SharedAddressError) as refusal:
        shared_address.places("198.51.100.9", "192.0.2.11", interfaces(LOOPBACK, CLIENTS))
    own, shared = str(refusal.value).splitlines()
    assert "load_balancer_host_address: found 192.0.2.11, which no interface of this host has" in own
    assert "load_balancer_address: found 198.51.100.9, which is in no network of this host" in shared
    assert "192.0.2.10/24" in shared


def test_an_address_that_a_host_has_without_keepalived(configuration: Path) -> None:
    held = interfaces(entry("eth0", "192.0.2.10/24", "192.0.2.9/24"))
    with pytest.raises(shared_address.SharedAddressError, match=r"found 192\.0\.2\.9, which this host has without"):
        shared_address.places("192.0.2.9", "192.0.2.10", held)
    configuration.write_text("virtual_ipaddress {\n    192.0.2.9/32 dev eth0\n}\n")
    with pytest.raises(shared_address.SharedAddressError, match="without keepalived"):
        shared_address.places("192.0.2.9", "192.0.2.10", held)
    configuration.write_text(f"# {shared_address.MARK}\nvirtual_ipaddress {{\n    192.0.2.9/32 dev eth0\n}}\n")
    own, outside = shared_address.places("192.0.2.9", "192.0.2.10", held)
    assert (own.name, outside.name) == ("eth0", "eth0")


def test_another_keepalived_stays(configuration: Path) -> None:
    configuration.write_text("vrrp_instance mine {\n}\n")
    assert shared_address.remove(dry=False) == {"changed": False}
    assert configuration.exists()
    configuration.write_text(f"# {shared_address.MARK}\n")
    assert shared_address.remove(dry=True) == {"changed": True}
    assert configuration.exists()
