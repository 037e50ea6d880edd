"""Changes a PasteDeploy file of an installed package by an overlay from the record.

An overlay names a pipeline as the file does: ``main`` for ``[pipeline:main]``. The pipelines that a composite makes
itself, as nova's does, are named ``COMPOSITE.KEY``. See https://docs.pylonsproject.org/projects/pastedeploy.
"""

from __future__ import annotations

import configparser
import io
from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.grove.wsgi.plugins.module_utils.errors import OperatorError

SECTION_KINDS = ("filter", "app", "composite", "pipeline", "filter-app", "application")
FACTORY_OPTIONS = ("paste.app_factory", "paste.filter_factory", "paste.filter_app_factory", "paste.composite_factory")
NO_DEFAULT = "\0"
"""A name that no section has: PasteDeploy's own [DEFAULT] is read as an ordinary section."""


class PasteError(OperatorError):
    """An overlay does not fit; the message names the key below ``overlay``, its value, and what would be right."""


class PasteFile:
    """The content of a file. Comments are not kept."""

    def __init__(self, text: str) -> None:
        self._parser = configparser.RawConfigParser(
            strict=False, default_section=NO_DEFAULT, interpolation=None, comment_prefixes=("#", ";")
        )
        self._parser.optionxform = str  # type: ignore[assignment, method-assign]
        try:
            self._parser.read_string(text)
        except configparser.Error as error:
            raise PasteError(f"the package's file cannot be read: {error}") from error

    def text(self, comment: str) -> str:
        """Return the text of the file as it is now, below a comment."""
        stream = io.StringIO()
        self._parser.write(stream)
        return "".join(f"# {line}\n" for line in comment.splitlines()) + "\n" + stream.getvalue()

    def set_oslo_config_file(self, path: str) -> None:
        """Let every section that finds its configuration by a project's name read the file at ``path`` instead."""
        for section in self._parser.sections():
            if self._parser.has_option(section, "oslo_config_project"):
                self._parser.set(section, "oslo_config_file", path)

    def lay_over(self, overlay: Mapping[str, Any]) -> None:
        """Apply an overlay, whose types the controller has checked. Raises PasteError for names that do not fit."""
        for section, options in (overlay.get("sections") or {}).items():
            self._parser.remove_section(section)
            self._parser.add_section(section)
            for option, value in options.items():
                # As in the files of the key config.
                self._parser.set(section, option, str(value).lower() if isinstance(value, bool) else str(value))
        for name, changes in (overlay.get("pipelines") or {}).items():
            self._change_pipeline(name, changes)
        for name, mounts in (overlay.get("urlmaps") or {}).items():
            self._change_urlmap(name, mounts)
        for name, (section, option) in self._pipelines().items():
            for member in self._parser.get(section, option).split():
                if not self._is_known(member):
                    raise PasteError(f"pipelines.{name}: found {member!r}; {self._existing('filter', 'app')}")

    def factories(self, sections: Iterator[str] | list[str]) -> Iterator[tuple[str, str]]:
        """Yield section and factory (``module:attribute``) of the given sections."""
        for section in sections:
            for option in FACTORY_OPTIONS:
                if self._parser.has_option(section, option):
                    yield section, self._parser.get(section, option)
            use = self._parser.get(section, "use", fallback="")
            if use.startswith("call:"):
                yield section, use.removeprefix("call:")

    def _names(self, *kinds: str) -> list[str]:
        pairs = (section.partition(":") for section in self._parser.sections())
        return sorted(name.strip() for kind, _, name in pairs if kind in kinds)

    def _existing(self, *kinds: str) -> str:
        return f"the file has {', '.join(self._names(*kinds)) or 'none'}"

    def _is_known(self, name: str) -> bool:
        return ":" in name or "#" in name or name in self._names(*SECTION_KINDS)

    def _pipelines(self) -> dict[str, tuple[str, str]]:
        """Return section and option of every pipeline by its name."""
        pipelines = {}
        for section in self._parser.sections():
            kind, _, name = section.partition(":")
            if kind == "pipeline" and self._parser.has_option(section, "pipeline"):
                pipelines[name.strip()] = (section, "pipeline")
            if kind == "composite" and "pipeline" in self._factory(section):
                for option in self._parser.options(section):
                    if option not in ("use", "paste.composite_factory"):
                        pipelines[f"{name.strip()}.{option}"] = (section, option)
        return pipelines

    def _factory(self, section: str) -> str:
        use = self._parser.get(section, "use", fallback="")
        return use or self._parser.get(section, "paste.composite_factory", fallback="")

    def _change_pipeline(self, name: str, changes: Mapping[str, Any]) -> None:
        pipelines = self._pipelines()
        if name not in pipelines:
            raise PasteError(f"pipelines.{name}: no such pipeline; the file has {', '.join(sorted(pipelines))}")
        section, option = pipelines[name]
        members = self._parser.get(section, option).split()

        def position(key: str, member: str) -> int:
            if member not in members[:-1]:
                raise PasteError(
                    f"pipelines.{name}.{key}: found {member!r}; the pipeline's filters are {', '.join(members[:-1])}"
                )
            return members.index(member)

        for old, new in (changes.get("replace") or {}).items():
            self._require_filter(f"pipelines.{name}.replace.{old}", new)
            members[position("replace", old)] = new
        for removed in changes.get("remove") or []:
            del members[position("remove", removed)]
        for added in changes.get("add") or []:
            self._require_filter(f"pipelines.{name}.add", added["filter"])
            if "before" in added and added["before"] == members[-1]:
                at = len(members) - 1
            elif "before" in added:
                at = position("add.before", added["before"])
            else:
                at = position("add.after", added["after"]) + 1 if "after" in added else 0
            members.insert(at, added["filter"])
        self._parser.set(section, option, " ".join(members))

    def _require_filter(self, key: str, name: str) -> None:
        if ":" not in name and "#" not in name and name not in self._names("filter"):
            raise PasteError(f"{key}: no such filter {name!r}; {self._existing('filter')}; others go into sections")

    def _change_urlmap(self, name: str, mounts: Mapping[str, Any]) -> None:
        section = f"composite:{name}"
        urlmaps = [
            composite
            for composite in self._names("composite")
            if any(option.startswith("/") for option in self._parser.options(f"composite:{composite}"))
        ]
        if name not in urlmaps:
            raise PasteError(f"urlmaps.{name}: no such urlmap; the file has {', '.join(urlmaps) or 'none'}")
        for path, app in mounts.items():
            if app is None:
                if not self._parser.remove_option(section, path):
                    raise PasteError(f"urlmaps.{name}.{path}: nothing is mounted there")
            elif not self._is_known(app):
                raise PasteError(
                    f"urlmaps.{name}.{path}: found {app!r}; {self._existing('app', 'pipeline', 'composite')};"
                    " others go into sections"
                )
            else:
                self._parser.set(section, path, app)
