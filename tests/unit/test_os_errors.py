"""Errors of the operating system in words."""

from __future__ import annotations

import errno
import os
import subprocess
from pathlib import Path

import pytest
from ansible_collections.grove.wsgi.plugins.module_utils.errors import OperatorError
from ansible_collections.grove.wsgi.plugins.module_utils.host.os_errors import REASONS, REMEDIES, explain

NUMBERS = [*REMEDIES, *REASONS, errno.EACCES, errno.EPERM, errno.ECONNREFUSED, errno.EINVAL]


@pytest.mark.parametrize("number", NUMBERS, ids=errno.errorcode.get)
@pytest.mark.parametrize("path", [None, "/srv/wsgi/shop", b"/srv/wsgi/shop"])
def test_every_error_is_a_sentence_with_its_path(number: int, path: str | bytes | None) -> None:
    text = explain(OSError(number, os.strerror(number), path))
    assert "Errno" not in text
    assert len(text) > 5
    if path is not None:
        assert "/srv/wsgi/shop" in text
        assert "b'" not in text


def test_the_remedy_of_what_an_operator_can_mend() -> None:
    assert "mount it for writing" in explain(OSError(errno.EROFS, "x", "/srv"))
    assert "df -i" in explain(OSError(errno.ENOSPC, "x"))
    assert "quota" in explain(OSError(errno.EDQUOT, "x"))


def test_errors_as_the_kernel_reports_them(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="too long") as raised:
        (tmp_path / ("x" * 300)).touch()
    assert "255" in explain(raised.value)
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="Not a directory") as raised:
        (tmp_path / "file" / "below").touch()
    assert explain(raised.value).startswith(f"{tmp_path}/file/below ")
    with pytest.raises(OSError, match="No such file") as raised:
        subprocess.run([str(tmp_path / "none")], check=False)
    assert "is not there" in explain(raised.value)
    with pytest.raises(OSError, match="Permission denied") as raised:
        subprocess.run([str(tmp_path / "file")], check=False)
    assert "lsattr" in explain(raised.value)


def test_other_errors_keep_their_words() -> None:
    assert explain(OperatorError("what is wrong")) == "what is wrong"
    assert explain(OSError("without a number")) == "without a number"
