"""Send the requests of several users at the same time, and compare each answer with its asker.

Usage: mixed_load.py PLAN. Runs on the host with Python's standard library only.

The JSON file PLAN has ``seconds``, ``least``, ``longest`` and ``askers``. The askers send for as many ``seconds``.
Then they go on until each service has given the ``least`` number of right answers, or for ``longest`` seconds in all.
Each asker has ``name``, ``service`` and ``requests``, and repeats the requests in a thread of its own. A request has:

method, url, headers, body: what is sent. {n} in a body becomes a number that no other request has.
status: the status of the answer; 0 stands for any below 300.
values: by paths in the answer, such as ``networks[].project_id``, the values that stand there, and no others may.
made, delete: the path of an id in the answer, and the URL, with {} in the place of the id, that deletes what was made.

Prints JSON: ``counts``, by service the numbers of ``right`` and ``wrong`` answers, and ``examples`` of wrong ones.
"""

import http.client
import itertools
import json
import sys
import threading
import time
from typing import Any
from urllib.parse import urlsplit

with open(sys.argv[1], encoding="utf-8") as stream:
    plan = json.load(stream)
numbers = itertools.count(1)
begun = time.monotonic()
services = {asker["service"] for asker in plan["askers"]}
counts: dict[str, dict[str, int]] = {}
examples: dict[str, list[str]] = {}
lock = threading.Lock()


def values_at(answer: Any, path: str) -> list[Any]:
    """Return the values at a path of an answer; none where it does not lead anywhere."""
    found = [answer]
    for name in filter(None, path.split(".")):
        key, _, every = name.partition("[")
        found = [one[key] for one in found if isinstance(one, dict) and key in one] if key else found
        if every:
            found = [member for one in found if isinstance(one, list) for member in one]
    return found


def send(
    connections: dict[str, http.client.HTTPConnection], request: dict[str, Any], url: str, method: str, body: str | None
) -> tuple[int, Any]:
    """Send one request over a kept connection, and once more over a new one if the server has closed the kept one."""
    parts = urlsplit(url)
    for attempt in (1, 2):
        fresh = parts.netloc not in connections
        connection = connections.setdefault(parts.netloc, http.client.HTTPConnection(parts.netloc, timeout=60))
        try:
            path = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
            connection.request(method, path, body=body, headers=request["headers"])
            answer = connection.getresponse()
            text = answer.read()
        except (http.client.RemoteDisconnected, ConnectionError):
            connections.pop(parts.netloc).close()
            if fresh or attempt == 2:
                raise
            continue
        if answer.will_close:
            connections.pop(parts.netloc).close()
        try:
            return answer.status, json.loads(text or b"null")
        except ValueError:
            return answer.status, text[:200].decode(errors="replace")
    raise AssertionError


def ask(connections: dict[str, http.client.HTTPConnection], request: dict[str, Any]) -> str:
    """Send a request and return what is wrong with its answer; an empty text if nothing is."""
    body = request["body"] and request["body"].replace("{n}", str(next(numbers)))
    try:
        status, answer = send(connections, request, request["url"], request["method"], body)
    except Exception as error:
        return repr(error)
    wrong = [
        f"{path} is {found}, not {expected}"
        for path, expected in request["values"].items()
        if (found := sorted({str(value) for value in values_at(answer, path)})) != sorted(expected)
    ]
    if status != request["status"] and (request["status"] or status >= 300):
        wrong = [f"{status}, not {request['status'] or 'a success'}: {json.dumps(answer)[:300]}"]
    for made in values_at(answer, request["made"]) if request["delete"] and status < 300 else []:
        deleted = send(connections, request, request["delete"].replace("{}", str(made)), "DELETE", None)
        if deleted[0] not in (200, 202, 204):
            wrong.append(f"deleting {made}: {deleted[0]} {json.dumps(deleted[1])[:200]}")
    return "; ".join(wrong)


def ended() -> bool:
    """Return whether the askers are to stop."""
    seconds = time.monotonic() - begun
    with lock:
        enough = all(counts.get(service, {}).get("right", 0) >= plan["least"] for service in services)
    return seconds > plan["longest"] or (enough and seconds > plan["seconds"])


def repeat(asker: dict[str, Any]) -> None:
    connections: dict[str, http.client.HTTPConnection] = {}
    for request in itertools.cycle(asker["requests"]):
        if ended():
            return
        wrong = ask(connections, request)
        with lock:
            of_service = counts.setdefault(asker["service"], {"right": 0, "wrong": 0})
            of_service["wrong" if wrong else "right"] += 1
            if wrong and len(examples.setdefault(asker["service"], [])) < 10:
                examples[asker["service"]].append(f"{asker['name']}: {request['method']} {request['url']}: {wrong}")


threads = [threading.Thread(target=repeat, args=[asker]) for asker in plan["askers"]]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(json.dumps({"counts": counts, "examples": examples}))
