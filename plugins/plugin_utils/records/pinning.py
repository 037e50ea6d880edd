"""Checking that a record names exactly what is fetched for it, so that a changed file at its origin is refused."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path

from ansible_collections.grove.wsgi.plugins.module_utils.release.output import without_account

from .problems import Problem
from .project import ProjectError, needs_of
from .record import Record

COMMIT = re.compile(r"@(?:[0-9a-f]{40}|[0-9a-f]{64})(?:#.*)?$")
FILE_HASH = re.compile(r"#(?:.*&)?sha(?:256|384|512)=[0-9a-f]{64,128}(?:&|$)")
LOCK_REMEDY = "give it a lock with hashes; ./grove lock -e app={} makes one"


def unpinned(record: Record) -> Iterator[Problem]:
    """Yield what may become other code under the same record, and so under the same release id."""
    source = record.source
    if source.kind == "vcs" and not COMMIT.search(source.text):
        remedy = "a branch or a tag can be moved; name the full commit after the @"
        yield Problem(record.name, "source", repr(without_account(source.text)), remedy)
    if source.kind == "requirement" and "://" in source.text and not record.lock and not FILE_HASH.search(source.text):
        remedy = "the file at this address can be replaced; add #sha256= and its hash"
        yield Problem(record.name, "source", repr(without_account(source.text)), remedy)


def unlocked(record: Record) -> Iterator[Problem]:
    """Yield the lack of a lock: without one, each build of the release takes the newest versions that fit."""
    has_lock = bool(record.keys.install.lock)
    if not has_lock and record.source.kind == "folder" and record.source.path:
        with contextlib.suppress(ProjectError):  # which the check of the source has reported
            needs = needs_of(Path(record.source.path), record.keys.install.exclude)
            has_lock = needs.lock is not None and not record.keys.install.requirements
    if not has_lock:
        yield Problem(record.name, "lock", "nothing", LOCK_REMEDY.format(record.name))
