"""The report of an inventory as one HTML page that needs no other file."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jinja2
from ansible_collections.grove.wsgi.plugins.module_utils.status.words import SERVED

TEMPLATE = Path(__file__).with_name("page.html.j2")
DOTS = {"ok": "healthy", "bad": "needs attention", "warn": "worth a look"}


def page(data: Mapping[str, Any], *, title: str, made_at: datetime) -> str:
    """Return the page. ``data`` is what ``model`` has returned. Every value is escaped."""
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"minute": minute, "megabytes": megabytes, "number": number, "percent": percent}
    template = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
    return template.render(**data, title=title, made_at=made_at.astimezone(UTC), verdict=verdict(data))


def verdict(data: Mapping[str, Any]) -> str:
    """Return in one sentence how the inventory is."""
    hosts = data["hosts"]
    apps = [app for host in hosts for app in host["apps"] if app["state"] == SERVED]
    well = [app for app in apps if app["healthy"] and not app["problem"]]
    lost = [host["name"] for host in hosts if host["state"] != "ok"]
    words = []
    if lost:
        words.append(f"{len(lost)} of {_count(len(hosts), 'host')} did not answer as expected.")
    if not apps:
        words.append("No app was deployed." if not lost else "No app is known.")
    elif len(well) == len(apps):
        words.append("The app is healthy." if len(apps) == 1 else f"All {len(apps)} apps are healthy.")
    else:
        words.append(f"{len(apps) - len(well)} of {_count(len(apps), 'app')} {_are(len(apps) - len(well))} not well.")
    return " ".join(words)


def _count(number_of: int, noun: str) -> str:
    return f"{number_of} {noun}{'' if number_of == 1 else 's'}"


def _are(number_of: int) -> str:
    return "is" if number_of == 1 else "are"


def minute(value: object) -> str:
    """Return a moment to the minute, in UTC: a text of ISO 8601, or seconds since 1970. Other values stay as text."""
    if isinstance(value, (int, float)):
        return datetime.fromtimestamp(value, UTC).strftime("%Y-%m-%d %H:%M")
    try:
        return datetime.fromisoformat(str(value)).astimezone(UTC).strftime("%Y-%m-%d %H:%M")
    except ValueError:
        return str(value or "unknown")


def megabytes(size: float) -> str:
    """Return a size in bytes as megabytes or gigabytes."""
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"


def number(value: float) -> str:
    """Return a whole number with a narrow space between groups of three digits."""
    return f"{value:,.0f}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def percent(part: float, whole: float) -> float:
    """Return a share for the width of a bar, from 0 to 100."""
    return round(min(100.0, 100 * part / whole), 1) if whole else 0.0
