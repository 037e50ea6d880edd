"""Names of meters, resources, samples, events and traits in the path of a URL."""

from urllib.parse import unquote


def from_path(part: str) -> str:
    """Return the name that a part of a path stands for.

    The name is unquoted twice, since the server has unquoted the path once: a client writes `a/b` as a%252Fb.
    """
    return unquote(part)


def in_link(name: str) -> str:
    """Return a name for a link of an answer. Like Ceilometer, leave everything but a slash as it is."""
    return name.replace("/", "%252F")
