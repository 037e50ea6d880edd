"""Images of a Debian base system with systemd and Python, made from the controller's own package sources."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
from pathlib import Path

import machine

RELEASES = ("bookworm", "trixie")
PACKAGES = "systemd,systemd-sysv,dbus,python3,python3-apt,sudo,iproute2,ca-certificates"


def ensure(release: str) -> str:
    """Return the name of the release's image, made first if its recipe is new; raise HostError if that fails."""
    if release not in RELEASES:
        raise machine.HostError(f"no such release: {release} (there are {', '.join(RELEASES)})")
    recipe = [
        "mmdebstrap",
        "--quiet",
        "--variant=minbase",
        "--format=tar",
        f"--include={PACKAGES}",
        *(f"--aptopt={setting}" for setting in machine.apt_settings()),
        release,
    ]
    sources = machine.package_sources(release)
    digest = hashlib.sha256("\n".join([*recipe, *sources]).encode()).hexdigest()
    name = f"localhost/grove-host:{release}-{digest[:12]}"
    with machine.lock(f"image-{release}"):
        if not machine.podman("images", "--quiet", "--filter", f"reference={name}").strip():
            print(f"making the {release} image, once", file=sys.stderr)
            _make(recipe, sources, name, release)
    return name


def _make(recipe: list[str], sources: list[str], name: str, release: str) -> None:
    # The name appears with the import, which sees a complete archive or none.
    with tempfile.TemporaryDirectory(prefix="image-", dir=machine.cache()) as folder:
        archive = Path(folder) / "root.tar"
        done = subprocess.run([*recipe, str(archive), *sources], capture_output=True, text=True, check=False)
        if done.returncode:
            raise machine.HostError(f"mmdebstrap {release}: {(done.stderr.strip().splitlines() or ['failed'])[-1]}")
        command = 'CMD ["/lib/systemd/systemd"]'
        label = f"LABEL grove.release={release}"
        machine.podman("import", "--change", command, "--change", label, str(archive), name, timeout=300)
    superseded = ("--filter", f"label=grove.release={release}", "--filter", "until=168h")
    machine.podman("image", "prune", "--all", "--force", *superseded)
