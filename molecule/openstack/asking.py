"""Ask URLs again and again until told to stop, and count; runs on the host, which has Python and nothing more.

Usage: asking.py TOKEN STOP URL...

One thread a URL keeps its connection, and one opens a connection for each request. When the file STOP is there, prints
JSON: ``requests``, ``failed`` (a list of what went wrong, at most 20), ``slowest`` in seconds.
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
failed: list[str] = []
lock = threading.Lock()


def ask(url: str, keep: bool) -> None:
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
            counts["slowest"] = max(counts["slowest"], time.monotonic() - begun)
            if problem:
                counts["failures"] += 1
                failed[20:] = []
                failed.append(problem)
        # Enough to notice, and little enough to leave the machine to the deployment.
        time.sleep(0.25)


threads = [threading.Thread(target=ask, args=(url, keep)) for url in urls for keep in (True, False)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(json.dumps({**counts, "failed": failed}))
