"""Accounts of applications on this host, and what must not be shown of them."""

from __future__ import annotations

import pwd
import re

from ansible_collections.grove.wsgi.plugins.module_utils.errors import OperatorError

URL_PASSWORD = re.compile(r"(?<=://)([^\s:/@]*):[^\s/@]+@")


class AccountError(OperatorError):
    """There is no account of that name."""


def account_of(name: str) -> pwd.struct_passwd:
    """Return the account of that name. Raises AccountError when the host has none."""
    try:
        return pwd.getpwnam(name)
    except KeyError:
        raise AccountError(f"there is no account {name} on the host") from None


def without_passwords(text: str) -> str:
    """Return a program's output with the passwords of URLs hidden."""
    return URL_PASSWORD.sub(r"\1:********@", text)
