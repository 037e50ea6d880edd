"""Certificates for the tests, made with openssl."""

import subprocess
from pathlib import Path

from tests import servers

ADDRESS = "subjectAltName=IP:127.0.0.1"


def self_signed(path: Path, name: str = "receiver") -> Path:
    """Write a key and a certificate that is its own authority into one file. Return its path."""
    key = path.with_suffix(".key")
    command = [servers.find("openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
    arguments = [
        "-nodes",
        "-days",
        "2",
        "-subj",
        f"/CN={name}",
        "-addext",
        ADDRESS,
        "-keyout",
        str(key),
        "-out",
        str(path),
    ]
    subprocess.run([*command, *arguments], check=True, capture_output=True)
    path.write_text(path.read_text() + key.read_text())
    return path
