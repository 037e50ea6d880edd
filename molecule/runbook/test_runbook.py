"""Each entry of docs/runbook.md: its symptom is made on the host, the page is followed, and the outcome is checked.

The checks run in this order, and each leaves an app that answers.
"""

from __future__ import annotations

import datetime
import json
import os
import re
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import host as test_hosts
import machine
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from entries import RUNBOOK, Entry, entries
from runbook_plugin import Operator
from served import Host, wait_for

BACKUPS = "/var/backups/bookstore"


def test_each_entry_has_a_check(request: pytest.FixtureRequest) -> None:
    """The unit tests compare all entries with the markers; this one is for those of the short form."""
    headings = {entry.heading for entry in entries(RUNBOOK.read_text())}
    markers = [item.get_closest_marker("entry") for item in request.session.items]
    followed = {marker.args[0] for marker in markers if marker}
    assert followed
    assert followed <= headings


# Deployments


@pytest.mark.entry("A deployment is refused")
def test_a_refused_deployment(operator: Operator, entry: Entry) -> None:
    before = operator.host.live("bookstore")
    operator.fault("start")
    done = operator.refused("./grove deploy -i inventory/mine -e app=bookstore")
    assert "RuntimeError: this release cannot start" in done
    assert operator.host.live("bookstore") == before

    def repair() -> None:
        operator.fault(None)
        operator.change(environment={**operator.record["environment"], "BOOKSTORE_NOTE": "repaired"})

    operator.follow(entry, repair)
    assert operator.host.live("bookstore") != before
    assert operator.ask("/titles") == 200


@pytest.mark.entry("A deployment does not end")
def test_a_deployment_that_was_killed_elsewhere(operator: Operator, entry: Entry) -> None:
    run = {"controller": "laptop", "pid": 4711, "started": "2026-11-28 02:00:00", "user": "ada"}
    note = json.dumps({"run": run, "renewed": time.time()})
    operator.host.run("sh", "-c", "umask 077; cat >/srv/wsgi/bookstore/deployment.json", stdin=note)
    done = operator.refused("./grove deploy -i inventory/mine -e app=bookstore")
    assert "another deployment (ada on laptop" in done
    operator.follow(entry)


@pytest.mark.short
@pytest.mark.entry("The new release is wrong")
def test_a_wrong_release(operator: Operator, entry: Entry) -> None:
    before = operator.host.live("bookstore")[1]
    operator.fault("titles")
    operator.grove("./grove deploy -i inventory/mine -e app=bookstore")
    assert operator.ask("/titles") == 500
    operator.follow(entry)
    operator.fault(None)
    assert operator.host.live("bookstore")[1] == before
    assert operator.ask("/titles") == 200


@pytest.mark.entry("A canary is wrong")
def test_a_wrong_canary(operator: Operator, entry: Entry) -> None:
    before = operator.host.live("bookstore")[1]
    operator.fault("titles")
    operator.grove("./grove canary -i inventory/mine -e app=bookstore -e percent=50")
    statuses = {operator.ask("/titles") for _ in range(40)}
    assert statuses == {200, 500}
    operator.follow(entry)
    operator.fault(None)
    assert operator.host.live("bookstore")[1] == before


# Answers


@pytest.mark.entry("502")
def test_a_process_that_ends(operator: Operator, entry: Entry) -> None:
    """The page's remedy is a rollback: the release before has no preview that ends its process."""
    path = operator.inventory / "files" / "bookstore" / "bookstore.py"
    sound = path.read_text()
    killing = "os.kill(os.getpid(), signal.SIGKILL)"
    assert killing in sound
    try:
        path.write_text(sound.replace(killing, "pass"))
        operator.grove("./grove deploy -i inventory/mine -e app=bookstore")
        path.write_text(sound)
        operator.grove("./grove deploy -i inventory/mine -e app=bookstore")
        assert operator.ask("/preview") == 502
        operator.follow(entry)
    finally:
        path.write_text(sound)


@pytest.mark.entry("503 or 504 under load")
def test_more_requests_than_threads(operator: Operator, entry: Entry) -> None:
    with load(operator, "/search", clients=12) as stop:
        time.sleep(8)
        operator.follow(entry, stop.set)
    assert operator.ask("/") == 200


@pytest.mark.entry("504 for some requests")
def test_a_request_that_hangs(operator: Operator, entry: Entry) -> None:
    with ThreadPoolExecutor(2) as pool:
        statuses = set(pool.map(lambda _: operator.ask("/report"), range(2)))
    assert statuses == {504}
    operator.follow(entry)
    assert operator.ask("/report") == 200


@pytest.mark.short
@pytest.mark.entry("411, 413 or 414")
def test_refused_sizes(operator: Operator, entry: Entry) -> None:
    large = b"x" * 11_000_000

    def wait_for_line(status: int) -> None:
        # Apache answers before it has read the rest of a body, and the request is logged then.
        command = ["grep", f'"status":{status},', "/var/log/apache2/bookstore-access.log"]
        assert wait_for(lambda: operator.host.try_run(*command).stdout)

    assert operator.ask("/covers/chunked", method="PUT", body=iter([b"in", b"pieces"])) == 411
    wait_for_line(411)
    assert operator.ask("/covers/large", method="PUT", body=large) == 413
    wait_for_line(413)
    assert operator.ask("/titles?begin=" + "x" * 9000) == 414
    operator.follow(entry)
    assert operator.ask("/covers/large", method="PUT", body=large) == 200
    assert operator.ask("/covers/chunked", method="PUT", body=iter([b"in", b"pieces"])) == 200
    operator.host.run("sh", "-c", "rm /var/lib/bookstore/covers/*")


@pytest.mark.entry("An app is slow")
def test_a_slow_release(operator: Operator, entry: Entry) -> None:
    operator.fault("slow")
    operator.grove("./grove deploy -i inventory/mine -e app=bookstore")
    assert {operator.ask("/titles") for _ in range(5)} == {200}
    operator.follow(entry)
    operator.fault(None)


@pytest.mark.entry("An app leaks memory")
def test_a_leak(operator: Operator, entry: Entry) -> None:
    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(lambda _: operator.ask("/thumbnails"), range(16))) == {200}
    assert memory(operator.host) > 350 << 20
    operator.follow(entry)
    assert memory(operator.host) < 350 << 20


# The host


@pytest.mark.entry("Apache does not run")
def test_apache_does_not_start(operator: Operator, entry: Entry) -> None:
    """An operator's own file is in the way, then one of Grove's."""
    host = operator.host
    host.run("sh", "-c", "echo 'LodModule mine' >/etc/apache2/sites-enabled/mine.conf")
    assert host.try_run("systemctl", "restart", "apache2").returncode
    operator.follow(entry)
    assert host.try_run("test", "-f", "/var/tmp/mine.conf").returncode == 0
    [own] = host.run("sh", "-c", "ls /etc/apache2/sites-available/*bookstore*.conf").split()
    host.run("sh", "-c", f"echo LodModule >>{own}; systemctl restart apache2 || true")
    assert host.try_run("systemctl", "is-active", "apache2").returncode
    operator.grove("./grove site -i inventory/mine")
    assert operator.ask("/") == 200


@pytest.mark.entry("A disk is full")
def test_a_full_disk(operator: Operator, entry: Entry) -> None:
    host = operator.host
    operator.fault("slow")
    host.run("sh", "-c", "dd if=/dev/zero of=/srv/wsgi/dump-of-yesterday.sql bs=64k 2>/dev/null || true")
    host.run("sh", "-c", "touch -d '9 days ago' /var/log/apache2/bookstore-access.log-20261101")
    done = operator.refused("./grove deploy -i inventory/mine -e app=bookstore")
    assert "is full" in done
    assert operator.ask("/titles") == 200
    operator.fault(None)
    operator.change(environment={**operator.record["environment"], "BOOKSTORE_NOTE": "with room"})
    operator.follow(entry)
    assert len(host.run("ls", "/srv/wsgi/bookstore/releases").split()) <= 3


@pytest.mark.short
@pytest.mark.entry("A certificate has expired")
def test_an_expired_certificate(operator: Operator, entry: Entry) -> None:
    """The certificate in use ended yesterday, on the controller and on the host."""
    folder = operator.inventory / "secrets" / "tls"
    end_certificate(operator, datetime.timedelta(days=1))
    assert served_certificate(operator.host).not_valid_after_utc < now()
    operator.follow(entry)
    served = served_certificate(operator.host)
    assert served.not_valid_after_utc > now() + datetime.timedelta(days=300)
    assert (
        served.serial_number
        == x509.load_pem_x509_certificate((folder / "web1" / "shop.crt").read_bytes()).serial_number
    )


# The database


@pytest.mark.short
@pytest.mark.entry("The database waits for a lock")
def test_a_forgotten_transaction(operator: Operator, entry: Entry) -> None:
    """Somebody has left a transaction open, and a change of the table waits for it; so does everybody else."""
    host = operator.host
    client = [*machine.enter(host.container), "mariadb", "--unbuffered", "bookstore"]
    with subprocess.Popen(client, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as forgotten:
        assert forgotten.stdin
        assert forgotten.stdout
        forgotten.stdin.write(
            "START TRANSACTION;\nSELECT count(*) FROM titles;\nDELETE FROM titles WHERE title = 'none';\n"
            "SELECT 'left open' AS state;\n"
        )
        forgotten.stdin.flush()
        while forgotten.stdout.readline() != "left open\n":
            assert forgotten.poll() is None
        change = subprocess.Popen(
            [
                *machine.enter(host.container),
                "mariadb",
                "bookstore",
                "-e",
                "ALTER TABLE titles ADD COLUMN IF NOT EXISTS year INT",
            ]
        )
        waiting = "SELECT count(*) FROM information_schema.processlist WHERE state = 'Waiting for table metadata lock'"
        assert wait_for(lambda: host.run("mariadb", "-Ne", waiting).strip().strip("0"))
        with ThreadPoolExecutor(2) as pool:
            asked = [pool.submit(operator.ask, "/titles") for _ in range(2)]
            operator.follow(entry)
            assert change.wait(120) == 0
            assert {answer.result() for answer in asked} <= {200, 502, 504}
        forgotten.kill()


@pytest.mark.short
@pytest.mark.entry("The database does not run")
def test_a_database_that_does_not_run(operator: Operator, entry: Entry) -> None:
    operator.host.run("systemctl", "stop", "mariadb")
    assert operator.ask("/titles") == 500
    operator.follow(entry)


# Loss


@pytest.mark.short
@pytest.mark.entry("Make a backup")
def test_a_backup(operator: Operator, entry: Entry) -> None:
    store(operator)
    operator.follow(entry)


@pytest.mark.short
@pytest.mark.entry("The data of an app are lost")
def test_lost_data(operator: Operator, entry: Entry) -> None:
    store(operator)
    operator.follow(page_entry("Make a backup"))
    operator.host.run("mariadb", "-e", "DROP DATABASE bookstore")
    operator.host.run("rm", "-r", "/var/lib/bookstore/covers")
    assert operator.ask("/titles") == 500
    operator.follow(entry)
    assert operator.ask("/covers/other", method="PUT", body=b"after the restore") == 200
    assert operator.host.run("systemctl", "is-active", "grove-bookstore-tidy.timer") == "active\n"


@pytest.mark.entry("The host is lost")
def test_a_lost_host(operator: Operator, entry: Entry) -> None:
    """Another host gets the name. The backup and the inventory are all that is left."""
    store(operator)
    operator.follow(page_entry("Make a backup"))
    saved = copy_backup(operator.host)
    authority = (operator.inventory / "secrets" / "tls" / "ca.crt").read_bytes()
    certificate = served_certificate(operator.host)
    test_hosts.destroy(operator.host.container)

    def repair() -> None:
        test_hosts.create(operator.host.container, "bookworm", owner=os.environ["MOLECULE_PROJECT_DIRECTORY"])
        operator.set_up()

    operator.follow(entry, repair)
    assert operator.ask("/covers/momo") == 500
    operator.host.run("mkdir", "-p", BACKUPS)
    for name, content in saved.items():
        operator.host.run("sh", "-c", f"base64 -d >{BACKUPS}/{name}", stdin=content)
    operator.remedy(page_entry("The data of an app are lost"))
    assert (operator.inventory / "secrets" / "tls" / "ca.crt").read_bytes() == authority
    assert served_certificate(operator.host) == certificate


# Secrets


@pytest.mark.entry("A password has leaked")
def test_a_leaked_password(operator: Operator, entry: Entry) -> None:
    operator.follow(entry)
    log_in = "mariadb -u bookstore_1 -pa-password-of-the-checks bookstore -e 'SELECT 1'"
    assert "Access denied" in operator.host.try_run("sh", "-c", log_in).stderr
    operator.refused("./grove rollback -i inventory/mine -e app=bookstore")
    assert operator.ask("/titles") == 200


@pytest.mark.entry("A key of a host has leaked")
def test_a_leaked_key(operator: Operator, entry: Entry) -> None:
    before, header = served_certificate(operator.host), operator.host.run("cat", "/var/lib/grove/door.header")
    operator.follow(entry)
    after = served_certificate(operator.host)
    assert after.public_key() != before.public_key()
    assert operator.host.run("cat", "/var/lib/grove/door.header") != header


@pytest.mark.short
def test_a_second_run_changes_nothing(operator: Operator) -> None:
    operator.grove("./grove site -i inventory/mine")
    assert re.search(
        r"web1 +: ok=\d+ +changed=0 +unreachable=0 +failed=0", operator.grove("./grove site -i inventory/mine")
    )


def page_entry(heading: str) -> Entry:
    """Return the entry of the page with a heading."""
    return next(entry for entry in entries(RUNBOOK.read_text()) if entry.heading == heading)


@contextmanager
def load(operator: Operator, path: str, clients: int) -> Iterator[threading.Event]:
    """Let clients send one request after the other until the event that the block gets is set, or the block ends."""
    stop = threading.Event()

    def send() -> None:
        while not stop.is_set():
            operator.ask(path)

    with ThreadPoolExecutor(clients) as pool:
        running = [pool.submit(send) for _ in range(clients)]
        try:
            yield stop
        finally:
            stop.set()
        for client in running:
            client.result()


def memory(host: Host) -> int:
    """Return the bytes that the processes of the app have in memory."""
    return 1024 * sum(map(int, host.run("ps", "-u", "bookstore", "-o", "rss=").split()))


def store(operator: Operator) -> None:
    """Store a title and its cover."""
    if "Momo" not in operator.host.ask("bookstore", "/titles").text:
        assert operator.ask("/titles", method="POST", body=b"Momo") == 200
    assert operator.ask("/covers/momo", method="PUT", body=b"a turtle") == 200


def copy_backup(host: Host) -> dict[str, str]:
    """Return the files of the backup, in base64."""
    names = host.run("ls", BACKUPS).split()
    return {name: host.run("base64", f"{BACKUPS}/{name}") for name in names}


def now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


def served_certificate(host: Host) -> x509.Certificate:
    """Return the certificate that the host shows for the shop."""
    command = (
        "openssl s_client -connect 127.0.0.1:8443 -servername shop.example.org </dev/null 2>/dev/null | openssl x509"
    )
    return x509.load_pem_x509_certificate(host.run("sh", "-c", command).encode())


def end_certificate(operator: Operator, ago: datetime.timedelta) -> None:
    """Put a certificate of the inventory's authority that ended some time ago in the place of the shop's."""
    folder = operator.inventory / "secrets" / "tls"
    valid = x509.load_pem_x509_certificate((folder / "web1" / "shop.crt").read_bytes())
    key = serialization.load_pem_private_key((folder / "ca.key").read_bytes(), None)
    builder = x509.CertificateBuilder(valid.issuer, valid.subject, valid.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now() - datetime.timedelta(days=397)).not_valid_after(now() - ago)
    for extension in valid.extensions:
        builder = builder.add_extension(extension.value, extension.critical)
    ended = builder.sign(key, hashes.SHA384())  # type: ignore[arg-type]
    text = ended.public_bytes(serialization.Encoding.PEM)
    (folder / "web1" / "shop.crt").write_bytes(text)
    [path] = set(
        re.findall(r'SSLCertificateFile "(.*)"', operator.host.run("sh", "-c", "cat /etc/apache2/sites-enabled/*shop*"))
    )
    operator.host.run("sh", "-c", f"cat >{path}; apachectl graceful", stdin=text.decode())
    # Apache's former processes serve until the new ones have started.
    assert wait_for(lambda: "new" if served_certificate(operator.host) == ended else "")
