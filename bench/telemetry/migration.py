"""Measures telemetry-migrate-storage: migration.py SOURCE TARGET [--samples 1000000]

SOURCE and TARGET are two of sqlite, postgresql, mariadb and mongodb. The program starts their servers, stores the
samples of figures.py in the source, and copies them with the command. See README.md.
"""

import argparse
import contextlib
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from oslo_config import cfg

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "wsgi" / "telemetry"))
NAMES = ("sqlite", "postgresql", "mariadb", "mongodb")
BATCH = 5000


def fill(url: str, samples: int) -> None:
    """Store samples."""
    import figures
    from telemetry import config, timestamps
    from telemetry.storage.records import Sample
    from telemetry.storage.stores import load_driver

    conf = config.load(conf=cfg.ConfigOpts(), files=["/dev/null"], logging=False)
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


def main() -> int:
    """Start both databases, fill the source, and copy. Return the exit status of the command."""
    from tests import servers

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", choices=NAMES)
    parser.add_argument("target", choices=NAMES)
    parser.add_argument("--samples", type=int, default=1_000_000)
    options = parser.parse_args()
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(dir="/var/tmp", prefix="telemetry-bench-"))
        urls = []
        for side in ("source", "target"):
            name = getattr(options, side)
            if name == "sqlite":
                urls.append(f"sqlite:///{folder}/{side}.sqlite")
            else:
                urls.append(stack.enter_context(getattr(servers, name)())[0])
        fill(urls[0], options.samples)
        Path(folder, "telemetry.conf").write_text(f"[DEFAULT]\nstate_path = {folder}\n")
        command = [sys.executable, "-m", "telemetry.cmd.migrate_storage", "--config-file", f"{folder}/telemetry.conf"]
        begun = time.monotonic()
        process = subprocess.Popen([*command, "--source", urls[0], "--target", urls[1]])
        _, status, used = os.wait4(process.pid, 0)
        seconds = time.monotonic() - begun
        core = used.ru_utime + used.ru_stime
        rates = f"{options.samples / seconds:.0f} a second, {options.samples / core:.0f} per second of processor time"
        print(f"{options.source} to {options.target}: {options.samples} samples in {seconds:.0f} s, {rates}")
        print(f"memory of the command: {used.ru_maxrss // 1024} MB")
    return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    sys.exit(main())
