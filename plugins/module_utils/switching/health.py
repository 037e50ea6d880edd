"""The health of a slot and of the front."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from ansible_collections.grove.wsgi.plugins.module_utils.app import history
from ansible_collections.grove.wsgi.plugins.module_utils.httpd import credentials, parent
from ansible_collections.grove.wsgi.plugins.module_utils.switching import daemons, limits
from ansible_collections.grove.wsgi.plugins.module_utils.switching.application import App
from ansible_collections.grove.wsgi.plugins.module_utils.switching.errors import LateAnswerError, SwitchError
from ansible_collections.grove.wsgi.plugins.module_utils.switching.requests import Answer, ask


def verify_front(app: App) -> None:
    """Raise SwitchError when the application is not well where clients reach it; LateAnswerError when it is late."""
    answer = ask(app.front, app.health_path, limits.REQUEST_SECONDS)
    if not app.is_well(answer):
        scheme, usual = ("https", 443) if app.front.tls else ("http", 80)
        named = ":" in app.front.host.rpartition("]")[2] or app.front.port == usual
        url = f"{scheme}://{app.front.host}{'' if named else f':{app.front.port}'}{app.health_path}"
        text = f"key health: {url}, asked through the front, {answer}; it has to answer {app.expected}{hint(answer)}"
        if not answer.status and parent.find(app.apache.pid_file, app.apache.program) is None:
            text += ". Apache does not run: the end of its error log, and systemctl status, say why"
        raise (LateAnswerError if answer.late else SwitchError)(text)


def hint(answer: Answer) -> str:
    """Return what to do about a redirect to https, as the end of a message; nothing for another answer."""
    if not answer.location.startswith("https:"):
        return ""
    return (
        ". If a proxy ends TLS in front of this host, name the proxy in httpd_trusted_proxies, and say"
        " health: {headers: {X-Forwarded-Proto: https}}"
    )


def all_healthy(app: App, colour: str, release: str, attempts: Iterator[None]) -> bool:
    """Return whether every process of a slot has answered its health path well, and with the release's id.

    A process counts from its first good answer on. One bad answer, and none counts any more. An attempt ends with the
    first round in which no further process has answered: the others still load the release, for which they need the
    processor that more requests would take.
    """
    requests = app.processes * 2
    answered: set[int] = set()
    with ThreadPoolExecutor(max_workers=min(limits.HEALTH_CONNECTIONS, requests)) as pool:
        for _ in attempts:
            for _round in range(limits.HEALTH_ROUNDS):
                answers = list(pool.map(lambda _: ask(app.doors[colour], app.health_path), range(requests)))
                if any(not app.is_well(answer) or answer.release != release for answer in answers):
                    answered = set()
                    break
                known, answered = answered, answered | {answer.process for answer in answers}
                running = daemons.pids(app, colour, answered)
                if len(running) >= app.processes and running <= answered:
                    return True
                answered &= running
                if answered <= known:
                    break
    return False


def why_unhealthy(app: App, colour: str, release: str) -> str:
    """Return what a slot that is not healthy answers, as text for the operator."""
    answer = ask(app.doors[colour], app.health_path)
    actual = f"{answer}"
    door = app.doors[colour]
    if not door.credential and answer.status and not answer.release and (door.slot or answer.status == 403):
        actual += f", since {credentials.FOLDER / credentials.ROOT} is missing (./grove site makes it again)"
    elif app.is_well(answer) and answer.release != release:
        actual = f"is answered by release {answer.release or '(none)'}"
    elif app.is_well(answer):
        running = daemons.pids(app, colour, {answer.process})
        actual = f"is answered by {len(running)} of {app.processes} processes"
        if len(running) >= app.processes:
            actual = f"was not answered well by each of {app.processes} processes in time, and is now"
    serving = history.serving(app.folder)
    ending = "the old release serves on" if serving else "no release has served yet"
    return (
        f"key health: {app.health_path} of release {release}, asked in the idle slot {colour}, {actual} after"
        f" {app.start_timeout} s (start_timeout); {ending}{hint(answer)}"
    )
