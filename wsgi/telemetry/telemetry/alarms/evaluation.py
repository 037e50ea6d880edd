"""The loop of telemetry-evaluator: evaluates the parts of this process, each at its interval."""

import contextlib
import logging
import threading
import time
from collections.abc import Iterator

from oslo_config import cfg

from telemetry import timestamps
from telemetry.alarms.evaluator import Evaluator
from telemetry.alarms.partition import Partition, bounds
from telemetry.errors import UnavailableError
from telemetry.storage.stores import Stores

LOG = logging.getLogger(__name__)
# Seconds between two looks for parts that are due.
LONGEST_PAUSE = 1.0
# Renewals within the length of a lease.
RENEWALS = 3


class Evaluation:
    """Evaluates alarms until it is told to stop."""

    def __init__(self, conf: cfg.ConfigOpts, stores: Stores, evaluator: Evaluator) -> None:
        options = conf.alarm
        self._interval = float(options.evaluation_interval)
        self._renewal = options.evaluation_lease / RENEWALS
        self._stores = stores
        self._evaluator = evaluator
        self.partition = Partition(stores.evaluation, options.evaluation_lease)
        self._balanced = float("-inf")
        # The last problem of each alarm, so that the log has it once.
        self._problems: dict[str, str] = {}

    def run(self, stop: threading.Event) -> None:
        """Evaluate until `stop` is set. A database that does not answer is waited for."""
        with self._renewing():
            while not stop.is_set():
                try:
                    self.step(stop)
                except UnavailableError as error:
                    LOG.warning("Alarms cannot be evaluated now: %s", error)
                stop.wait(min(LONGEST_PAUSE, self._interval / 4))
        try:
            self.partition.leave()
        except UnavailableError as error:
            LOG.warning("The alarms of this process stay its own for the length of a lease: %s", error)

    def step(self, stop: threading.Event) -> int:
        """Evaluate what is due. Return the number of evaluated alarms. Raises UnavailableError."""
        self._balance()
        count = 0
        for part in self.partition.due(self._interval):
            if stop.is_set():
                break
            elapsed = self.partition.begin(part, self._interval)
            if elapsed is None:
                continue
            if 2 * self._interval < elapsed < 100 * self._interval:
                LOG.warning(
                    "Alarms were not evaluated for %d s, and [alarm] evaluation_interval is %d s",
                    elapsed,
                    self._interval,
                )
            count += self._evaluate(part, stop)
            self._balance()
        return count

    def _balance(self) -> None:
        if time.monotonic() - self._balanced >= self._renewal:
            self.partition.balance()
            self._balanced = time.monotonic()

    def _evaluate(self, part: str, stop: threading.Event) -> int:
        begun = time.monotonic()
        alarms = self._stores.evaluation.alarms_between(*bounds(part))
        count = 0
        for alarm in alarms:
            if stop.is_set() or not self.partition.owns(part):
                break
            try:
                self._evaluator.evaluate(alarm, timestamps.utcnow())
                self._problems.pop(alarm.alarm_id, None)
            except UnavailableError:
                raise
            except Exception as error:
                # Whatever is wrong with an alarm, the others must be evaluated.
                self._report(alarm.alarm_id, f"{type(error).__name__}: {error}")
            count += 1
        LOG.debug("%d of %d alarms in %s evaluated in %.2f s", count, len(alarms), part, time.monotonic() - begun)
        return count

    def _report(self, alarm_id: str, problem: str) -> None:
        if self._problems.get(alarm_id) != problem:
            LOG.error("Alarm %s cannot be evaluated: %s", alarm_id, problem, exc_info=True)
            self._problems[alarm_id] = problem

    @contextlib.contextmanager
    def _renewing(self) -> Iterator[None]:
        """Renew the leases within the block, in a thread: an evaluation may take longer than a lease."""
        done = threading.Event()

        def renew() -> None:
            while not done.wait(self._renewal):
                try:
                    self.partition.renew()
                except UnavailableError as error:
                    LOG.warning("The leases of this process cannot be renewed now: %s", error)
                except Exception:
                    LOG.exception("The leases of this process cannot be renewed")

        thread = threading.Thread(target=renew, name="renewal", daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()
