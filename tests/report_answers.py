"""What the hosts of an inventory answer to ``./grove report``: a host with apps, a database server, and a dead one."""

from __future__ import annotations

from typing import Any

HOSTILE = '<img src=x onerror="document.title=1">&"\'</pre></script>'
"""A text that is HTML. Each value of the answers that may hold any text holds this one."""
RELEASE, FORMER = "0a1b2c3d4e5f", "f5e4d3c2b1a0"
MADE, FLIPPED = "2026-11-27T18:30:00.123+00:00", "2026-11-28T07:15:09.500+00:00"


def state(name: str, **more: Any) -> dict[str, Any]:
    """Return what the module ``status`` says of an app."""
    slots = {
        "blue": {"role": "live", "release": RELEASE, "made_at": MADE, "made_from": HOSTILE, "complete": True},
        "green": {"role": "idle", "release": FORMER, "made_at": MADE, "made_from": "./shop", "complete": True},
    }
    events = [
        {"at": MADE, "what": "deployed", "release": FORMER},
        {"at": MADE, "what": "refused", "release": "c0ffee", "why": f"no database {HOSTILE}\nmore"},
        {"at": FLIPPED, "what": "switched", "release": RELEASE, "from": FORMER},
    ]
    found: dict[str, Any] = {
        "app": name,
        "state": "served",
        "url": f"https://{name}.example.org/",
        "problem": None,
        "live": "blue",
        "release": RELEASE,
        "made_at": MADE,
        "made_from": HOSTILE,
        "canary_percent": 0.0,
        "idle_kind": "cold",
        "slots": slots,
        "previous": FORMER,
        "agents": [{"agent": "worker", "running": True, "release": RELEASE}],
        "last_switch": events[-1],
        "history": events,
        "deployment": None,
        "ended": None,
        "healthy": True,
        "health": "answered 200",
    }
    return found | more


def size(name: str, busiest: int = 3) -> dict[str, Any]:
    """Return what the module ``capacity`` says of an app."""
    queue = {"p50": 0.0, "p95": 4.0, "p99": 31.0, "max": 1204.0}
    used = {
        "requests": 184_211,
        "untimed": 0,
        "first": 1_795_800_000.0,
        "last": 1_795_880_000.0,
        "busiest": busiest,
        "busiest_at": 1_795_850_000.0,
        "per_second": 41,
        "per_second_at": 1_795_850_000,
        "queue_ms": queue,
        "app_ms": queue,
        "app_ms_mean": 22.5,
        "timed": 184_000,
        "refused": {},
    }
    return {
        "app": name,
        "state": "served",
        "processes": 4,
        "threads": 4,
        "options": {"listen-backlog": "500"},
        "running": 4,
        "under_way": 0,
        "memory": 163_000_000,
        "memory_peak": 271_000_000,
        "memory_idle": 20_000_000,
        "problem": None,
        "database_connections": 9,
        "used": used,
    }


def answers() -> dict[str, dict[str, Any]]:
    """Return the answers by host."""
    apps = ["bookstore", "shelf"]
    problem = f"slot blue points to release {HOSTILE}, which is not there or not complete"
    server = {"servers": 2, "threads": 1280, "workers": 2560, "factor": 2, "backlog": 4096, "connections": 7680}
    machine = {"cores": 2, "memory": 4_100_000_000, "somaxconn": 4096}
    capacity = {
        "machine": machine,
        "server": {**server, "address_connections": 2304, "busy": 1, "idle": 2559, "open": 4},
        "apps": [size("bookstore"), size("shelf", 16)],
        "used": size("all")["used"],
        "since": 1_795_794_400.0,
        "database": None,
        "problems": [f"/var/log/{HOSTILE} was not read"],
    }
    database = {"kind": "MariaDB", "port": 3306, "most": 500, "now": 11, "peak": 40, "problem": None}
    part = {"serves": True, "locked": True, "changed": [], "packages": {"pecan": "1.8.0", "webob": "1.8.9"}}
    security = [{"package": "libxml2", "installed": "2.9.1", "available": f"2.9.2{HOSTILE}", "used_by": ["Apache"]}]
    debian = {"security": security, "others": 12, "lists_hours": 3, "problems": []}
    tool: dict[str, Any] = {"part": "uv", "release": None, "serves": True, "own": {}, "changed": []}
    tool["packages"] = {"uv": "0.13.8"}
    certificate = {"until": "2026-12-05T10:00:00+00:00", "issuer": HOSTILE, "names": ["bookstore.example.org", HOSTILE]}
    lines = ["urlmap", "  mount /", *(f"    route GET /v1/{number} {'long.' * 30}{HOSTILE}" for number in range(60))]
    return {
        "web1": {
            "status": {"apps": [state("bookstore"), state("shelf", healthy=False, problem=problem, url=HOSTILE)]},
            "capacity": {"capacity": capacity},
            "software": {
                "parts": [{**part, "part": name, "release": RELEASE, "own": {name: "2.0"}} for name in apps] + [tool],
                "debian": debian,
            },
            "certificates": {"certificates": [{"app": "bookstore", "days": 6, "problem": None, **certificate}]},
            "routes": {"results": [{"item": state("bookstore"), "rc": 0, "stdout": "\n".join(lines)}]},
        },
        "db1": {
            "status": {"apps": []},
            "capacity": {
                "capacity": {**capacity, "server": None, "apps": [], "database": database, "problems": []},
            },
            "software": {"parts": [], "debian": {"security": [], "others": 0, "lists_hours": 3, "problems": []}},
            "certificates": {"certificates": []},
        },
        "web2": {"status": {"unreachable": True, "msg": f"Failed to connect to the host via ssh: {HOSTILE}\nmore"}},
    }
