"""Make what Tempest wants of a cloud: flavors, images, a public network, and an image file to fetch over HTTP.

Usage: prepare_cloud.py FOLDER, with openstacksdk and the credentials of root. FOLDER gets disk.qcow2. The output is
JSON: the ids ``flavors``, ``images`` and ``public_network``, the volume type ``multiattach_type``, the list
``network_extensions``, and ``made``, the names of what was missing.
"""

from __future__ import annotations

import json
import struct
import sys
from pathlib import Path
from typing import Any

import openstack

MEBIBYTE = 1 << 20
CLUSTER = 1 << 16


def main(folder: Path) -> dict[str, Any]:
    """Make what is missing and return the ids."""
    cloud = openstack.connect(cloud="grove")
    made = []

    def ensure(existing: Any, create: Any, name: str) -> Any:
        if existing:
            return existing
        made.append(name)
        return create()

    flavors = [
        ensure(
            cloud.get_flavor(name),
            lambda name=name, memory=memory: cloud.create_flavor(name, ram=memory, vcpus=1, disk=1),
            name,
        ).id
        for name, memory in (("tempest-small", 64), ("tempest-large", 128))
    ]
    images = [
        ensure(
            cloud.get_image(name),
            lambda name=name: cloud.create_image(
                name, data=bytes(MEBIBYTE), disk_format="raw", container_format="bare", visibility="public", wait=True
            ),
            name,
        ).id
        for name in ("tempest-1", "tempest-2")
    ]
    network = cloud.network
    public = ensure(
        network.find_network("public"),
        # Tests let neutron make a project's network by itself, for which it needs a default of each kind.
        lambda: network.create_network(name="public", is_router_external=True, is_default=True),
        "public",
    )
    for name, prefix, length in (("tempest-ipv4", "10.224.0.0/12", 26), ("tempest-ipv6", "fd00:224::/48", 64)):
        ensure(
            network.find_subnet_pool(name),
            lambda name=name, prefix=prefix, length=length: network.create_subnet_pool(
                name=name, prefixes=[prefix], default_prefix_length=length, is_shared=True, is_default=True
            ),
            name,
        )
    ensure(
        cloud.get_subnet("public"),
        lambda: cloud.create_subnet(public.id, subnet_name="public", cidr="198.51.100.0/24", enable_dhcp=False),
        "subnet",
    )
    volume_type = "tempest-multiattach"
    ensure(
        cloud.block_storage.find_type(volume_type),
        lambda: cloud.block_storage.create_type(name=volume_type, extra_specs={"multiattach": "<is> True"}),
        volume_type,
    )
    folder.mkdir(parents=True, exist_ok=True)
    folder.parent.chmod(0o755)
    (folder / "disk.qcow2").write_bytes(qcow2())
    extensions = sorted(extension.alias for extension in cloud.network.extensions())
    return {
        "flavors": flavors,
        "images": images,
        "public_network": public.id,
        "multiattach_type": volume_type,
        "network_extensions": extensions,
        "made": made,
    }


def qcow2() -> bytes:
    """Return an empty disk of 1 MiB: header, table of reference counts, their block, table of clusters."""
    header = struct.pack(">4sIQIIQIIQQIIQ", b"QFI\xfb", 2, 0, 0, 16, MEBIBYTE, 0, 1, 3 * CLUSTER, CLUSTER, 1, 0, 0)
    table = struct.pack(">Q", 2 * CLUSTER)
    counts = struct.pack(">4H", 1, 1, 1, 1)
    return b"".join(part.ljust(CLUSTER, b"\0") for part in (header, table, counts, b""))


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]))))
