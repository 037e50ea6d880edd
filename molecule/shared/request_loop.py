"""Send requests to URLs without a pause and count them. Runs on the host with Python's standard library only.

Usage: request_loop.py TOKEN STOP URL...

For each URL, one thread keeps its connection and one opens a connection for each request. Once the file STOP exists,
it prints JSON: ``requests`` and ``failures`` (numbers), ``failed`` (at most 20 failures), ``slowest`` in seconds, and
``slowest_of`` with the slowest one of each URL.
"""

import http.client
import json
import os
import sys
import threading
import time
from urllib.parse import urlsplit

token, stop, *urls = sys.argv[1:]
counts = {"requests": 0, "failures": 0, "slowest": 0.0}
slowest_of = dict.fromkeys(urls, 0.0)
failed: list[str] = []
lock = threading.Lock()


def send_requests(url: str, keep: bool) -> None:
    parts = urlsplit(url)
    connection = None
    while not os.path.exists(stop):
        begun = time.monotonic()
        try:
            if connection is None:
                connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)
            connection.request("GET", parts.path or "/", headers={"X-Auth-Token": token, "Accept": "application/json"})
            answer = connection.getresponse()
            answer.read()
            problem = "" if answer.status in (200, 300) else f"{url}: {answer.status} {answer.reason}"
            ends = answer.will_close
        except Exception as error:
            problem, ends = f"{url}: {error!r}", True
        if (ends or not keep) and connection is not None:
            connection.close()
            connection = None
        with lock:
            counts["requests"] += 1
            seconds = time.monotonic() - begun
            counts["slowest"] = max(counts["slowest"], seconds)
            slowest_of[url] = max(slowest_of[url], seconds)
            if problem:
                counts["failures"] += 1
                failed[20:] = []
                failed.append(problem)
        # Often enough to notice an interruption, and seldom enough to leave the processors to the deployment.
        time.sleep(0.25)


threads = [threading.Thread(target=send_requests, args=(url, keep)) for url in urls for keep in (True, False)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(json.dumps({**counts, "failed": failed, "slowest_of": slowest_of}))
