"""Handing the traffic of an application to a release, and back when that fails.

The order, and why each step is there, is in the design: point the idle slot, replace its processes, wait until every
one of them answers healthy with the new release's id through its door, warm it, flip the map by rename, verify through
the front, flip back when that fails, and drain the slot that was live.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from ansible_collections.grove.wsgi.plugins.module_utils.app import history
from ansible_collections.grove.wsgi.plugins.module_utils.app.folder import AppFolder, other_than
from ansible_collections.grove.wsgi.plugins.module_utils.app.step import Interrupted
from ansible_collections.grove.wsgi.plugins.module_utils.generation.state import no_handover
from ansible_collections.grove.wsgi.plugins.module_utils.host import processes
from ansible_collections.grove.wsgi.plugins.module_utils.host.files import replace_text
from ansible_collections.grove.wsgi.plugins.module_utils.host.os_errors import explain
from ansible_collections.grove.wsgi.plugins.module_utils.switching import daemons, draining, health, limits
from ansible_collections.grove.wsgi.plugins.module_utils.switching.application import App
from ansible_collections.grove.wsgi.plugins.module_utils.switching.errors import LateAnswerError, SwitchError
from ansible_collections.grove.wsgi.plugins.module_utils.switching.pauses import pauses, retry
from ansible_collections.grove.wsgi.plugins.module_utils.switching.requests import ask


@dataclass(frozen=True)
class Outcome:
    """What a switch did.

    ``changed`` says whether traffic changed hands, ``live`` is the live slot, ``seconds`` the duration of each step.
    ``left`` are the requests that were still in the old slot when the wait for them ended. ``percent`` is the share of
    a canary.
    """

    changed: bool
    live: str
    seconds: dict[str, float]
    left: int = 0
    percent: float = 0.0


@no_handover()
def switch_to(
    app: App,
    release: str,
    *,
    dry: bool = False,
    percent: int = 100,
    cross_contract: bool = False,
    starting: int = 1,
    event: str = "switched",
) -> Outcome:
    """Let ``release`` serve the application's traffic, or ``percent`` of it; ``event`` is noted in the history.

    ``starting`` is how many applications Apache may just have started together.

    Raises SwitchError when the release is refused. Then, and after any other exception before the release was
    verified, the slot map and the idle slot are as they were before.
    """
    folder = app.folder
    live = folder.live()
    if live is None:
        raise SwitchError("the application was never deployed on this host")
    if folder.describe(release) is None:
        raise SwitchError(f"there is no release {release} in {folder.releases}")
    if folder.release_of(live) == release:
        if not dry:
            _await_front(app, starting)
            return _complete(app, live, release)
        return Outcome(False, live, {}, percent=folder.canary_share())
    _refuse_crossing(folder, release, cross_contract)
    idle = other_than(live)
    if dry:
        return Outcome(True, idle, {}, percent=percent if percent < 100 else 0.0)
    serving = history.serving(folder)
    if folder.canary_share() and folder.release_of(idle) != release:
        withdraw(app)
    before = Before.of(app, idle)
    seconds: dict[str, float] = {}
    try:
        _prepare(before, release, seconds)
        begun = time.monotonic()
        share = 0.0
        if percent < 100:
            share = folder.share_out(live, percent)
        else:
            folder.flip(idle)
        retry(limits.FRONT_SECONDS, lambda: health.verify_front(app))
        seconds["flip"] = round(time.monotonic() - begun, 3)
    except BaseException as error:
        try:
            before.restore_fully()
        except OSError as second:
            raise SwitchError(
                f"{explain(error)}; and what stood there before could not be restored: {explain(second)}"
            ) from error
        raise
    if percent < 100:
        folder.set_preloaded(app.preloads)
        history.append(folder, "canary", release, percent=share, seconds=seconds, **{"from": serving})
        return Outcome(True, live, seconds, percent=share)
    try:
        history.append(folder, event, release, seconds=seconds, **{"from": serving})
    except OSError as error:
        raise SwitchError(
            f"release {release} is live, but the history cannot be written: {explain(error)}. Remove the cause; the"
            " next run with this release completes the switch"
        ) from error
    drained = _retire(app, live)
    seconds["drain"] = drained.seconds
    return Outcome(True, idle, seconds, left=drained.left)


@no_handover()
def withdraw(app: App) -> Outcome:
    """Let the live slot serve everything again, drain the canary, and stop it where idle slots are cold."""
    live = app.folder.live()
    if live is None:
        raise SwitchError("the application was never deployed on this host")
    if not app.folder.canary_share():
        return Outcome(False, live, {})
    canary = app.folder.release_of(other_than(live))
    app.folder.flip(live)
    history.append(app.folder, "canary_withdrawn", str(canary))
    drained = _retire(app, other_than(live))
    return Outcome(True, live, {"drain": drained.seconds}, left=drained.left)


@dataclass
class Before:
    """What a failed switch puts back: the slot map's text, and the release that the idle slot ran.

    ``started`` says that the slot's processes may run the new release.
    """

    app: App
    idle: str
    map_text: str
    release: str | None
    started: bool = False

    @classmethod
    def of(cls, app: App, idle: str) -> Before:
        """Note what the map and the idle slot are now.

        If the idle slot's release is gone, the live one takes its place: Apache cannot start processes without one.
        """
        folder = app.folder
        release = folder.release_of(idle)
        if release is None or folder.describe(release) is None:
            release = folder.release_of(other_than(idle))
        return cls(app, idle, folder.slot_map.read_text(), release)

    def restore_fully(self) -> None:
        """Put map and slot back, although a signal asks this process to end meanwhile. Raises OSError."""
        try:
            self.restore()
        except (Interrupted, KeyboardInterrupt):
            # Further signals are ignored (see interruptible). The map is back, so that this does not drain once more.
            self.restore()

    def restore(self) -> None:
        """Put map and slot back. Requests that have reached the refused release are answered first.

        Each part is tried, whatever happens to the others. Raises the first OSError then, such as that of a full disk.
        """
        folder = self.app.folder
        flipped = folder.slot_map.read_text() != self.map_text
        parts: list[Callable[[], object]] = [self._restore_map] if flipped else []
        # Before the wait for the last requests: a process that starts meanwhile does not run the refused release.
        parts += [lambda: folder.set_preloaded(self.app.preloads), self._restore_release]
        errors = []
        for part in parts:
            try:
                part()
            except OSError as error:
                errors.append(error)
        if self.started and not folder.canary_share():
            if flipped:
                _drain(self.app, self.idle)
            daemons.end(self.app, self.idle)
        if errors:
            raise errors[0]

    def _restore_map(self) -> None:
        path = self.app.folder.slot_map
        try:
            replace_text(path, self.map_text, mode=0o644)
        except OSError:
            # A full disk has no room for a second file. The line of the map fits in the block that the file has.
            with open(path, "r+", encoding="utf-8") as stream:
                stream.write(self.map_text)
                stream.truncate()

    def _restore_release(self) -> None:
        folder = self.app.folder
        if self.release is not None and self.release != folder.release_of(self.idle):
            folder.point(self.idle, self.release)


def _refuse_crossing(folder: AppFolder, release: str, cross_contract: bool) -> None:
    crossed = history.contract_between(history.read(folder), release)
    if crossed is not None and not cross_contract:
        raise SwitchError(
            f"release {release} is from before the contract of release {crossed['release']} ({crossed['at']}), which"
            " may have removed what it needs; if it does work without, say cross_contract=true"
        )


def _prepare(before: Before, release: str, seconds: dict[str, float]) -> None:
    """Let the idle slot run ``release``, healthy and warm.

    Adds the duration of each part to ``seconds``. Raises SwitchError when the slot does not become healthy.
    """
    app, idle, folder = before.app, before.idle, before.app.folder
    begun = time.monotonic()
    if folder.release_of(idle) == release and health.all_healthy(app, idle, release, pauses(limits.CHECK_SECONDS)):
        seconds["check"] = round(time.monotonic() - begun, 3)
        return
    before.started = True
    folder.set_preloaded(app.preloads | {idle})
    folder.point(idle, release)
    daemons.replace(app, idle)
    if not health.all_healthy(app, idle, release, pauses(app.start_timeout)):
        raise SwitchError(health.why_unhealthy(app, idle, release))
    seconds["start"] = round(time.monotonic() - begun, 3)
    begun = time.monotonic()
    for _ in range(limits.WARM_UP_REQUESTS):
        ask(app.doors[idle], app.health_path)
    seconds["warm_up"] = round(time.monotonic() - begun, 3)


def _await_front(app: App, starting: int) -> None:
    """Wait until the application is well where clients reach it; raise SwitchError when it is not in time.

    The time is ``start_timeout`` from the start of this wait. While no answer has come, it is ``starting`` times as
    long: as many applications load their releases at once, on the same processors.
    """
    begun = time.monotonic()
    for _ in pauses(app.start_timeout * starting):
        try:
            return health.verify_front(app)
        except LateAnswerError:
            continue
        except SwitchError:
            if time.monotonic() > begun + app.start_timeout:
                raise
    return health.verify_front(app)


def _drain(app: App, colour: str) -> draining.Drained:
    """Wait for the last request of a slot that gets no new ones."""
    path = daemons.socket_of(app, colour)
    return draining.drain(path, app.drain_timeout) if path else draining.Drained(0.0, 0)


def _retire(app: App, colour: str) -> draining.Drained:
    """Drain a slot that gets no requests any more; then end its processes, unless idle slots are kept warm."""
    drained = _drain(app, colour)
    app.folder.set_preloaded(app.preloads)
    if app.idle != "warm":
        # They end after their last request, in shutdown-timeout at most, and start again without the release.
        daemons.end(app, colour)
    return drained


def _complete(app: App, live: str, release: str) -> Outcome:
    """Complete a switch that was interrupted after it was verified: note it, and end the old slot."""
    folder = app.folder
    events = history.read(folder)
    last = history.last_made_live(events)
    if last is None:
        history.append(folder, "deployed", release)
    elif last.get("release") != release:
        why = "found live; the run that had switched was interrupted"
        history.append(folder, "switched", release, why=why, **{"from": last.get("release")})
    if folder.canary_share():
        return Outcome(False, live, {}, percent=folder.canary_share())
    folder.set_preloaded(app.preloads)
    idle = other_than(live)
    flipped = folder.slot_map.stat().st_mtime
    old = (processes.start_clock(pid) < flipped - limits.CLOCK_SECONDS for pid in daemons.pids(app, idle))
    if app.idle != "warm" and any(old):
        _retire(app, idle)
    return Outcome(False, live, {})
