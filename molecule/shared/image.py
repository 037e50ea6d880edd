"""Images of a Debian base system with systemd and Python, made from the controller's own package sources."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile

import machine

RELEASES = ("bookworm", "trixie")
PACKAGES = "systemd,systemd-sysv,dbus,python3,python3-apt,sudo,iproute2,ca-certificates"


def ensure(release: str) -> str:
    """Return the name of the release's image. If no image of this recipe exists, make it. Raises HostError."""
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
    for left_by_killed in machine.cache().glob(f"image-{release}-*"):
        shutil.rmtree(left_by_killed, ignore_errors=True)
    folder = tempfile.mkdtemp(prefix=f"image-{release}-", dir=machine.cache())
    archive = f"{folder}/root.tar"
    environment = os.environ | {"TMPDIR": folder}
    command = ["setpriv", "--pdeathsig", "TERM", *recipe, archive, *sources]
    try:
        completed = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if completed.returncode:
            errors = completed.stderr.strip().splitlines()
            raise machine.HostError(f"mmdebstrap {release}: {errors[-1] if errors else 'failed'}")
        changes = ('CMD ["/lib/systemd/systemd"]', f"LABEL grove.release={release}")
        machine.podman("import", *(f"--change={change}" for change in changes), archive, name, timeout=300)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    superseded = ("--filter", f"label=grove.release={release}", "--filter", "until=168h")
    machine.podman("image", "prune", "--all", "--force", *superseded)
