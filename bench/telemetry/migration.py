"""Measures telemetry-migrate-storage: migration.py STORE STORE... [--samples 1000000] [--batch 2000]

The stores are sqlite, postgresql, mariadb or mongodb. The program starts their servers, stores the samples of
figures.py in the first one, and copies them with the command: from the first store to the second, from there to the
third, and so on. The command compares the counts of both stores after each copy. See README.md.
"""

import argparse
import contextlib
import itertools
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from oslo_config import cfg

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "wsgi" / "telemetry"))
NAMES = ("sqlite", "postgresql", "mariadb", "mongodb")
BATCH = 5000
# A machine with other load answers late.
LIMITS = "[database]\nconnect_timeout = 60\nanswer_timeout = 600\n"


def fill(url: str, configuration: str, samples: int) -> None:
    """Store samples."""
    import figures
    from telemetry import config, timestamps
    from telemetry.storage.records import Sample
    from telemetry.storage.stores import load_driver

    conf = config.load(conf=cfg.ConfigOpts(), files=[configuration], logging=False)
    driver = load_driver(conf, url)
    driver.upgrade()
    for begin in range(0, samples, BATCH):
        bodies = [figures.sample(number) for number in range(begin, min(begin + BATCH, samples))]
        driver.record_samples(
            [
                Sample(
                    meter=body["counter_name"],
                    type=body["counter_type"],
                    unit=body["counter_unit"],
                    volume=body["counter_volume"],
                    user_id=body["user_id"],
                    project_id=body["project_id"],
                    resource_id=body["resource_id"],
                    source="openstack",
                    timestamp=timestamps.parse(body["timestamp"]),
                    metadata=body["resource_metadata"],
                    message_id=body["message_id"],
                )
                for body in bodies
            ]
        )
    driver.close()


def copy(source: str, target: str, folder: str, batch: int) -> tuple[int, float, Any]:
    """Run the command. Return its exit status, its seconds by the clock and what it used of the machine."""
    command = [sys.executable, "-m", "telemetry.cmd.migrate_storage", "--config-file", f"{folder}/telemetry.conf"]
    begun = time.monotonic()
    process = subprocess.Popen([*command, "--source", source, "--target", target, "--batch", str(batch)])
    _, status, used = os.wait4(process.pid, 0)
    return os.waitstatus_to_exitcode(status), time.monotonic() - begun, used


def main() -> int:
    """Start the databases, fill the first one, and copy. Return the exit status of the last command."""
    from tests import servers

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("first", choices=NAMES)
    parser.add_argument("others", choices=NAMES, nargs="+")
    parser.add_argument("--samples", type=int, default=1_000_000)
    parser.add_argument("--batch", type=int, default=2000)
    options = parser.parse_args()
    names = [options.first, *options.others]
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(dir="/var/tmp", prefix="telemetry-bench-"))
        Path(folder, "telemetry.conf").write_text(f"[DEFAULT]\nstate_path = {folder}\n{LIMITS}")
        urls = [
            f"sqlite:///{folder}/{number}.sqlite"
            if name == "sqlite"
            else stack.enter_context(getattr(servers, name)())[0]
            for number, name in enumerate(names)
        ]
        fill(urls[0], f"{folder}/telemetry.conf", options.samples)
        for number, (source, target) in enumerate(itertools.pairwise(names)):
            status, seconds, used = copy(urls[number], urls[number + 1], folder, options.batch)
            core = used.ru_utime + used.ru_stime
            rate = (
                f"{options.samples / seconds:.0f} a second, {options.samples / core:.0f} per second of processor time"
            )
            print(f"{source} to {target}: {options.samples} samples in {seconds:.0f} s, {rate}")
            print(f"memory of the command: {used.ru_maxrss // 1024} MB", flush=True)
            if status:
                break
    return status


if __name__ == "__main__":
    sys.exit(main())
