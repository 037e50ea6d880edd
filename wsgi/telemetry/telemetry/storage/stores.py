"""The stores of a process: loads the driver of the database that is configured for each purpose."""

import logging
import threading
from typing import cast

import stevedore.driver
from oslo_config import cfg

from telemetry.errors import TelemetryError, UnavailableError
from telemetry.storage.interface import AlarmStore, Driver, EvaluationStore, EventStore, MeteringStore

LOG = logging.getLogger(__name__)
NAMESPACE = "telemetry.storage"
PURPOSES = ("metering", "alarm", "event")


def load_driver(conf: cfg.ConfigOpts, url: str) -> Driver:
    """Return the driver that the scheme of `url` (up to `+`) names. Raises TelemetryError if it names none."""
    scheme = url.split(":", 1)[0].split("+", 1)[0]
    name = {"mariadb": "mysql", "postgres": "postgresql"}.get(scheme, scheme)
    try:
        manager: stevedore.driver.DriverManager[Driver] = stevedore.driver.DriverManager(
            NAMESPACE, name, invoke_on_load=True, invoke_args=(conf, url)
        )
    except stevedore.exception.NoMatches as error:
        raise TelemetryError(f"No storage driver exists for a connection that begins with {scheme!r}") from error
    return cast(Driver, manager.driver)


class Stores:
    """The stores of one process. Purposes with the same URL share a driver.

    `only` is one URL for all purposes, in place of those in the configuration.
    """

    def __init__(self, conf: cfg.ConfigOpts, only: str | None = None) -> None:
        self._conf = conf
        self._only = only
        self._drivers: dict[str, Driver] = {}
        self._lock = threading.Lock()

    def url(self, purpose: str) -> str:
        """Return the URL of the database for a purpose. Raises TelemetryError if none is configured."""
        database = self._conf.database
        url = self._only or database[f"{purpose}_connection"] or database.connection
        if not url:
            raise TelemetryError("No database is configured: set [database] connection")
        return str(url)

    def driver(self, purpose: str) -> Driver:
        """Return the driver for a purpose: metering, alarm or event."""
        url = self.url(purpose)
        with self._lock:
            if url not in self._drivers:
                self._drivers[url] = load_driver(self._conf, url)
            return self._drivers[url]

    @property
    def all(self) -> list[Driver]:
        """The drivers, each once."""
        return list({id(driver): driver for driver in map(self.driver, PURPOSES)}.values())

    @property
    def metering(self) -> MeteringStore:
        """The store of samples."""
        return self.driver("metering")

    @property
    def alarm(self) -> AlarmStore:
        """The store of alarms."""
        return self.driver("alarm")

    @property
    def evaluation(self) -> EvaluationStore:
        """The store of what is kept to evaluate alarms: that of the alarms."""
        return self.driver("alarm")

    @property
    def event(self) -> EventStore:
        """The store of events."""
        return self.driver("event")

    def check(self) -> None:
        """Compare each database's schema with this release's. A database that is away is logged, not an error.

        Raises SchemaMismatchError.
        """
        for driver in self.all:
            try:
                driver.check()
            except UnavailableError as error:
                LOG.warning("Starting without the database: %s", error)

    def close(self) -> None:
        """Close all connections."""
        with self._lock:
            for driver in self._drivers.values():
                driver.close()
            self._drivers.clear()
