"""A pytest plugin for the checks in this folder: somebody who has the inventory of an app, and follows the runbook."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import command_line
import pytest
import yaml
from entries import REPOSITORY, RUNBOOK, Block, Entry, entries
from served import Host

APPS = REPOSITORY / "molecule" / "shared" / "apps"
PACKAGES = ("mariadb-server", "curl", "psmisc")
"""What a host has besides the base system: the database server is the operator's own."""
SECONDS = 120
"""How long a symptom, or the end of one, may take to show itself."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add --short."""
    parser.addoption("--short", action="store_true", help="only the checks marked short")


def pytest_configure(config: pytest.Config) -> None:
    """Register the markers."""
    config.addinivalue_line("markers", "entry(HEADING): the check follows this entry of the page")
    config.addinivalue_line("markers", "short: part of the short form")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """With --short, deselect the checks that are not marked short."""
    if config.getoption("--short"):
        config.hook.pytest_deselected(items=[item for item in items if not item.get_closest_marker("short")])
        items[:] = [item for item in items if item.get_closest_marker("short")]


@dataclass
class Operator:
    """Somebody with an inventory in a folder, a host, and the page."""

    folder: Path
    host: Host
    record: dict[str, Any]
    shop: dict[str, Any]
    variables: dict[str, Any] = field(default_factory=dict)

    @property
    def inventory(self) -> Path:
        """The inventory that the page speaks of."""
        return self.folder / "inventory" / "mine"

    def write(self) -> None:
        """Write the inventory. The host's address and the authority of its downloads are what a page cannot know."""
        reached = {"ansible_connection": "grove_host", "ansible_host": self.host.container}
        settings = {**reached, **command_line.DOWNLOADS}
        (self.inventory / "group_vars").mkdir(parents=True, exist_ok=True)
        (self.inventory / "hosts.yml").write_text(yaml.safe_dump({"wsgi": {"hosts": {"web1": settings}}}))
        variables = {**self.variables, "wsgi_apps": [self.record, self.shop]}
        (self.inventory / "group_vars" / "all.yml").write_text(yaml.safe_dump(variables, sort_keys=False, width=1000))

    def change(self, **keys: Any) -> None:
        """Change keys of the record in the inventory; None removes one."""
        self.record.update(keys)
        self.record = {key: value for key, value in self.record.items() if value is not None}
        self.write()

    def fault(self, name: str | None) -> None:
        """Let the inventory's release have a fault, or none."""
        environment = {key: value for key, value in self.record["environment"].items() if key != "BOOKSTORE_FAULT"}
        self.change(environment=environment | ({"BOOKSTORE_FAULT": name} if name else {}))

    def try_type(self, block: Block, values: dict[str, str]) -> subprocess.CompletedProcess[str]:
        """Type the commands of a block where they belong."""
        if "ADDRESS" in block.text:
            values = values | {"ADDRESS": self.host.address}
        # The errors stand between the lines of the output, as in a terminal.
        text = "exec 2>&1\n" + block.typed(values)
        if block.place == "on the host":
            return self.host.try_run("bash", "-c", text)
        return command_line.grove(text, self.folder)

    def grove(self, command: str) -> str:
        """Type a command at the controller; it has to succeed."""
        done = command_line.grove(command, self.folder)
        assert done.returncode == 0, shown(command, done)
        return done.stdout

    def refused(self, command: str) -> str:
        """Type a command at the controller that has to fail; return its output."""
        done = command_line.grove(command, self.folder)
        assert done.returncode, f"{command} succeeded:\n{done.stdout[-6000:]}"
        return done.stdout + done.stderr

    def see(self, block: Block, values: dict[str, str], *, succeeds: bool) -> dict[str, str]:
        """Type commands until the output is the page's, for some seconds; return the values, also those it gives."""
        end = time.monotonic() + SECONDS
        while True:
            done = self.try_type(block, values)
            read = block.read(done.stdout, values)
            if read is not None and not (succeeds and done.returncode):
                return read
            assert time.monotonic() < end, f"the output lacks\n{chr(10).join(block.output)}\n{shown(block.text, done)}"
            time.sleep(0.5)

    def do(self, block: Block, values: dict[str, str]) -> dict[str, str]:
        """Do what a block says, once; return the values, also those that its output gives."""
        if block.language == "yaml":
            self._edit(block)
            return values
        done = self.try_type(block, values)
        read = block.read(done.stdout, values)
        assert done.returncode == 0, shown(block.text, done)
        assert read is not None, f"the output lacks\n{chr(10).join(block.output)}\n{shown(block.text, done)}"
        return read

    def follow(self, entry: Entry, repair: Callable[[], object] = lambda: None) -> None:
        """Follow an entry from its first part to its last. ``repair`` is what the page leaves to the person's own work.

        It happens after the person has seen the symptom.
        """
        values: dict[str, str] = {}
        for block in entry.parts["See it"]:
            values = self.see(block, values, succeeds=False)
        repair()
        self.remedy(entry, values)

    def remedy(self, entry: Entry, values: dict[str, str] | None = None) -> None:
        """Do what an entry says, and see that it helped. ``values`` are those that the person has seen."""
        values = dict(values or {})
        for block in entry.parts["Do"]:
            values = self.do(block, values)
        for block in entry.parts["It helped"]:
            values = self.see(block, values, succeeds=True)

    def _edit(self, block: Block) -> None:
        content = yaml.safe_load(block.text)
        if block.place.startswith("group_vars"):
            self.variables |= content
            self.write()
        else:
            self.change(**content)

    def ask(self, path: str, **options: Any) -> int:
        """Send a request to the bookstore from outside; return the status of the answer."""
        return self.host.ask("bookstore", path, **options).status

    def set_up(self) -> None:
        """Do what the runbook takes for granted on a new host: the package lists, the database server, the tools."""
        self.host.run("apt-get", "update")
        self.host.run(
            "apt-get", "install", "--yes", "--no-install-recommends", *PACKAGES, DEBIAN_FRONTEND="noninteractive"
        )

    def make_database(self) -> None:
        """Make the database and the account that the inventory names."""
        account = self.variables["bookstore_account"]
        password = self.inventory / "secrets" / account
        password.parent.mkdir(exist_ok=True)
        password.write_text("a-password-of-the-checks\n")
        self.host.run(
            "mariadb",
            stdin=f"""CREATE DATABASE IF NOT EXISTS bookstore;
CREATE USER IF NOT EXISTS {account}@localhost IDENTIFIED BY 'a-password-of-the-checks';
GRANT ALL ON bookstore.* TO {account}@localhost;
""",
        )


def shown(command: str, done: subprocess.CompletedProcess[str]) -> str:
    """Return a command, its exit status and the end of its output, for a failure's message."""
    return f"{command}\nexit status {done.returncode}\n{done.stdout[-6000:]}\n{done.stderr[-3000:]}"


@pytest.fixture(scope="session")
def operator(hosts: dict[str, Host], tmp_path_factory: pytest.TempPathFactory) -> Operator:
    """Somebody whose inventory is deployed, with one run of the main command."""
    bookstore = {
        "name": "bookstore",
        "source": "./bookstore",
        "lock": "bookstore/requirements.lock",
        "entry": {"module": "bookstore:application"},
        "environment": {
            "BOOKSTORE_ACCOUNT": "{{ bookstore_account }}",
            "BOOKSTORE_PASSWORD": "{{ bookstore_password }}",
            "BOOKSTORE_COVERS": "{state}/covers",
        },
        "prepare": "mkdir -p {state}/covers",
        "migrate": "python src/bookstore.py",
        "timers": {"tidy": {"command": "find {state}/tmp -mtime +1 -delete", "schedule": "daily"}},
        "listen": 8080,
        "processes": 2,
        "threads": 2,
        "chunked_bodies": False,
        "request_timeout": 6,
        "daemon_options": {"queue-timeout": 3, "socket-timeout": 8},
    }
    shop = {
        "name": "shop",
        "source": str(APPS / "echo"),
        "entry": {"module": "echo:application"},
        "config": {"echo.conf": str(APPS / "echo.conf.j2")},
        "environment": {"ECHO_CONFIG": "{etc}/echo.conf"},
        "listen": 8443,
        "server_name": "shop.example.org",
        "tls": "private_ca",
        "processes": 1,
    }
    host = replace(hosts["web1"], apps=[bookstore, shop])
    variables = {
        "bookstore_account": "bookstore_1",
        "bookstore_password": "{{ lookup('ansible.builtin.file', inventory_dir ~ '/secrets/' ~ bookstore_account) }}",
    }
    person = Operator(tmp_path_factory.mktemp("operator"), host, bookstore, shop, variables)
    shutil.copytree(Path(__file__).parent / "bookstore", person.inventory / "files" / "bookstore")
    person.set_up()
    # A file system of its own, which can become full.
    host.run("mkdir", "-p", "/srv/wsgi")
    if host.try_run("mountpoint", "/srv/wsgi").returncode:
        host.mount("-t", "tmpfs", "-o", "size=300m,mode=0755", "small", "/srv/wsgi")
    person.make_database()
    person.write()
    person.grove("./grove site -i inventory/mine")
    assert person.ask("/") == 200
    return person


@pytest.fixture
def entry(request: pytest.FixtureRequest) -> Entry:
    """The entry of the page that the check's marker names."""
    heading = request.node.get_closest_marker("entry").args[0]
    return next(entry for entry in entries(RUNBOOK.read_text()) if entry.heading == heading)
