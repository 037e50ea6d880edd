"""The entries of docs/runbook.md: what somebody sees, does, and sees when it has helped.

An entry is a heading of the third level with three parts. A part begins with its name in bold, and has text and
fenced blocks. A block of commands may begin with ``# on the host``; the others are typed on the controller. The first
line of a block of YAML says where it is written. A block ``text`` shows lines of the output of the commands before it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
RUNBOOK = REPOSITORY / "docs" / "runbook.md"
SECTIONS = ("Deployments", "Answers", "The host", "The database", "Loss", "Secrets")
"""The sections with entries. The others explain."""
PARTS = ("See it", "Do", "It helped")
"""The parts of an entry, in their order."""
VALUES = ("ADDRESS", "FILE", "ID", "RELEASE", "SECRET")
"""Words that stand for values. In a block ``text`` they are read, in later commands they are typed."""
PLACES = ("", "on the host", "in the record of bookstore", "group_vars/all.yml")
"""Where a block belongs; the empty text is the controller's shell."""
PIECE = re.compile(
    r"^(?P<level>##|###) (?P<heading>[^\n]+)$|^\*\*(?P<part>[^*\n]+):\*\*|^```(?P<language>\w*)\n(?P<text>.*?)^```$",
    re.DOTALL | re.MULTILINE,
)
FIRST_LINE = re.compile(r"# (on the host|in the record of \w+|group_vars/\S+)\n")
WORD = re.compile(r"(…|\s+|\b(?:" + "|".join(VALUES) + r")\b)")


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, its text, the place that its first line names, and lines of its output."""

    language: str
    text: str
    place: str
    output: tuple[str, ...] = ()

    def typed(self, values: Mapping[str, str]) -> str:
        """Return the text with the known values in place of the words that stand for them."""
        return _filled(self.text, values)

    def read(self, output: str, values: Mapping[str, str]) -> dict[str, str] | None:
        """Return the known values and those that an output gives; None when the output lacks a line of the block.

        The lines have to be in their order. ``…`` stands for any text, and space for any space.
        """
        known = dict(values)
        lines = iter(output.splitlines())
        for expected in self.output:
            pattern = re.compile(_pattern(_filled(expected, known)))
            found = next((match for line in lines if (match := pattern.fullmatch(line.strip()))), None)
            if found is None:
                return None
            known |= found.groupdict()
        return known


@dataclass(frozen=True)
class Entry:
    """An entry: its heading, and the blocks of each part."""

    heading: str
    parts: dict[str, tuple[Block, ...]]

    @property
    def anchor(self) -> str:
        """The name by which a link finds the heading."""
        return re.sub(r"[^a-z0-9 -]", "", self.heading.lower()).replace(" ", "-")


def _filled(text: str, values: Mapping[str, str]) -> str:
    return re.sub(r"\b(" + "|".join(VALUES) + r")\b", lambda found: values.get(found[1], found[1]), text)


def _pattern(expected: str) -> str:
    parts = []
    for piece in WORD.split(expected.strip()):
        if piece == "…":
            parts.append(".*")
        elif piece in VALUES:
            parts.append(rf"(?P<{piece}>\S+)")
        else:
            parts.append(r"\s+" if piece.isspace() else re.escape(piece))
    return "".join(parts)


def entries(text: str) -> list[Entry]:
    """Return the entries of a page, in its order: the headings of the third level that have a part."""
    found: list[tuple[str, dict[str, list[Block]]]] = []
    part = ""
    for piece in PIECE.finditer(text):
        if piece["heading"]:
            part = ""
            if piece["level"] == "###":
                found.append((piece["heading"], {}))
        elif piece["part"]:
            if found and piece["part"] in PARTS:
                part = piece["part"]
                found[-1][1][part] = []
        elif part:
            _add(found[-1][1][part], piece["language"], piece["text"])
    return [
        Entry(heading, {part: tuple(blocks) for part, blocks in parts.items()}) for heading, parts in found if parts
    ]


def _add(blocks: list[Block], language: str, text: str) -> None:
    """Add a block; the lines of an output belong to the block before."""
    if language == "text":
        last = blocks.pop()
        blocks.append(Block(last.language, last.text, last.place, tuple(text.splitlines())))
        return
    first = FIRST_LINE.match(text)
    blocks.append(Block(language, text[first.end() :] if first else text, first[1] if first else ""))
