"""What reaches an application, and what does not: a real Apache and mod_wsgi, with the roles' own configuration."""

from __future__ import annotations

import contextlib
import http.client
import json
import pwd
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.grove.wsgi.plugins.module_utils.host import info
from ansible_collections.grove.wsgi.plugins.module_utils.httpd import credentials
from ansible_collections.grove.wsgi.plugins.module_utils.switching import draining
from front_server import Answer, Front, running
from system.test_templates import ONE, THREE, TWO, app, make_certificate, mod_wsgi

pytestmark = pytest.mark.debian_packages("apache2", "apache2-dev", "python3-dev", "openssl")
__all__ = ["mod_wsgi"]

PLAIN, ALLOWING, PROXIED, PROXIED_ALLOWING = 18311, 18312, 18321, 18322
NAMES, TLS_NAMES, MIXED, BELOW, OTHER = 18313, 18314, 18315, 18316, 18317
STAPLED, RESPONDER, OWN, QUEUED = 18318, 18319, 18323, 18324


LONG = {"max_body": 3000, "max_url": 30_000, "max_header": 20_000, "max_response_header": 50_000}
HEADERS = {"X-Frame-Options": None, "Referrer-Policy": "no-referrer", "X-Quoted": 'a "b" 50 % \\ $1'}


def small(name: str, **more: Any) -> dict[str, Any]:
    return app(name, processes=1, threads=2, **more)


def openssl(*words: object, stdin: str = "") -> str:
    """Run openssl and return all that it prints."""
    command = ["openssl", *map(str, words)]
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=120, check=False)
    return done.stdout + done.stderr


# What opens the doors, in the place of a random credential.
DOOR = f"{credentials.HEADER}: root"


@pytest.fixture(scope="module")
def stapled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a certificate whose responder runs, and its key."""
    folder = tmp_path_factory.mktemp("stapled")
    url = f"http://127.0.0.1:{RESPONDER}"
    make_certificate(folder / "ca", "authority")
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", folder / "tls.key")
    openssl("req", "-new", *key, "-subj", "/CN=stapled.test", "-out", folder / "tls.csr")
    (folder / "extensions").write_text(f"authorityInfoAccess=OCSP;URI:{url}\n")
    signer = ("-CA", folder / "ca.crt", "-CAkey", folder / "ca.key")
    out = ("-days", "2", "-set_serial", "1", "-extfile", folder / "extensions", "-out", folder / "tls.crt")
    openssl("x509", "-req", "-in", folder / "tls.csr", *signer, *out)
    with (folder / "tls.crt").open("a") as chain:
        chain.write((folder / "ca.crt").read_text())
    (folder / "index").write_text("V\t400101000000Z\t\t01\tunknown\t/CN=stapled.test\n")
    responder = ("-rsigner", folder / "ca.crt", "-rkey", folder / "ca.key", "-CA", folder / "ca.crt")
    command = ["openssl", "ocsp", "-index", folder / "index", "-port", str(RESPONDER), *responder]
    process = subprocess.Popen([*map(str, command)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    yield folder
    process.terminate()
    process.wait(60)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with certificates of one.test and two.test."""
    folder = tmp_path_factory.mktemp("certificates")
    for name in ("one.test", "two.test"):
        make_certificate(folder / name, name)
    return folder


@pytest.fixture(scope="module")
def front(mod_wsgi: dict[str, Path], certificates: Path, stapled: Path) -> Iterator[Front]:
    """Applications on several ports. 127.0.0.1 is no trusted proxy."""
    one, two = (
        {
            "server_name": name,
            "tls": "given",
            "tls_certificate": f"{certificates}/{name}.crt",
            "tls_key": f"{certificates}/{name}.key",
        }
        for name in ("one.test", "two.test")
    )
    pair = {"tls": "given", "tls_certificate": f"{stapled}/tls.crt", "tls_key": f"{stapled}/tls.key"}
    files = [path for record in (one, two, pair) for key, path in record.items() if key.startswith("tls_")]
    host: dict[str, Any] = {
        "ocsp_responders": {path: info.ocsp_responder(path) for path in files if path.endswith(".crt")},
        "files": dict.fromkeys(files, True),
    }
    apps = [
        small("irc", listen=STAPLED, **pair),
        small(ONE, listen=PLAIN),
        small(TWO, listen=ALLOWING, client_headers=["X-HTTP-Method-Override"], methods=["GET", "PROPFIND", "QUERY"]),
        small("man", listen=NAMES, server_name="one.test", server_aliases=["*.one.test"], headers=HEADERS, **LONG),
        small("list", listen=NAMES, server_name="one.test", path="/below"),
        small("lp", listen=NAMES, server_name="two.test", directives=["WSGIMapHEADToGET On"]),
        small("news", listen=TLS_NAMES, **one),
        small("uucp", listen=TLS_NAMES, **two),
        small("sys", listen=NAMES, server_name="three.test", max_url=1024, max_header=1024),
        small("bin", listen=f"0.0.0.0:{OWN}", max_body=3000, buffer_body=0),
        small("proxy", listen=MIXED, chunked_bodies=False),
        small("backup", listen=MIXED, server_name="one.test"),
        small(THREE, listen=BELOW, path="/shop", static={"/public": "public", "/ui.x": "ui"}),
    ]
    variables: dict[str, Any] = {"httpd_tls": True, "httpd_trusted_proxies": ["192.0.2.1"]}
    with running(mod_wsgi, apps, host, wsgi_app_extra_listen=[f"127.0.0.1:{OTHER}"], **variables) as server:
        yield server


@pytest.fixture(scope="module")
def behind_proxy(mod_wsgi: dict[str, Path]) -> Iterator[Front]:
    """Three applications, one of them with a single thread. 127.0.0.1 is a trusted proxy."""
    apps = [
        small(ONE, listen=PROXIED, static={"/public": "public", "/ui": "ui"}),
        small(TWO, listen=PROXIED_ALLOWING, proxy_headers=["X-Real-IP", "X-Forwarded-Port"]),
        app("news", processes=1, threads=1, listen=QUEUED, daemon_options={"queue-timeout": 1}),
    ]
    variables: dict[str, Any] = {"httpd_trusted_proxies": ["127.0.0.1"], "wsgi_app_door": "127.0.0.1:18281"}
    with running(mod_wsgi, apps, **variables) as server:
        yield server


CLAIMS = (
    *("X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Forwarded-Prefix", "X-Forwarded-Scheme"),
    *("X-Forwarded-Server", "X-Forwarded-Port", "X-Forwarded-Ssl", "X-Real-IP", "X-Original-URL", "X-Rewrite-URL"),
    *("X-Script-Name", "Forwarded", "X-Client-IP", "True-Client-IP", "CF-Connecting-IP", "Front-End-Https"),
    *("X-Url-Scheme", "X-HTTP-Method-Override", "X-User-Id", "X-Roles", "X-Identity-Status", "X-Auth-User", "Proxy"),
)


def claimed(environ: dict[str, str]) -> set[str]:
    return {name for name, value in environ.items() if name.startswith("HTTP_") and value == "claim"}


@pytest.mark.parametrize("change", [str, str.upper, str.lower, lambda name: name.replace("-", "_")])
def test_a_client_claims_nothing(front: Front, change: type[str]) -> None:
    lines = [f"{change(name)}: claim" for name in CLAIMS]
    for _ in range(3):
        environ = front.ask(PLAIN, "/", *lines, "X-Auth-Token: kept").environ
        assert claimed(environ) == set()
        assert (environ["HTTP_X_AUTH_TOKEN"], environ["wsgi.url_scheme"]) == ("kept", "http")
        assert environ["REMOTE_ADDR"] == "127.0.0.1"


@pytest.mark.parametrize("character", ["_", ".", "!", "~", "'", "+"])
def test_no_spelling_of_a_claim_passes(front: Front, character: str) -> None:
    lines = [f"{name.replace('-', character)}: claim" for name in CLAIMS if "-" in name]
    assert claimed(front.ask(PLAIN, "/", *lines).environ) == set()


def test_a_record_lets_a_header_of_every_client_through(front: Front) -> None:
    lines = [f"{name}: claim" for name in CLAIMS]
    assert claimed(front.ask(ALLOWING, "/", *lines).environ) == {"HTTP_X_HTTP_METHOD_OVERRIDE"}


def test_a_client_cannot_say_that_it_is_trusted(front: Front) -> None:
    lines = ["GROVE_TRUSTED_PROXY: X-Real-IP", "GROVE-TRUSTED-PROXY: X-Real-IP", "X-Real-IP: claim"]
    environ = front.ask(PLAIN, "/", *lines, "GROVE_CLIENT_HEADERS: X-Real-IP").environ
    assert claimed(environ) == set()
    assert "GROVE_TRUSTED_PROXY" not in environ


def test_a_trusted_proxy_says_what_it_may(behind_proxy: Front) -> None:
    lines = [f"{name}: claim" for name in CLAIMS]
    environ = behind_proxy.ask(PROXIED, "/", *lines).environ
    assert claimed(environ) - {"HTTP_X_FORWARDED_FOR"} == {
        "HTTP_X_FORWARDED_PROTO",
        "HTTP_X_FORWARDED_HOST",
        "HTTP_X_FORWARDED_PREFIX",
    }
    assert claimed(behind_proxy.ask(PROXIED_ALLOWING, "/", *lines).environ) - claimed(environ) == {
        "HTTP_X_REAL_IP",
        "HTTP_X_FORWARDED_PORT",
    }
    environ = behind_proxy.ask(PROXIED, "/", "X-Forwarded-Proto: https", "X-Forwarded-For: 192.0.2.7").environ
    assert (environ["wsgi.url_scheme"], environ["REMOTE_ADDR"]) == ("https", "192.0.2.7")


@pytest.mark.parametrize(
    ("port", "host", "expected"),
    [
        (NAMES, "one.test", "man"),
        (NAMES, f"ONE.test:{NAMES}", "man"),
        (NAMES, "a.one.test", "man"),
        (NAMES, "two.test", "lp"),
        (NAMES, "a.two.test", 421),
        (NAMES, "elsewhere.test", 421),
        (NAMES, f"127.0.0.1:{NAMES}", 421),
        (NAMES, "", 400),
        (NAMES, None, 421),
        (NAMES, "unknown.invalid", 421),
        (NAMES, "blue.man.door", 421),
        (MIXED, "one.test", "backup"),
        (MIXED, f"127.0.0.1:{MIXED}", "proxy"),
        (MIXED, "[::1]", "proxy"),
        (MIXED, "localhost", "proxy"),
        (MIXED, None, "proxy"),
        (MIXED, "elsewhere.test", 421),
        (MIXED, "127.0.0.1.elsewhere.test", 421),
        (MIXED, "cafe:80", 421),
        # The only application of a port, which has no name, answers to every name.
        (PLAIN, "elsewhere.test", ONE),
        (PLAIN, None, ONE),
    ],
)
def test_host_names(front: Front, port: int, host: str | None, expected: str | int) -> None:
    answer = front.ask(port, host=host)
    assert (answer.environ["app"] if answer.status == 200 else answer.status) == expected


def test_the_name_in_the_request_line_counts(front: Front) -> None:
    assert front.ask(NAMES, "http://elsewhere.test/", host="one.test").status == 421
    environ = front.ask(NAMES, "http://one.test/", host="elsewhere.test").environ
    assert (environ["app"], environ["HTTP_HOST"]) == ("man", "one.test")


def client() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_tls_with_unknown_names(front: Front, certificates: Path, version: ssl.TLSVersion) -> None:
    """The handshake fails, so the client sees no certificate."""
    for name, account in (("one.test", "news"), ("two.test", "uucp")):
        verifying = ssl.create_default_context(cafile=f"{certificates}/{name}.crt")
        verifying.check_hostname = False
        verifying.minimum_version = verifying.maximum_version = version
        assert front.ask(TLS_NAMES, host=name, tls=verifying, name=name).environ["app"] == account
        assert front.ask(TLS_NAMES, host="elsewhere.test", tls=verifying, name=name).status == 421
    context = client()
    context.minimum_version = context.maximum_version = version
    for unknown in ("elsewhere.test", "unknown.invalid", None):
        with pytest.raises(ssl.SSLError, match=r"(?i)alert (handshake failure|protocol version)"):
            front.ask(TLS_NAMES, host="one.test", tls=context, name=unknown)


def test_nothing_beside_the_path(front: Front) -> None:
    """Neither the distribution's files nor its aliases are served, on any port."""
    for path in ("/", "/index.html", "/icons/", "/icons/blank.gif", "/shopping", "/server-status", "/%2e%2e/"):
        assert front.ask(BELOW, path).status in (400, 404), path
        assert front.ask(OTHER, path).status in (400, 404), path
    assert front.ask(BELOW, "/shop").environ["app"] == THREE
    assert front.ask(BELOW, "/shop/a").environ["PATH_INFO"] == "/a"
    assert front.ask(BELOW, "/shop/public/style.css").body == b"body {}\n"
    assert front.ask(PLAIN, "/icons/blank.gif").environ["PATH_INFO"] == "/icons/blank.gif"
    assert front.ask(18280, "/", host=f"blue.{THREE}.door").status == 404
    assert front.ask(18280, "/shop/", DOOR, host=f"blue.{THREE}.door").environ["app"] == THREE


def test_a_door_asks_with_the_name_of_the_record(front: Front) -> None:
    environ = front.ask(18280, "/", DOOR, host="green.man.door").environ
    assert (environ["app"], environ["HTTP_HOST"]) == ("man", f"one.test:{NAMES}")
    assert front.ask(18280, "/", DOOR, host="blue.news.door").environ["wsgi.url_scheme"] == "https"


@pytest.mark.parametrize(
    ("headers", "slot"),
    [
        ([], "blue"),
        ([DOOR], "blue"),
        ([DOOR, "X-Grove-Slot: green"], "green"),
        ([DOOR, "X-Grove-Slot: blue"], "blue"),
        ([DOOR, "X-Grove-Slot: greenish"], "blue"),
        (["X-Grove-Slot: green"], "blue"),
        ([f"{credentials.HEADER}: status", "X-Grove-Slot: green"], "blue"),
        (["GROVE_DOOR: green", "Grove-Door: green", "X-Grove-Slot: green"], "blue"),
    ],
)
def test_only_root_chooses_a_slot_of_the_front(front: Front, headers: list[str], slot: str) -> None:
    """The application sees no trace of it, and neither does a cache."""
    for port, path, name in ((PLAIN, "/a", ONE), (BELOW, "/shop/a", THREE), (NAMES, "/below/a", "list")):
        answer = front.ask(port, path, *headers, host="one.test")
        environ = answer.environ
        assert (environ["app"], environ["WSGI_SLOT"]) == (name, f"{name}-{slot}")
        assert not {key for key in environ if "X_GROVE" in key} | {"GROVE_ROOT", "GROVE_STATUS"} & set(environ)
        assert "Grove" not in str(answer.headers.get("vary"))
    static = front.ask(BELOW, "/shop/public/style.css", *headers)
    assert (static.body, "Grove" in str(static.headers.get("vary"))) == (b"body {}\n", False)


def test_the_page_of_a_static_folder(front: Front, behind_proxy: Front) -> None:
    """A folder with index.html shows it. The application answers for other folders, and nothing lists their files."""
    without = front.ask(BELOW, "/shop/ui.x?a=1", host=f"one.test:{BELOW}")
    assert (without.status, without.headers["location"]) == (302, [f"http://one.test:{BELOW}/shop/ui.x/?a=1"])
    page = front.ask(BELOW, "/shop/ui.x/")
    assert (page.body, page.headers["content-type"]) == (b"<p>A page</p>\n", ["text/html"])
    assert front.ask(BELOW, "/shop/ui.x/none").status == 404
    for path in ("/shop/public", "/shop/public/", "/shop/uiax", "/shop/uiax/"):
        assert front.ask(BELOW, path).environ["app"] == THREE
    listed = front.ask(BELOW, "/shop/public/below/")
    assert (listed.status, b"style.css" in listed.body) == (403, False)
    # A proxy that ends TLS says so. A client that is no proxy may not.
    for server, port, path, scheme in (
        (front, BELOW, "/shop/ui.x", "http"),
        (behind_proxy, PROXIED, "/ui", "https"),
    ):
        answer = server.ask(port, path, "X-Forwarded-Proto: https", host="a.test")
        assert answer.headers["location"] == [f"{scheme}://a.test{path}/"]


def test_requests_through_doors_are_not_in_the_access_log(front: Front) -> None:
    front.ask(PLAIN, "/through-a-door", DOOR, "X-Grove-Slot: green")
    front.ask(PLAIN, "/of-root", DOOR)
    front.ask(PLAIN, "/of-a-client", "X-Grove-Slot: green")
    log = front.root / f"logs/{ONE}-access.log"
    wait_for(lambda: all(path in log.read_text() for path in ("/of-root", "/of-a-client")))
    assert "/through-a-door" not in log.read_text()


def test_root_says_what_a_trusted_proxy_may_say(front: Front, behind_proxy: Front) -> None:
    lines = ["X-Forwarded-Proto: https", "X-Forwarded-Host: shop.test", "X-Real-IP: claim"]
    environ = front.ask(PLAIN, "/", DOOR, *lines).environ
    assert (environ["wsgi.url_scheme"], claimed(environ), environ["HTTP_X_FORWARDED_HOST"]) == (
        "https",
        set(),
        "shop.test",
    )
    assert "GROVE_TRUSTED_PROXY" not in environ
    assert front.ask(PLAIN, "/", *lines).environ["wsgi.url_scheme"] == "http"
    assert claimed(behind_proxy.ask(PROXIED_ALLOWING, "/", *lines).environ) == {"HTTP_X_REAL_IP"}


@pytest.mark.parametrize(
    ("port", "method", "expected"),
    [
        (PLAIN, "DELETE", 200),
        (PLAIN, "OPTIONS", 200),
        (PLAIN, "CONNECT", 405),
        (PLAIN, "TRACE", 405),
        (PLAIN, "PROPFIND", 405),
        (PLAIN, "QUERY", 405),
        (PLAIN, "get", 501),
        (PLAIN, "FROBNICATE", 501),
        (ALLOWING, "PROPFIND", 200),
        (ALLOWING, "QUERY", 200),
        (ALLOWING, "DELETE", 405),
        (ALLOWING, "CONNECT", 405),
        (BELOW, "CONNECT", 404),
    ],
)
def test_methods(front: Front, port: int, method: str, expected: int) -> None:
    path = f"127.0.0.1:{port}" if method == "CONNECT" else "/"
    answer = front.ask(port, path, method=method)
    assert answer.status == expected
    if expected == 200:
        assert answer.environ["REQUEST_METHOD"] == method
    # Apache refuses TRACE before it reads what is configured for the path.
    if expected == 405 and method != "TRACE":
        allowed = "GET, PROPFIND, QUERY" if port == ALLOWING else "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"
        assert allowed in answer.headers["allow"]


@pytest.mark.parametrize("path", ["/", "/status/204", "/status/404"])
@pytest.mark.parametrize("port", [PLAIN, NAMES])
def test_head_reaches_the_application(front: Front, port: int, path: str) -> None:
    """Also where filters change the headers of the answer, or would compress it."""
    answer = front.ask(port, path, "Accept-Encoding: gzip", host="one.test", method="HEAD")
    assert (answer.status, answer.headers["seen"], answer.body) == (int(path[-3:]) if path[1:] else 200, ["HEAD"], b"")
    assert answer.headers.get("content-length") == (None if path.endswith("204") else ["123"])
    door = front.ask(18280, "/", DOOR, host=f"blue.{ONE}.door", method="HEAD")
    assert (door.status, door.headers["seen"], door.body) == (200, ["HEAD"], b"")


@pytest.mark.parametrize("port", [PLAIN, NAMES])
def test_an_answer_to_head_is_not_compressed(front: Front, port: int) -> None:
    """The distribution compresses pages; the length of a compressed body of no bytes would be that of no answer."""
    headers = ("Accept-Encoding: gzip", 'Answer: {"Content-Type": "text/html"}')
    answer = front.ask(port, "/", *headers, host="one.test", method="HEAD")
    assert (answer.headers["content-length"], answer.headers.get("content-encoding")) == (["123"], None)
    assert front.ask(port, "/", *headers, host="one.test").headers["content-encoding"] == ["gzip"]


def test_an_application_that_does_not_know_head(front: Front) -> None:
    answer = front.ask(NAMES, host="two.test", method="HEAD")
    assert (answer.status, answer.body, answer.headers["content-type"]) == (200, b"", ["application/json"])
    assert "seen" not in answer.headers


def test_head_of_a_file(front: Front) -> None:
    answer = front.ask(BELOW, "/shop/public/style.css", method="HEAD")
    assert (answer.status, answer.headers["content-length"], answer.body) == (200, ["8"], b"")


def test_a_connection_is_kept_while_a_client_polls(front: Front) -> None:
    """Clients of OpenStack ask every five seconds; Apache closed the connection at that moment."""
    connection = http.client.HTTPConnection("127.0.0.1", PLAIN, timeout=60)
    ports = set()
    for pause in (0, 6):
        time.sleep(pause)
        connection.request("POST", "/", body="x")
        ports.add(json.loads(connection.getresponse().read())["REMOTE_PORT"])
    connection.close()
    assert len(ports) == 1


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 90
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)


def in_time(attempt: Callable[[], Answer]) -> Answer:
    """Return the first answer that is not 504: on a busy machine, a request may wait long for a thread that is free."""
    end = time.monotonic() + 90
    while (answer := attempt()).status == 504:
        assert time.monotonic() < end, "no request gets its thread in time"
    return answer


def test_a_request_that_waits_too_long_for_a_thread(behind_proxy: Front) -> None:
    limit, held = 1, behind_proxy.root / "held"
    parent, uid = int((behind_proxy.root / "run" / "pid").read_text()), pwd.getpwnam("news").pw_uid

    def in_flight() -> int:
        return draining.in_flight(draining.sockets(parent, uid)["blue"].path)

    assert "GROVE_QUEUE_TIMEOUT" not in in_time(lambda: behind_proxy.ask(QUEUED)).environ
    held.touch()
    with ThreadPoolExecutor() as pool, contextlib.ExitStack() as stack:
        stack.callback(held.unlink)
        received = b"HTTP/1.1 504 "
        while received.startswith(b"HTTP/1.1 504 "):
            busy = stack.enter_context(socket.create_connection(("127.0.0.1", QUEUED), timeout=60))
            busy.sendall(f"GET /hold?{held} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
            received = busy.recv(13)
        assert received == b"HTTP/1.1 200 "
        wait_for(lambda: in_flight() == 1)
        late = pool.submit(behind_proxy.ask, QUEUED)
        # From now on it waits for the only thread.
        wait_for(lambda: in_flight() == 2)
        time.sleep(limit + 0.5)
        assert not late.done()
        stack.close()
    answer = late.result()
    assert (answer.status, answer.headers["content-type"]) == (504, ["text/html; charset=iso-8859-1"])
    assert b"<h1>Gateway Timeout</h1>" in answer.body
    # rotatelogs writes the file.
    wait_for(lambda: "Queue timeout expired for WSGI daemon process 'news-blue'." in behind_proxy.error_log())
    assert in_time(lambda: behind_proxy.ask(QUEUED)).status == 200


def test_a_body_that_arrives_slowly_does_not_wait_for_a_thread(behind_proxy: Front) -> None:
    def send() -> Answer:
        with socket.create_connection(("127.0.0.1", QUEUED), timeout=60) as client:
            client.sendall(
                b"POST /read HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhe"
            )
            time.sleep(2)
            client.sendall(b"llo")
            return Answer.of(client.makefile("rb").read())

    assert in_time(send).environ["read"] == "5"


CHUNKS = "5\r\nhello\r\n6\r\n world\r\n0\r\nX-Auth-Token: late\r\n\r\n"


def test_a_body_without_a_length(front: Front) -> None:
    environ = front.ask(PLAIN, "/read", "Transfer-Encoding: chunked", method="POST", content=CHUNKS).environ
    assert (environ["read"], environ["CONTENT_LENGTH"]) == ("11", "11")
    assert {"HTTP_TRANSFER_ENCODING", "HTTP_X_AUTH_TOKEN", "HTTP_TRAILER"}.isdisjoint(environ)


def test_a_body_without_a_length_that_is_read_as_it_arrives(front: Front) -> None:
    environ = front.ask(OWN, "/read", "Transfer-Encoding: chunked", method="POST", content=CHUNKS).environ
    assert (environ["read"], environ["HTTP_TRANSFER_ENCODING"]) == ("11", "chunked")
    assert "CONTENT_LENGTH" not in environ


def test_bodies_without_a_length_may_be_refused(front: Front) -> None:
    assert front.ask(MIXED, "/read", "Transfer-Encoding: chunked", method="POST", content=CHUNKS).status == 411
    assert front.ask(MIXED, "/read", "Content-Length: 5", method="POST", content="hello").environ["read"] == "5"


@pytest.mark.parametrize("name", ["one.test", "two.test", "own"])
@pytest.mark.parametrize("chunked", [False, True])
def test_the_largest_body(front: Front, name: str, chunked: bool) -> None:
    """The limit of a record counts, whether or not its body is buffered."""
    port, limit = {"one.test": (NAMES, 3000), "two.test": (NAMES, 10_485_760), "own": (OWN, 3000)}[name]
    for size, status in ((limit, 200), (limit + 1, 413)):
        body, field = "x" * size, f"Content-Length: {size}"
        if chunked:
            body, field = f"{size:x}\r\n{body}\r\n0\r\n\r\n", "Transfer-Encoding: chunked"
        answer = front.ask(port, "/read", field, host=name, method="POST", content=body)
        assert answer.status == status
        if status == 200:
            assert answer.environ["read"] == str(limit)


@pytest.mark.parametrize(
    ("name", "url", "header"), [("one.test", 30_000, 20_000), ("two.test", 8190, 8190), ("three.test", 1024, 1024)]
)
def test_the_longest_head(front: Front, name: str, url: int, header: int) -> None:
    """Records that share an address and a port have limits of their own."""
    for longer, status in ((0, 200), (1, 414), (9_000, 414), (100_000, 414)):
        answer = front.ask(NAMES, "/?" + "x" * (url - 2 + longer), host=name)
        assert answer.status == status
    for longer, status in ((0, 200), (1, 400), (9_000, 400), (100_000, 400)):
        answer = front.ask(NAMES, "/", "X-Long:" + "x" * (header - 7 + longer), host=name)
        assert answer.status == status


def test_the_number_of_headers(front: Front) -> None:
    # Two more are those that each request of these tests has.
    for number, status in ((98, 200), (99, 400)):
        assert front.ask(PLAIN, "/", *(f"X-{each}: x" for each in range(number))).status == status


@pytest.mark.parametrize(("name", "most"), [("one.test", 50_000), ("two.test", 32_768)])
def test_the_longest_header_of_an_answer(front: Front, name: str, most: int) -> None:
    for size, status in ((most - 100, 200), (most + 100, 500)):
        answer = front.ask(NAMES, f"/long/{size}", host=name)
        assert answer.status == status
        if status == 200:
            assert len(answer.headers["x-long"][0]) == size


@pytest.mark.parametrize("port", [PLAIN, NAMES])
def test_http_0_9_reaches_no_application(front: Front, port: int) -> None:
    answer = front.send(port, b"GET /\r\n\r\n")
    assert b'"app"' not in answer
    assert b"400 Bad Request" in answer


def test_a_refused_method_does_not_change_what_an_application_says(front: Front) -> None:
    answer = front.ask(PLAIN, "/status/405", 'Answer: {"Allow": "GET"}', method="DELETE")
    assert (answer.status, answer.headers["allow"]) == (405, ["GET"])


def handshake(port: int, *options: object, wait: float = 0) -> str:
    """Return what openssl prints of a handshake and of the seconds after it."""
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-servername", "one.test", *map(str, options)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        time.sleep(wait)
        # The end of the input ends the connection.
        return process.communicate(b"", timeout=60)[0].decode()


@pytest.mark.parametrize(
    ("group", "accepted"),
    [("X25519", True), ("P-256", True), ("P-384", True), ("P-521", False), ("X448", False), ("ffdhe2048", False)],
)
def test_curves(front: Front, group: str, accepted: bool) -> None:
    output = handshake(TLS_NAMES, "-tls1_3", "-groups", group)
    assert ("Server Temp Key" in output) is accepted, output


def test_curves_of_tls_1_2(front: Front) -> None:
    """The curve of the certificate's key has to be among the client's."""
    assert "Server Temp Key: ECDH, prime256v1" in handshake(TLS_NAMES, "-tls1_2", "-groups", "P-521:X448:P-256")


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_no_session_tickets(front: Front, version: str) -> None:
    output = handshake(TLS_NAMES, version, "-msg", wait=1)
    assert "Finished" in output
    assert "NewSessionTicket" not in output


def test_an_answer_of_the_responder_is_stapled(front: Front) -> None:
    # The first handshakes may come before the responder listens, and Apache waits three seconds for it.
    wait_for(lambda: "OCSP Response Status: successful" in handshake(STAPLED, "-status", wait=0.3))
    assert "OCSP response: no response sent" in handshake(TLS_NAMES, "-status")
    assert "AH02604" not in front.error_log()


STRICT, PAGE = "default-src 'none'; frame-ancestors 'none'", "frame-ancestors 'self'"


def safe_headers(answer: Answer) -> dict[str, list[str]]:
    names = ("content-security-policy", "referrer-policy", "x-content-type-options", "x-frame-options", "x-quoted")
    return {name: answer.headers[name] for name in names if name in answer.headers}


def test_headers_that_grove_adds(front: Front) -> None:
    expected = {
        "content-security-policy": [STRICT],
        "referrer-policy": ["same-origin"],
        "x-content-type-options": ["nosniff"],
        "x-frame-options": ["SAMEORIGIN"],
    }
    for path in ("/", "/status/404", "/status/500"):
        assert safe_headers(front.ask(PLAIN, path)) == expected
    page = 'Answer: {"Content-Type": "text/html; charset=utf-8"}'
    assert safe_headers(front.ask(PLAIN, "/", page)) == {**expected, "content-security-policy": [PAGE]}
    assert safe_headers(front.ask(BELOW, "/shop/public/style.css")) == expected
    # Apache's own answers.
    assert safe_headers(front.ask(PLAIN, "/", method="PROPFIND"))["x-content-type-options"] == ["nosniff"]
    assert front.ask(BELOW, "/").headers["x-content-type-options"] == ["nosniff"]
    secure = front.ask(TLS_NAMES, host="one.test", tls=client(), name="one.test")
    assert secure.headers["strict-transport-security"] == ["max-age=63072000"]


def test_an_application_keeps_its_own_headers(front: Front) -> None:
    own = {"Content-Security-Policy": "default-src 'self'", "X-Frame-Options": "DENY", "X-Content-Type-Options": "no"}
    answer = front.ask(PLAIN, "/", f"Answer: {json.dumps(own)}")
    assert safe_headers(answer) == {name.lower(): [value] for name, value in own.items()} | {
        "referrer-policy": ["same-origin"]
    }


def test_headers_of_a_record(front: Front) -> None:
    """They replace those of the application, and the application below the path has none of them."""
    expected = {
        "content-security-policy": [STRICT],
        "referrer-policy": ["no-referrer"],
        "x-content-type-options": ["nosniff"],
        "x-quoted": [HEADERS["X-Quoted"]],
    }
    for status in ("200", "503"):
        answer = front.ask(NAMES, f"/status/{status}", 'Answer: {"Referrer-Policy": "unsafe-url"}', host="one.test")
        assert (answer.status, safe_headers(answer)) == (int(status), expected)
    below = front.ask(NAMES, "/below/", 'Answer: {"Referrer-Policy": "origin"}', host="one.test")
    assert below.environ["app"] == "list"
    assert safe_headers(below)["referrer-policy"] == ["origin"]
    assert safe_headers(below)["x-frame-options"] == ["SAMEORIGIN"]
    assert "x-quoted" not in below.headers
