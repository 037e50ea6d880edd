"""Delivery of one notification: what the receiver gets, and receivers that are slow, wrong or hostile."""

import datetime as dt
import http.server
import json
import logging
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from oslo_config import cfg
from telemetry.alarms import actions
from telemetry.alarms import http as sending
from telemetry.alarms.delivery import Delivery
from telemetry.alarms.errors import NotDeliveredError, RefusedError
from telemetry.storage.records import Notification

from tests import certificates
from tests.conftest import configuration
from tests.receivers import receiver, silent, status

NOW = dt.datetime(2026, 6, 1)
BODY = {
    "alarm_name": "n",
    "alarm_id": "a1",
    "severity": "low",
    "previous": "ok",
    "current": "alarm",
    "reason": "Transition to alarm",
    "reason_data": {"type": "threshold"},
}


def conf(**options: Any) -> cfg.ConfigOpts:
    options = {"rest_notifier_refused_networks": [], "rest_notifier_timeout": 30.0} | options
    return configuration("sqlite://", **{f"alarm__{name}": value for name, value in options.items()})


def notification(action: str) -> Notification:
    return Notification("n1", "a1", action, actions.receiver_of(action), dict(BODY), NOW, NOW)


def deliver(action: str, **options: Any) -> None:
    Delivery(conf(**options)).deliver(notification(action))


def problem(action: str, **options: Any) -> tuple[str, bool]:
    """Return why a delivery failed, and whether it may succeed later."""
    with pytest.raises(NotDeliveredError) as raised:
        deliver(action, **options)
    return str(raised.value), not isinstance(raised.value, RefusedError)


def test_the_request() -> None:
    with receiver() as one:
        deliver(f"{one.url}/ä b?x=1&y=%20#fragment")
    (request,) = one.requests
    assert request.path == "/hook/%C3%A4%20b?x=1&y=%20"
    assert request.body == BODY
    assert request.headers["Content-Type"] == "application/json"
    assert request.headers["x-openstack-request-id"] == "req-n1"
    assert "Authorization" not in request.headers


def test_user_and_password() -> None:
    with receiver() as one:
        deliver(one.url.replace("http://", "http://user:p%40ss@"))
    assert one.requests[0].headers["Authorization"] == "Basic dXNlcjpwQHNz"


@pytest.mark.parametrize(
    ("code", "later"), [(500, True), (503, True), (429, True), (408, True), (400, False), (404, False), (410, False)]
)
def test_statuses(code: int, later: bool) -> None:
    with receiver(status(code)) as one:
        assert problem(one.url) == (f"the answer is status {code}", later)
    assert len(one.requests) == 1


@pytest.mark.parametrize("code", [200, 201, 202, 204])
def test_accepted(code: int) -> None:
    with receiver(status(code)) as one:
        deliver(one.url)


def test_a_redirect_is_not_followed() -> None:
    with receiver() as target, receiver(status(302, Location=target.url)) as one:
        assert problem(one.url) == ("the answer is status 302", False)
    assert target.requests == []


def test_a_receiver_that_never_answers() -> None:
    with silent() as url:
        begun = time.monotonic()
        text, later = problem(url, rest_notifier_timeout=0.5)
        assert later
        assert text.startswith("no answer within 0.5 s")
        assert time.monotonic() - begun < 20


def test_a_receiver_that_sends_a_byte_at_a_time() -> None:
    """Each byte comes in time, and the answer does not."""
    stop = threading.Event()

    def answer(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nX: ")
        while not stop.wait(0.1):
            handler.wfile.write(b"x")

    with receiver(answer) as one:
        begun = time.monotonic()
        text, later = problem(one.url, rest_notifier_timeout=1.0)
        stop.set()
    assert later
    assert text.startswith("no answer within 1 s")
    assert time.monotonic() - begun < 20


def test_an_endless_body_is_not_read() -> None:
    sent = []

    def answer(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        for _ in range(100_000):
            handler.wfile.write(b"x" * 65536)
            sent.append(65536)

    with receiver(answer) as one:
        deliver(one.url)
        time.sleep(0.2)
    assert sum(sent) < 100_000 * 65536


def test_headers_without_end() -> None:
    def answer(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n" + b"X: x\r\n" * 200)

    with receiver(answer) as one:
        text, later = problem(one.url)
    assert later
    assert "HTTPException" in text


def test_what_is_no_http() -> None:
    def answer(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"\0" * 100 + b"\r\n\r\n")

    with receiver(answer) as one:
        assert problem(one.url)[1]


def test_no_receiver() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    text, later = problem(f"http://127.0.0.1:{port}/")
    assert later
    assert text.startswith("no answer (ConnectionRefusedError")
    assert problem("http://name.invalid/")[1]


@pytest.mark.parametrize(
    "action",
    [
        "http:///path",
        "http://host:port/",
        "http://[::1/",
        "ftp://host/",
        "trust+http://t@host/",
        "http://h\u2100st/",
        "http://a b/",
        "http://a\x01b/",
        "x",
    ],
)
def test_actions_that_cannot_be_carried_out(action: str) -> None:
    text, later = problem(action)
    assert not later, text
    assert not actions.receiver_of(action).count("path")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.1", "[::ffff:127.0.0.1]", "0.0.0.0"])
def test_refused_networks(host: str) -> None:
    """By default, nothing is sent to this host, however its address is written."""
    refused = configuration("sqlite://").alarm.rest_notifier_refused_networks
    with receiver() as one:
        url = f"http://{host}:{urlsplit(one.url).port}/"
        text, later = problem(url, rest_notifier_refused_networks=refused)
        assert (text, later) == ("the address of the receiver is in [alarm] rest_notifier_refused_networks", False)
    assert one.requests == []


@pytest.mark.parametrize("action", ["http://[::1]/", "http://[fe80::1]/", "http://169.254.169.254/", "https://[::1]/"])
def test_refused_addresses(action: str) -> None:
    refused = configuration("sqlite://").alarm.rest_notifier_refused_networks
    text, _ = problem(action, rest_notifier_refused_networks=refused)
    assert text == "the address of the receiver is in [alarm] rest_notifier_refused_networks"


def test_a_network_that_is_none() -> None:
    with pytest.raises(cfg.Error, match="rest_notifier_refused_networks: 'x/8'"):
        Delivery(conf(rest_notifier_refused_networks=["x/8"]))


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return certificates.self_signed(tmp_path_factory.mktemp("certificates") / "receiver.pem")


@pytest.mark.parametrize(
    ("query", "options", "accepted"),
    [
        ("", {}, False),
        ("", {"rest_notifier_ca_bundle_certificate_path": "CERTIFICATE"}, True),
        ("", {"rest_notifier_ssl_verify": False}, True),
        ("?aodh-alarm-ssl-verify=0", {}, True),
        ("?ceilometer-alarm-ssl-verify=0", {}, True),
        ("?ceilometer-alarm-ssl-verify=x", {}, False),
        ("?aodh-alarm-ssl-verify=1", {"rest_notifier_ssl_verify": False}, False),
    ],
)
def test_verification_of_the_receiver(certificate: Path, query: str, options: dict[str, Any], accepted: bool) -> None:
    options = {name: str(certificate) if value == "CERTIFICATE" else value for name, value in options.items()}
    with receiver(certificate=certificate) as one:
        if accepted:
            deliver(one.url + query, **options)
        else:
            assert "SSLCertVerificationError" in problem(one.url + query, **options)[0]
    assert len(one.requests) == accepted


def test_client_certificate(certificate: Path, tmp_path: Path) -> None:
    client = certificates.self_signed(tmp_path / "client.pem", "client")
    options: dict[str, Any] = {"rest_notifier_ca_bundle_certificate_path": str(certificate)}
    with receiver(certificate=certificate, clients=client) as one:
        assert problem(one.url, **options)[1]
        deliver(one.url, **options, rest_notifier_certificate_file=str(client))
        missing = problem(one.url, **options, rest_notifier_certificate_file=str(tmp_path / "none"))
        assert missing[1]
        assert "the configured certificates cannot be read" in missing[0]
    assert len(one.requests) == 1


def test_a_hanging_handshake() -> None:
    with silent() as url:
        text, later = problem(url.replace("http:", "https:"), rest_notifier_timeout=0.5)
    assert later
    assert "within 0.5 s" in text


@pytest.mark.parametrize("scheme", ["log", "test"])
def test_log(scheme: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    deliver(f"{scheme}://")
    assert "Alarm a1 ('n') of severity low changes from ok to alarm: Transition to alarm." in caplog.text


def test_logs_show_no_secret(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with receiver(status(500)) as one:
        url = one.url.replace("http://", "http://SECRET1:SECRET2@") + "/SECRET3?token=SECRET4#SECRET5"
        text, _ = problem(url)
    assert "SECRET" not in caplog.text + text
    text, _ = problem("trust+http://SECRET1:delete@127.0.0.1:1/SECRET3")
    assert "SECRET" not in caplog.text + text


class Keystone(http.server.BaseHTTPRequestHandler):
    """Keystone's way to get a token, as far as its documentation describes it for trusts."""

    seen: list[Any]

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.seen.append((self.path, body["auth"]))
        trust = body["auth"].get("scope", {}).get("OS-TRUST:trust", {}).get("id")
        answer = json.dumps({"token": {"expires_at": "2099-01-01T00:00:00.000000Z", "methods": ["password"]}}).encode()
        self.send_response(201 if trust == "trust-1" else 401)
        self.send_header("X-Subject-Token", f"token-of-{trust}")
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        pass


@pytest.fixture
def keystone() -> Iterator[str]:
    Keystone.seen = []
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Keystone) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/v3"
        server.shutdown()


def test_trust(keystone: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    settings = tmp_path / "telemetry.conf"
    settings.write_text(
        "[DEFAULT]\nauth_strategy = keystone\n[alarm]\nrest_notifier_refused_networks =\n[keystone_authtoken]\n"
        f"auth_type = password\nauth_url = {keystone}\nusername = telemetry\npassword = PASSWORD\n"
        "user_domain_name = Default\nproject_name = service\nproject_domain_name = Default\n"
    )
    from telemetry import config

    own = cfg.ConfigOpts()
    config.load(conf=own, files=[settings], logging=False)
    with receiver() as one:
        delivery = Delivery(own)
        for _ in range(2):
            delivery.deliver(notification(one.url.replace("http://", "trust+http://trust-1:delete@")))
        with pytest.raises(NotDeliveredError, match="keystone gives no token for the trust") as raised:
            delivery.deliver(notification(one.url.replace("http://", "trust+http://trust-2:delete@")))
        assert not isinstance(raised.value, RefusedError)
    assert [request.headers["X-Auth-Token"] for request in one.requests] == ["token-of-trust-1"] * 2
    assert "Authorization" not in one.requests[0].headers
    path, auth = Keystone.seen[0]
    assert path == "/v3/auth/tokens"
    assert auth["scope"] == {"OS-TRUST:trust": {"id": "trust-1"}}
    assert auth["identity"]["password"]["user"]["name"] == "telemetry"
    assert "PASSWORD" not in caplog.text
    assert "trust-1" not in "".join(r.getMessage() for r in caplog.records if r.name.startswith("telemetry"))


def test_a_timer_of_the_time_limit_ends_with_the_request() -> None:
    with receiver() as one:
        deliver(one.url)
    assert not [thread for thread in threading.enumerate() if isinstance(thread, threading.Timer) and thread.is_alive()]


def test_settings_of_the_configuration() -> None:
    assert sending.settings_of(conf()).refused == ()
    assert len(sending.settings_of(configuration("sqlite://")).refused) == 6
