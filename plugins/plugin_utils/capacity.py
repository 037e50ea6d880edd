"""What hosts can take: which limit refuses a request first, and the figures as lines for a person."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from ansible_collections.grove.wsgi.plugins.module_utils.capacity.limits import TIMED_LEAST
from ansible_collections.grove.wsgi.plugins.module_utils.status.words import REMOVED, REMOVED_TEXT, SERVED

from .mpm import WORKER_KILOBYTES
from .records.mod_wsgi_options import DEFAULTS

HEAD = (
    "app",
    "processes x threads",
    "requests",
    "most at once",
    "most in 1 s",
    "queue ms p50 p95 p99 max",
    "memory (peak)",
    "database",
    "full beyond",
)
MEGABYTE, GIGABYTE = 1_000_000, 1_000_000_000
MEBIBYTE = 2**20
"""The megabyte of a handover's own messages."""

Host = dict[str, Any]
Limit = dict[str, Any]


def judge(results: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return the capacity of all hosts. ``results`` has what the module ``capacity`` read, by host.

    Each application gets ``limits``, of which the first one refuses first: ``at`` requests at once still fit. ``first``
    names the limit of the whole host. ``databases`` compares what the servers accept with what applications may open.
    """
    servers = {host: one["database"] for host, one in results.items() if one["database"]}
    users = [(host, app) for host, one in results.items() for app in one["apps"] if app["database_connections"]]
    wanted = sum(at_once(app) for _, app in users)
    databases = [{"host": host, **server, "wanted": wanted} for host, server in servers.items()]
    only = databases[0] if len(databases) == 1 and databases[0]["most"] is not None else None
    hosts = {}
    for host, one in results.items():
        apps = [{**app, "at_once": at_once(app), "limits": limits_of(app, one, only)} for app in one["apps"]]
        first = min(
            ({"app": app["app"], **app["limits"][0]} for app in apps if app["limits"]),
            key=lambda limit: int(limit["at"]),
            default=None,
        )
        hosts[host] = {**one, "apps": apps, "first": first, "memory": memory(one)}
    return {"hosts": hosts, "databases": databases}


def at_once(app: Mapping[str, Any]) -> int:
    """Return how many requests an application works on at the same time: the threads of all its processes."""
    return int(app["processes"] or 0) * int(app["threads"] or 0)


def limits_of(app: Mapping[str, Any], host: Mapping[str, Any], database: Mapping[str, Any] | None) -> list[Limit]:
    """Return the limits that a growing number of requests at once reaches, the lowest first."""
    threads = at_once(app)
    if not threads:
        return []
    return sorted(
        [*_queue_limits(app, host, threads), *_server_limits(host), *_database_limits(app, database, threads)],
        key=lambda limit: int(limit["at"]),
    )


def _queue_limits(app: Mapping[str, Any], host: Mapping[str, Any], threads: int) -> Iterator[Limit]:
    backlog, somaxconn = int(_option(app, "listen-backlog")), host["machine"]["somaxconn"]
    key = "daemon_options.listen-backlog"
    if somaxconn is not None and somaxconn < backlog:
        backlog, key = somaxconn, "net.core.somaxconn of the host"
    effect = f"503 after {_option(app, 'connect-timeout')} s"
    yield _limit(threads + backlog, "requests that wait for a thread", backlog, key, effect)
    seconds, used = int(_option(app, "queue-timeout")), app["used"]
    if seconds and used["timed"] >= TIMED_LEAST and used["app_ms_mean"]:
        waiting = int(seconds * 1000 * threads / used["app_ms_mean"])
        what = f"seconds in the queue, at {used['app_ms_mean']:.0f} ms for a request"
        yield _limit(threads + waiting, what, seconds, "daemon_options.queue-timeout", f"504 after {seconds} s")


def _server_limits(host: Mapping[str, Any]) -> Iterator[Limit]:
    server = host["server"] or {}
    if "workers" in server:
        key = "httpd_server_limit, httpd_threads_per_child"
        yield _limit(server["workers"], "workers of Apache", server["workers"], key, "the connection waits")
    if "address_connections" in server:
        number, key = server["address_connections"], "httpd_address_connections"
        yield _limit(number, "connections of one address", number, key, "the connection is closed")


def _database_limits(app: Mapping[str, Any], database: Mapping[str, Any] | None, threads: int) -> Iterator[Limit]:
    if database is None or not app["database_connections"]:
        return
    free = int(database["most"]) - (int(database["now"] or 0) - int(app["database_connections"]))
    if free < threads:
        what = f"connections of {database['kind']} on {database['host']}"
        yield _limit(max(0, free), what, database["most"], "database_max_connections", "the app gets an error")


def _limit(at: int, what: str, number: int, key: str, effect: str) -> Limit:
    return {"at": at, "what": what, "number": number, "key": key, "effect": effect}


def _option(app: Mapping[str, Any], name: str) -> str:
    return str(app["options"].get(name) or DEFAULTS[name])


def memory(host: Mapping[str, Any]) -> dict[str, int]:
    """Return bytes: all memory, the peaks of all applications, and what Apache's workers take when all are busy."""
    workers = (host["server"] or {}).get("workers", 0) * WORKER_KILOBYTES * 1024
    return {
        "total": int(host["machine"]["memory"]),
        "apps": sum(max(app["memory_peak"], app["memory"]) + app["memory_idle"] for app in host["apps"]),
        "workers": int(workers),
    }


def lines(judged: Mapping[str, Any]) -> list[str]:
    """Return the capacity as lines of text: for each host its limits, a table of its applications, and notes."""
    found: list[str] = []
    for host, one in judged["hosts"].items():
        found += ["", *_host_lines(host, one)]
    found += ["", *map(database_line, judged["databases"])] if judged["databases"] else []
    return found[1:]


def _host_lines(host: str, one: Mapping[str, Any]) -> Iterator[str]:
    machine, server = one["machine"], one["server"]
    yield f"{host}: {machine['cores']} cores, {gigabytes(machine['memory'])} of memory{server_words(server)}"
    if server is None:
        yield "  no app was deployed on this host"
        return
    yield f"  {memory_words(one['memory'])}"
    if server.get("handover"):
        yield f"  {handover_words(server['handover'])}"
    yield f"  {used_words(one)}"
    yield ""
    served = [app for app in one["apps"] if app["state"] == SERVED]
    rows = [HEAD, *(_row(app) for app in served)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
    for row in rows:
        yield "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
    yield ""
    for app in one["apps"]:
        yield f"  {app['app']}: {first_words(app)}"
    for problem in [*one["problems"], *(f"{app['app']}: {app['problem']}" for app in served if app["problem"])]:
        yield f"  {problem}"


def server_words(server: Mapping[str, Any] | None) -> str:
    """Return Apache's limits in words."""
    if not server or "workers" not in server:
        return "; Apache's limits are not Grove's" if server is not None else ""
    words = f"; Apache has {server['workers']} workers"
    if server.get("busy") is not None:
        words += f" ({server['busy']} busy now)"
    words += f", {server['connections']} connections"
    if server.get("open") is not None:
        words += f" ({server['open']} open now)"
    if "address_connections" in server:
        words += f", {server['address_connections']} of one address"
    return words


def memory_words(sizes: Mapping[str, int]) -> str:
    """Return in words what the host's memory has to hold."""
    sum_of_all = sizes["apps"] + sizes["workers"]
    share = f" ({100 * sum_of_all / sizes['total']:.0f} %)" if sizes["total"] else ""
    return (
        f"memory: the apps' peaks are {gigabytes(sizes['apps'])}, and all workers of Apache take"
        f" {gigabytes(sizes['workers'])}: {gigabytes(sum_of_all)} of {gigabytes(sizes['total'])}{share}"
    )


def handover_words(handover: Mapping[str, int]) -> str:
    """Return in words what a second Apache needs during a handover, with the figures of a refused handover."""
    needed, available = handover["needed"] // MEBIBYTE, handover["available"] // MEBIBYTE
    refused = "; a handover would be refused" if handover["needed"] > handover["available"] else ""
    return (
        f"handover: two generations of two slots have {2 * handover['processes']} processes of apps for a moment; the"
        f" second generation needs about {needed} MB, and {available} MB are available{refused}"
    )


def used_words(one: Mapping[str, Any]) -> str:
    """Return in words what the access logs say of the host."""
    used = one["used"]
    if not used["requests"]:
        reason = "its lines have Apache's text form, without times" if used["untimed"] else "it has no requests"
        return f"access log since {moment(one['since'])}: {reason}"
    text = (
        f"access log since {moment(max(one['since'], used['first']))}: {used['requests']} requests, at most"
        f" {used['busiest']} at once ({moment(used['busiest_at'])}), {used['per_second']} in one second"
    )
    return text + (f"; {used['untimed']} lines without times were left out" if used["untimed"] else "")


def first_words(app: Mapping[str, Any]) -> str:
    """Return in words what is refused first."""
    if app["state"] == REMOVED:
        return REMOVED_TEXT
    if not app["limits"]:
        return "Apache has no process group of it"
    first = app["limits"][0]
    refused = "".join(f"; {number} requests got {status}" for status, number in app["used"]["refused"].items())
    return (
        f"beyond {first['at']} requests at once: {first['effect']}, since {first['number']} is the limit of"
        f" {first['what']} ({first['key']}){refused}"
    )


def _row(app: Mapping[str, Any]) -> tuple[str, ...]:
    used, queue = app["used"], app["used"]["queue_ms"]
    at_once_words = f"{app['processes']} x {app['threads']} = {app['at_once']}" if app["at_once"] else "-"
    return (
        app["app"],
        at_once_words,
        str(used["requests"]),
        str(used["busiest"]) if used["requests"] else "-",
        str(used["per_second"]) if used["requests"] else "-",
        " ".join(f"{queue[key]:.0f}" for key in ("p50", "p95", "p99", "max")) if queue else "-",
        f"{app['memory'] / MEGABYTE:.0f} MB ({app['memory_peak'] / MEGABYTE:.0f} MB)" if app["running"] else "-",
        str(app["database_connections"] or "-"),
        str(app["limits"][0]["at"]) if app["limits"] else "-",
    )


def database_line(one: Mapping[str, Any]) -> str:
    """Return in words what a database server accepts."""
    if one["problem"]:
        return f"{one['host']}: {one['kind']} was not asked: {one['problem']}"
    most = f", {one['peak']} at most since its start" if one["peak"] is not None else ""
    return (
        f"{one['host']}: {one['kind']} accepts {one['most']} connections (database_max_connections); {one['now']} are"
        f" open{most}; the threads of the apps that use a database are {one['wanted']}"
    )


def moment(seconds: float) -> str:
    """Return a moment as a text, in UTC."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def gigabytes(size: int) -> str:
    """Return a size in bytes as gigabytes."""
    return f"{size / GIGABYTE:.1f} GB"
