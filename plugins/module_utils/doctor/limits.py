"""Numbers of an examination of a host, each with its unit and its reason."""

from __future__ import annotations

BASE_DISK = 800
"""Megabytes that Debian's packages, uv and mod_wsgi take on a fresh host."""
APP_DISK = 200
"""Megabytes that two releases of an application of usual size take, with their virtualenv."""
LEAST_DISK = 200
"""Megabytes below which the next release, or a log, fills the disk."""
APP_INODES = 35_000
"""Files of the virtualenv of a large service, and of a release."""
LEAST_INODES = 5_000
"""Inodes below which the next virtualenv cannot be unpacked."""
PROCESS_MEMORY = 60
"""Megabytes of a daemon process of an application of usual size."""
LEAST_MEMORY = 200
"""Megabytes that apt, uv and a compiler need beside what runs."""
LISTS_DAYS = 30
"""Days after which apt's lists name packages that the archive does not have any more."""
CERTIFICATE_DAYS = 30
"""Days before a certificate's end: Grove's own authority makes a new one from then on."""
CONNECT_SECONDS = 5
"""A server of packages that needs longer for a connection cannot be told from one that is not there."""
CONNECT_ATTEMPTS = 3
"""How often a server of names is asked that says that it cannot answer for the moment."""
CONNECT_PAUSE_SECONDS = 1
"""The pause before the next attempt."""
COMMAND_SECONDS = 30
"""The slowest question to dpkg, apt, openssl or systemd on a busy host."""
SKEW_WARNING = 2.0
"""Seconds between the clocks of host and controller: logs of several hosts are shown in order of time."""
SKEW_PROBLEM = 30.0
"""Seconds between the clocks from which tokens and certificates that were just made are refused."""
NAMES_SHOWN = 8
"""Names in one finding; a count stands for the others."""
