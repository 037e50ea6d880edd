"""Archives of Python's source with the bytecode of each file, so that no reader compiles it again.

A host compiles the files of a packed module, some 60 to 130, in each call. That takes a tenth of a second of the
processor. A host whose Python has the version that made the bytecode reads that instead, and any other host the source.
"""

from __future__ import annotations

import functools
import io
import marshal
import zipfile
from importlib.util import MAGIC_NUMBER, source_hash

UNCHECKED_HASH = (0b01).to_bytes(4, "little")
"""The flags of a .pyc file with the hash of its source, which Python does not check."""


def with_bytecode(archive: bytes) -> bytes:
    """Return a ZIP archive with a file NAME.pyc beside each NAME.py. Raises SyntaxError and zipfile.BadZipFile."""
    result = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as source, zipfile.ZipFile(result, "w") as target:
        for member in source.infolist():
            content = source.read(member)
            target.writestr(member, content)
            if member.filename.endswith(".py"):
                compiled = zipfile.ZipInfo(f"{member.filename}c", member.date_time)
                compiled.external_attr, compiled.compress_type = member.external_attr, member.compress_type
                target.writestr(compiled, _bytecode(member.filename, content))
    return result.getvalue()


# Nearly all that one module imports, the others import, too.
@functools.cache
def _bytecode(name: str, source: bytes) -> bytes:
    """Return the content of a .pyc file that Python does not compare with its source (PEP 552)."""
    # Ansible finds the collection of a file by its absolute path.
    code = compile(source, f"/{name}", "exec", dont_inherit=True)
    return MAGIC_NUMBER + UNCHECKED_HASH + source_hash(source) + marshal.dumps(code)
