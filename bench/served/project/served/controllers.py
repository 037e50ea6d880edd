"""The controllers: a greeting, a `RestController`, and a query of a database that takes 20 ms."""

import threading

import pecan
import psycopg2
from pecan.rest import RestController

DATABASE = "host=127.0.0.1 dbname=bench user=bench password=bench"
QUERY = "SELECT pg_sleep(0.02), 1"
PAYLOAD: dict[str, object] = {"items": [{"id": number, "name": f"item {number:03d}"} for number in range(29)]}
"""About 1 KB as JSON."""

_thread = threading.local()


class ItemController(RestController):
    """`/item/KEY`."""

    @pecan.expose("json")
    def get_one(self, key: str) -> dict[str, object]:
        return PAYLOAD


class RootController:
    """`/`."""

    item = ItemController()

    @pecan.expose(content_type="text/plain")
    def index(self) -> str:
        return "Hello"

    @pecan.expose("json")
    def wait(self) -> dict[str, int]:
        """Ask the database over this thread's connection, as a pool would."""
        if not hasattr(_thread, "connection"):
            _thread.connection = psycopg2.connect(DATABASE)
            _thread.connection.autocommit = True
        with _thread.connection.cursor() as cursor:
            cursor.execute(QUERY)
            [(_, one)] = cursor.fetchall()
        return {"one": one}
