"""Print how long a control plane needs from its host's start to the first server that is ACTIVE. Runs on the host.

Usage: first_server.py       with the variables of /etc/openstack/openrc; needs the standard library alone

It prints JSON with seconds since the start of the host's first process: `token`, the first token of keystone;
`accepted`, the first server that nova acknowledges; `active`, when that server is ACTIVE. It ends with an error when
this takes ten minutes, or when the server has another end.
"""

from __future__ import annotations

import json
import os
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

PAUSE = 0.5
LIMIT = 600
NETWORK, FLAVOR, IMAGE = "net", "tiny", "plain"


def since_start() -> float:
    """Return the seconds since the start of the first process."""
    ticks = int(Path("/proc/1/stat").read_text().rpartition(")")[2].split()[19])
    return time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")


def ask(url: str, token: str = "", body: Any = None) -> tuple[str, Any]:
    """Return the token of an answer's headers, and the answer. Raises OSError for a refusal, and ValueError."""
    headers = {"Content-Type": "application/json", **({"X-Auth-Token": token} if token else {})}
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(url, data, headers), timeout=90) as answer:
        return answer.headers.get("X-Subject-Token", ""), json.load(answer)


def until_answered(*arguments: Any) -> tuple[str, Any]:
    """Ask until there is an answer that is no refusal."""
    while True:
        try:
            return ask(*arguments)
        except (OSError, ValueError):
            if since_start() > LIMIT:
                raise
            time.sleep(PAUSE)


def main() -> None:
    """Create a server and wait for it."""
    setting = {name.removeprefix("OS_").lower(): value for name, value in os.environ.items() if name.startswith("OS_")}
    user = {"name": setting["username"], "password": setting["password"]}
    user["domain"] = {"name": setting.get("user_domain_name", "Default")}  # type: ignore[assignment]
    project = {"name": setting["project_name"], "domain": {"name": setting.get("project_domain_name", "Default")}}
    login = {"identity": {"methods": ["password"], "password": {"user": user}}, "scope": {"project": project}}
    token, answer = until_answered(f"{setting['auth_url'].rstrip('/')}/auth/tokens", "", {"auth": login})
    seconds = {"token": since_start()}
    urls = {
        entry["type"]: next(point["url"] for point in entry["endpoints"] if point["interface"] == "public")
        for entry in answer["token"]["catalog"]
    }

    def named(kind: str, url: str, name: str) -> str:
        """Return the id of the flavor, image or network with a name."""
        return str(next(one["id"] for one in until_answered(url, token)[1][kind] if one["name"] == name))

    compute = urls["compute"].rstrip("/")
    network = urls["network"].rstrip("/").removesuffix("/v2.0")
    image = urls["image"].rstrip("/").removesuffix("/v2")
    server = {
        "name": "first-after-start",
        "flavorRef": named("flavors", f"{compute}/flavors", FLAVOR),
        "imageRef": named("images", f"{image}/v2/images", IMAGE),
        "networks": [{"uuid": named("networks", f"{network}/v2.0/networks", NETWORK)}],
    }
    created = until_answered(f"{compute}/servers", token, {"server": server})[1]["server"]["id"]
    seconds["accepted"] = since_start()
    status = "BUILD"
    while status == "BUILD" and since_start() < LIMIT:
        time.sleep(PAUSE)
        status = until_answered(f"{compute}/servers/{created}", token)[1]["server"]["status"]
    seconds["active"] = since_start()
    if status != "ACTIVE":
        raise SystemExit(f"the server is {status}")
    urllib.request.urlopen(
        urllib.request.Request(f"{compute}/servers/{created}", headers={"X-Auth-Token": token}, method="DELETE"),
        timeout=90,
    ).close()
    print(json.dumps({name: round(value, 1) for name, value in seconds.items()}))


if __name__ == "__main__":
    main()
