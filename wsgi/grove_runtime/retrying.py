"""Let an agent of OpenStack try again what another server cannot do now.

An agent works on requests that are acknowledged already, so it must not give up.

* A service whose broker or database is away answers 503. The libraries of its clients use keystoneauth, which does not
  ask again unless its caller wants it to, and nova has no option for that for neutron.
* A database that is away accepts no connections. oslo.db tries again when a program starts, and not later. So cinder
  could not even note that the creation of a volume had failed, and the volume was shown as creating for ever.
"""

from __future__ import annotations

import functools
import logging
import time
from typing import Any

_log = logging.getLogger(__name__)
PAUSE = 5.0
"""Seconds until the next attempt after an answer without Retry-After."""
DATABASE_PAUSE = 1.0
"""Seconds until the next attempt to connect to a database."""


def ask_again(attempts: int) -> None:
    """Let keystoneauth make up to ``attempts`` more attempts at a request that is answered with 503.

    It waits as long as Retry-After says between two of them. A caller that names a number of its own keeps it. Raises
    ImportError without keystoneauth.
    """
    from keystoneauth1.session import Session

    request = Session.request

    @functools.wraps(request)
    def retrying(session: Any, url: str, method: str, *arguments: Any, **options: Any) -> Any:
        if not arguments and options.get("status_code_retries") is None:
            options |= {"status_code_retries": attempts, "status_code_retry_delay": PAUSE}
        return request(session, url, method, *arguments, **options)

    Session.request = retrying  # type: ignore[method-assign, assignment]


def wait_for_databases() -> None:
    """Let new connections of SQLAlchemy wait as long as their database server is away, once SQLAlchemy is imported.

    A server that is there and refuses the account raises what it raises otherwise, after a second attempt. The program
    imports SQLAlchemy itself, after it has replaced modules if it does so. Raises ImportError without wrapt.
    """
    import wrapt

    wrapt.register_post_import_hook(_let_connections_wait, "sqlalchemy")


def _let_connections_wait(sqlalchemy: Any) -> None:
    from . import away

    missing: set[away.Database] = set()

    def connect(dialect: Any, record: object, arguments: Any, options: dict[str, Any]) -> Any:
        database = away.database_of(dialect.name, options)
        if database is None:
            # SQLAlchemy connects by itself.
            return None
        last = False
        while True:
            try:
                connection = dialect.connect(*arguments, **options)
            except dialect.dbapi.Error:
                is_away = database.is_away()
                if last and not is_away:
                    raise
                # A server that is about to go, or has just come back, accepts a connection and ends it.
                last = not is_away
                if is_away and database not in missing:
                    missing.add(database)
                    _log.warning("the database at %s:%s is away; what needs it waits", database.host, database.port)
                time.sleep(DATABASE_PAUSE)
            else:
                if database in missing:
                    missing.discard(database)
                    _log.warning("the database at %s:%s is back", database.host, database.port)
                return connection

    sqlalchemy.event.listen(sqlalchemy.engine.Engine, "do_connect", connect)
