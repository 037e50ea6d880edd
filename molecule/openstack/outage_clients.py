"""Create servers and volumes without a pause, and note each answer. Runs on the host with Python's standard library.

Usage: outage_clients.py create JOURNAL STOP SETTINGS
       outage_clients.py result JOURNAL SECONDS SETTINGS

SETTINGS is JSON: ``token``, ``flavor``, ``image``, ``network``, ``compute`` and ``volume`` (URLs), and ``clients``, the
number of clients that create servers, and that of clients that create volumes. ``create`` goes on
until the file STOP exists; the host may stop at any time. ``result`` waits at most SECONDS until nothing is being
built, and prints JSON: what was acknowledged and what exists. It names servers and volumes that are lost or stuck, and
shows why servers failed.
"""

import collections
import http.client
import itertools
import json
import os
import sys
import threading
import time
from typing import Any
from urllib.parse import urlsplit

verb, journal, argument, text = sys.argv[1:]
settings: dict[str, Any] = json.loads(text)
# Seconds between two requests of one kind.
PAUSE = {"server": 1.0, "volume": 0.5}
READY = {"server": "ACTIVE", "volume": "available"}
BUSY = ("BUILD", "creating")
URLS = {"server": settings["compute"] + "/servers", "volume": settings["volume"] + "/volumes"}


def ask(method: str, url: str, body: Any = None) -> tuple[int, dict[str, str], Any]:
    """Return status, headers and JSON of an answer; the status is 0 for a failed connection."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=90)
    headers = {"X-Auth-Token": settings["token"], "Content-Type": "application/json", "Accept": "application/json"}
    try:
        connection.request(method, f"{parts.path}?{parts.query}", json.dumps(body) if body else None, headers)
        answer = connection.getresponse()
        content = answer.read()
        try:
            parsed = json.loads(content)
        except ValueError:
            parsed = {}
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, parsed
    except OSError as error:
        return 0, {}, {"error": repr(error)}
    except http.client.HTTPException as error:
        return 0, {}, {"error": repr(error)}
    finally:
        connection.close()


def create(kind: str, client: int) -> None:
    """Create one after the other, and write each answer to the disk before the next request."""
    number = 0
    while not os.path.exists(argument):
        number += 1
        name = f"outage-{os.getpid()}-{client}-{number}"
        body: dict[str, Any] = {"name": name, "size": 1}
        if kind == "server":
            body = {"name": name, "flavorRef": settings["flavor"], "imageRef": settings["image"]}
            body["networks"] = [{"uuid": settings["network"]}]
        begun = time.monotonic()
        status, headers, answer = ask("POST", URLS[kind], {kind: body})
        line = {"at": time.time(), "kind": kind, "name": name, "status": status}
        line |= {"seconds": round(time.monotonic() - begun, 2), "retry_after": headers.get("retry-after")}
        line |= {"id": answer[kind]["id"]} if status == 202 else {"answer": str(answer)[:200]}
        with open(journal, "a", encoding="utf-8") as stream:
            stream.write(json.dumps(line) + "\n")
            stream.flush()
            os.fsync(stream.fileno())
        time.sleep(PAUSE[kind])


def existing(kind: str) -> dict[str, dict[str, Any]]:
    """Return what exists of a kind, by its id."""
    status, _, answer = ask("GET", f"{URLS[kind]}/detail?limit=1000")
    if status != 200:
        return {}
    return {one["id"]: one for one in answer[f"{kind}s"] if one["name"].startswith("outage-")}


def result() -> dict[str, Any]:
    """Wait until nothing is being built, and compare."""
    with open(journal, encoding="utf-8") as stream:
        lines = [json.loads(line) for line in stream]
    end = time.monotonic() + float(argument)
    while True:
        found = {kind: existing(kind) for kind in URLS}
        building = [one for kind in found.values() for one in kind.values() if one["status"] in BUSY]
        acknowledged = {(line["kind"], line["id"]) for line in lines if line["status"] == 202}
        missing = [name for kind, name in acknowledged if name not in found[kind]]
        if (not building and not missing) or time.monotonic() > end:
            break
        time.sleep(2)
    counts: dict[str, Any] = {}
    for kind in URLS:
        answers = [line for line in lines if line["kind"] == kind]
        counts[kind] = {
            "answers": collections.Counter(str(line["status"]) for line in answers),
            "slowest": max((line["seconds"] for line in answers), default=0),
            "exists": collections.Counter(one["status"] for one in found[kind].values()),
            "acknowledged": collections.Counter(
                found[kind][line["id"]]["status"] for line in answers if line.get("id") in found[kind]
            ),
        }
    refused = [line for line in lines if line["status"] not in (202, 503)]
    # Checks look at the first ones: failed connections are the least of the news.
    refused.sort(key=lambda line: bool(line["status"] == 0))
    return {
        **counts,
        "missing": missing,
        "building": [one["id"] for one in building],
        "faults": [str(one["fault"])[-1000:] for one in found["server"].values() if "fault" in one],
        "without_retry_after": [line for line in lines if line["status"] == 503 and not line["retry_after"]][:5],
        "other": refused[:10],
        "others": len(refused),
        "waited": round(float(argument) - max(end - time.monotonic(), 0), 1),
    }


if verb == "create":
    threads = [
        threading.Thread(target=create, args=pair) for pair in itertools.product(URLS, range(settings["clients"]))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
else:
    print(json.dumps(result()))
