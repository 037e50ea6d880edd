"""The certificates that the running Apache shows its clients."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from ansible_collections.grove.wsgi.plugins.module_utils.switching.application import App
from ansible_collections.grove.wsgi.plugins.module_utils.switching.requests import shown_certificate

SECONDS = 5.0
"""The handshake of one application. A report on many applications has to end while a person waits."""
COMMAND = ["openssl", "x509", "-inform", "DER", "-noout", "-enddate", "-issuer", "-ext", "subjectAltName"]
ENDS = "%b %d %H:%M:%S %Y GMT"


def certificates(apps: Iterable[App], now: datetime) -> list[dict[str, Any]]:
    """Return the certificate of each application with TLS, as plain data.

    ``until`` is a time of ISO 8601, ``days`` how many whole days are left, negative after the end, and ``names`` what
    the certificate is for. ``problem`` says why they are not known.
    """
    return [{"app": app.folder.name, **certificate(app, now)} for app in apps if app.front.tls]


def certificate(app: App, now: datetime) -> dict[str, Any]:
    """Return the certificate that Apache shows for an application."""
    try:
        content = shown_certificate(app.front, SECONDS)
        done = subprocess.run(COMMAND, input=content, capture_output=True, check=True)
    except (OSError, ValueError) as error:
        return _unknown(f"Apache shows none ({error})")
    except subprocess.CalledProcessError as error:
        return _unknown(f"openssl cannot read it: {error.stderr.decode(errors='replace').strip()}")
    return read(done.stdout.decode(errors="replace"), now)


def read(text: str, now: datetime) -> dict[str, Any]:
    """Return what openssl has printed of a certificate."""
    fields = dict(re.findall(r"(?m)^(notAfter|issuer)=(.*)$", text))
    try:
        until = datetime.strptime(" ".join(fields["notAfter"].split()), ENDS).replace(tzinfo=UTC)
    except (KeyError, ValueError):
        return _unknown("openssl has printed no end")
    return {
        "until": until.isoformat(),
        "days": (until - now).days,
        "issuer": fields.get("issuer", ""),
        "names": re.findall(r"(?:DNS|IP Address):([^,\s]+)", text),
        "problem": None,
    }


def _unknown(problem: str) -> dict[str, Any]:
    return {"until": None, "days": None, "issuer": "", "names": [], "problem": problem}
