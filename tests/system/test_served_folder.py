"""A folder of an application's state that Apache serves: who can read what the application stores there."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.grove.wsgi.plugins.module_utils.app.folder import FolderError
from ansible_collections.grove.wsgi.plugins.module_utils.app.served_folder import serve_folder

ACCOUNT, APACHE, OTHER = "games", "www-data", "news"


@pytest.fixture
def state() -> Iterator[Path]:
    """A state folder as Grove makes it, where every account may look for it."""
    folder = Path(tempfile.mkdtemp(dir="/var/tmp"))
    folder.chmod(0o755)
    path = folder / "state"
    path.mkdir(mode=0o750)
    account = pwd.getpwnam(ACCOUNT)
    os.chown(path, account.pw_uid, account.pw_gid)
    path.chmod(0o750)
    yield path
    shutil.rmtree(folder)


def run(account: str, script: str, folder: Path) -> bool:
    """Return whether a script of the shell works as an account, with the application's umask."""
    words = ["setpriv", f"--reuid={account}", f"--regid={account}", "--clear-groups", "sh", "-c"]
    done = subprocess.run([*words, f"umask 027; {script}"], cwd=folder, capture_output=True, check=False)
    return done.returncode == 0


def test_apache_alone_reads_what_the_application_stores(state: Path) -> None:
    account, media = pwd.getpwnam(ACCOUNT), state / "media" / "photos"
    assert serve_folder(state, media, account)
    assert run(ACCOUNT, f"echo a >{state}/secret; mkdir -p {media}/one/two; echo b >{media}/one/two/b", state)
    assert run(APACHE, f"cat {media}/one/two/b", Path("/"))
    assert not run(OTHER, f"cat {media}/one/two/b", Path("/"))
    assert not run(APACHE, f"cat {state}/secret", Path("/"))
    assert not run(APACHE, f"ls {state}", Path("/"))
    assert not run(APACHE, f"touch {media}/c", Path("/"))
    assert (state.stat().st_mode & 0o777, state.stat().st_uid) == (0o750, account.pw_uid)


def test_a_second_run_changes_nothing(state: Path) -> None:
    account, media = pwd.getpwnam(ACCOUNT), state / "media"
    assert serve_folder(state, media, account, dry=True)
    assert not media.exists()
    assert serve_folder(state, media, account)
    assert run(ACCOUNT, f"mkdir {media}/more; echo x >{media}/more/x", state)
    assert not serve_folder(state, media, account)
    assert not serve_folder(state, media, account, dry=True)
    state.chmod(0o700)
    assert serve_folder(state, media, account, dry=True)
    assert serve_folder(state, media, account)
    assert run(APACHE, f"cat {media}/more/x", Path("/"))


def test_what_was_there_before_can_be_read_too_and_links_are_not_followed(state: Path) -> None:
    account, media = pwd.getpwnam(ACCOUNT), state / "media"
    secret = state.parent / "of-root"
    secret.write_text("secret")
    secret.chmod(0o600)
    assert run(ACCOUNT, f"mkdir -p {media}/old; echo x >{media}/old/x; ln -s {secret} {media}/link", state)
    assert serve_folder(state, media, account)
    assert run(APACHE, f"cat {media}/old/x", Path("/"))
    assert not run(APACHE, f"cat {media}/link", Path("/"))
    assert secret.stat().st_mode & 0o777 == 0o600


def test_a_link_in_the_place_of_the_folder_is_refused(state: Path) -> None:
    assert run(ACCOUNT, f"ln -s /etc {state}/media", state)
    with pytest.raises(FolderError, match="symbolic link"):
        serve_folder(state, state / "media", pwd.getpwnam(ACCOUNT))
