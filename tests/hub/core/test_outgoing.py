"""T96–T98: what the hub sends goes to public addresses only, once resolved, in bounded time and size."""

from __future__ import annotations

import gzip
import http.server
import ipaddress
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from hub.core.destinations import AddressRefused, OutgoingFailed, addresses_of, is_public, parse_url
from hub.core.outgoing import IMPORT, WEBHOOK, open_session, with_limits

QUICK = with_limits(WEBHOOK, connect_s=2.0, idle_s=1.0, total_s=1.0)


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.com/",
        "file:///etc/passwd",
        "//example.com/",
        "http:///x",
        "http://user:pass@example.com/",
        "http://example.com@127.0.0.1/",
        "http://example.com\\@127.0.0.1/",
        "http://exa mple.com/",
        "http://example.com/\r\nX: y",
        "http://example.com\t/",
        "http://example.com./",
        "http://exämple.com/",
        "http://0x7f000001/",
        "http://0x7f.1/",
        "http://0177.0.0.1/",
        "http://2130706433/",
        "http://127.1/",
        "http://127.0.0.1.:80/",
        "http://[::1%25eth0]/",
        "http://[::1]evil.com/",
        "http://[v1.fe]/",
        "http://-a.com/",
        "http://a..com/",
        "http://example.com:22/",
        "http://example.com:99999/",
        "http://example.com:80:80/",
        "http://" + "a" * 2_000,
        "",
    ],
)
def test_what_two_programs_could_read_differently_is_refused_t96(url):
    with pytest.raises(AddressRefused):
        parse_url(url)


def test_a_url_is_taken_apart():
    target = parse_url("https://Hooks.Example.com/a/b?c=d#e")

    assert (target.scheme, target.host, target.port, target.path) == ("https", "hooks.example.com", 443, "/a/b?c=d")
    assert target.netloc == "hooks.example.com"
    assert parse_url("http://[2606:4700::1]:8080").netloc == "[2606:4700::1]:8080"


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0",
        "10.1.2.3",
        "100.64.0.1",
        "127.0.0.1",
        "169.254.169.254",
        "172.16.0.1",
        "192.0.2.1",
        "192.168.1.1",
        "198.18.0.1",
        "224.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "::127.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b:1::7f00:1",
        "2002:7f00:1::",
        "2001:0:4136:e378:8000:63bf:3fff:fdd2",
        "2001:db8::1",
        "fc00::1",
        "fe80::1",
        "fec0::1",
        "ff02::1",
    ],
)
def test_no_private_address_passes_in_any_notation_t96(address):
    assert is_public(ipaddress.ip_address(address)) is False


@pytest.mark.parametrize("address", ["1.1.1.1", "93.184.216.34", "::ffff:1.1.1.1", "2606:4700:4700::1111"])
def test_public_addresses_pass(address):
    assert is_public(ipaddress.ip_address(address)) is True


def _says(*answers: str):
    asked = []

    def resolver(host: str, port: int) -> list[str]:
        asked.append(host)
        return list(answers)

    resolver.asked = asked
    return resolver


def test_one_private_answer_among_public_ones_refuses_the_name_t96():
    target = parse_url("http://mixed.example.com/")

    assert addresses_of(target, resolver=_says("1.1.1.1", "1.0.0.1")) == ["1.1.1.1", "1.0.0.1"]
    for private in ("10.0.0.1", "::ffff:10.0.0.1", "64:ff9b::a00:1", "fe80::1%eth0", "nonsense"):
        with pytest.raises(AddressRefused):
            addresses_of(target, resolver=_says("1.1.1.1", private))
    with pytest.raises(OutgoingFailed):
        addresses_of(target, resolver=_says())


def test_an_address_in_the_url_is_checked_like_a_resolved_one_t96():
    for url in ("http://127.0.0.1/", "http://[::1]/", "http://[::ffff:10.0.0.1]/", "http://169.254.169.254/latest"):
        with pytest.raises(AddressRefused):
            addresses_of(parse_url(url))


def test_an_operator_opens_networks_by_name(settings):
    settings.HUB_OUTGOING_NETWORKS = ["10.0.0.0/8", "fd00::/8"]

    assert addresses_of(parse_url("http://10.1.2.3/")) == ["10.1.2.3"]
    assert addresses_of(parse_url("http://[fd00::1]/")) == ["fd00::1"]
    with pytest.raises(AddressRefused):
        addresses_of(parse_url("http://192.168.0.1/"))


# --- over real sockets ------------------------------------------------------------------------------------------------


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    seen: list

    def log_message(self, *args):
        pass

    def _answer(self, status=200, body=b"ok", **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        if "Content_Length" not in headers:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.seen.append((self.command, self.path, dict(self.headers), body, self.client_address[1]))
        self._routes()

    do_GET = do_POST  # noqa: N815 -- http.server's own name

    def _routes(self):
        fixed = {
            "/redirect": (302, b"", {"Location": "/next"}),
            "/metadata": (302, b"", {"Location": "http://169.254.169.254/latest"}),
            "/away": (307, b"", {"Location": f"http://other.example.com:{self.server.server_port}/next"}),
            "/loop": (302, b"", {"Location": "/loop"}),
            "/long": (200, b"x" * 100_000, {}),
            "/bomb": (200, gzip.compress(b"0" * 50_000_000), {"Content_Encoding": "gzip"}),
        }
        if self.path in fixed:
            status, body, headers = fixed[self.path]
            self._answer(status, body, **headers)
        else:
            getattr(self, f"_{self.path.strip('/').replace('-', '_')}", self._answer)()

    def _endless(self):
        self._answer(200, b"", Content_Length="10000000000")
        while True:
            self.wfile.write(b"x" * 65_536)

    def _drip(self):
        self._answer(200, b"", Content_Length="1000")
        self._drop(b"x")

    def _drip_head(self):
        self._drop(b"H")

    def _drop(self, byte):
        for _ in range(100):
            self.wfile.write(byte)
            time.sleep(0.1)

    def _cut(self):
        self._answer(200, b"abc", Content_Length="10")
        self.close_connection = True

    def _close(self):
        self._answer(200, b"bye", Connection="close")
        self.close_connection = True

    def _mute(self):
        time.sleep(3)


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        pass


@pytest.fixture
def server(settings):
    settings.HUB_OUTGOING_PORTS = ["any"]
    settings.HUB_OUTGOING_NETWORKS = ["127.0.0.1/32"]
    with _serving() as started:
        yield started


@contextmanager
def _serving() -> Iterator[_Server]:
    started = _Server(("127.0.0.1", 0), _Handler)
    started.seen = []
    started.url = f"http://hooks.example.com:{started.server_port}"
    threading.Thread(target=started.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    try:
        yield started
    finally:
        started.shutdown()
        started.server_close()


def _local(purpose=QUICK):
    return open_session(purpose, resolver=_says("127.0.0.1"))


def test_a_body_arrives_under_the_name_of_the_url(server):
    with _local() as session:
        answer = session.post(f"{server.url}/in", b'{"a": 1}', headers={"X-Webhook-Secret": "s"})

    assert (answer.status, answer.body) == (200, b"ok")
    method, path, headers, body, _port = server.seen[0]
    assert (method, path, body) == ("POST", "/in", b'{"a": 1}')
    assert headers["Host"] == f"hooks.example.com:{server.server_port}"
    assert headers["X-Webhook-Secret"] == "s"


def test_the_name_is_resolved_once_per_connection_rebinding_t96(server):
    """A name that answers publicly first and privately afterwards is connected to as it was checked."""
    answers = iter([["127.0.0.1"], ["169.254.169.254"]])
    with open_session(QUICK, resolver=lambda host, port: next(answers)) as session:
        assert session.post(f"{server.url}/", b"").status == 200
        with pytest.raises(AddressRefused):
            session.post(f"{server.url}/", b"")
    assert len(server.seen) == 1


def test_redirects_of_a_webhook_are_answers_and_nothing_more_t97(server):
    with _local() as session:
        assert session.post(f"{server.url}/metadata", b"").status == 302
        assert session.post(f"{server.url}/redirect", b"").status == 302

    assert [path for _method, path, *_ in server.seen] == ["/metadata", "/redirect"]


def test_redirects_of_an_import_pass_the_same_checks_t97(server):
    with _local(IMPORT) as session:
        assert session.get(f"{server.url}/redirect").url == f"{server.url}/next"
        with pytest.raises(AddressRefused):
            session.get(f"{server.url}/metadata")
        with pytest.raises(OutgoingFailed) as caught:
            session.get(f"{server.url}/loop")
    assert caught.value.data == {"reason": "redirects"}


def test_credentials_stay_with_their_origin(server):
    with _local(IMPORT) as session:
        session.get(f"{server.url}/redirect", headers={"Authorization": "Bearer x"})
        session.get(f"{server.url}/away", headers={"authorization": "Bearer x", "X-Other": "y"})

    sent = [("authorization" in {name.lower() for name in headers}) for _m, _p, headers, *_ in server.seen]
    assert sent == [True, True, True, False]
    assert server.seen[3][2]["X-Other"] == "y"


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/long", "length"),
        ("/endless", "length"),
        ("/bomb", "encoding"),
        ("/drip", "time"),
        ("/drip-head", "time"),
        ("/mute", "time"),
        ("/cut", "cut"),
    ],
)
def test_slow_huge_and_broken_answers_end_t98(server, path, reason):
    with _local() as session, pytest.raises(OutgoingFailed) as caught:
        session.get(f"{server.url}{path}")

    assert caught.value.data == {"reason": reason}


def test_nobody_there(settings):
    settings.HUB_OUTGOING_PORTS = ["any"]
    settings.HUB_OUTGOING_NETWORKS = ["127.0.0.1/32"]
    with _serving() as gone:
        url = gone.url
    with _local() as session, pytest.raises(OutgoingFailed) as caught:
        session.get(url)

    assert caught.value.data == {"reason": "connection"}


def test_a_session_keeps_its_connection_for_reads(server):
    with _local(IMPORT) as session:
        for _ in range(3):
            assert session.get(f"{server.url}/").body == b"ok"
        assert session.get(f"{server.url}/close").body == b"bye"
        assert session.get(f"{server.url}/").body == b"ok"

    ports = [port for *_, port in server.seen]
    assert len(set(ports[:4])) == 1
    assert ports[4] != ports[3]


def test_a_stream_is_read_in_pieces_up_to_its_limit(server):
    with _local(IMPORT) as session:
        with session.stream(f"{server.url}/long", max_bytes=100_000) as answer:
            assert sum(len(piece) for piece in answer.pieces(1000)) == 100_000
        with session.stream(f"{server.url}/long", max_bytes=99_999) as answer, pytest.raises(OutgoingFailed):
            answer.read()


def test_a_certificate_must_fit_the_name(server):
    """Plain HTTP behind https:// is no TLS: refused before anything is sent."""
    url = server.url.replace("http://", "https://")
    with _local() as session, pytest.raises(OutgoingFailed) as caught:
        session.post(url, b"secret")

    assert caught.value.data == {"reason": "tls"}
    assert server.seen == []


# --- our own services (T99) ------------------------------------------------------------------------------------------

OWN = {
    "HUB_URL": "https://hub.example.com",
    "DATABASE_URL": "postgresql://hub:secret@198.41.0.4/hub",
    "REDIS_URL": "rediss://:secret@queue.example.com:6380/0",
    "HUB_STORAGE_URL": "s3://models?endpoint=https://bytes.example.com:9000&public_endpoint=https://9.9.9.9",
}


@pytest.fixture
def _own_services(settings):
    settings.HUB_OUTGOING_PORTS = ["any"]
    for name, value in OWN.items():
        setattr(settings, name, value)


@pytest.mark.usefixtures("_own_services")
@pytest.mark.parametrize(
    "url",
    [
        "https://hub.example.com/api/models",
        "http://HUB.example.com:8080/",
        "http://198.41.0.4:5432/",
        "http://198.41.0.4/",
        "http://queue.example.com:6380/",
        "http://queue.example.com/",
        "https://bytes.example.com:9000/models/x",
        "https://bytes.example.com/",
        "https://9.9.9.9/",
        "https://[::ffff:9.9.9.9]/",
    ],
)
def test_own_services_are_not_called_even_when_public_t99(url):
    with pytest.raises(AddressRefused) as caught:
        addresses_of(parse_url(url), resolver=_says("1.1.1.1"))
    assert caught.value.message == AddressRefused.default_message


@pytest.mark.usefixtures("_own_services")
def test_own_services_are_known_behind_other_names_t99():
    with pytest.raises(AddressRefused):
        addresses_of(parse_url("https://innocent.example.org/"), resolver=_says("1.1.1.1", "198.41.0.4"))
    assert addresses_of(parse_url("https://innocent.example.org/"), resolver=_says("1.1.1.1")) == ["1.1.1.1"]


def test_an_opened_network_opens_the_neighbours_and_not_the_hub_t99(server, settings):
    """The operator opened the loopback: what else listens there may be called, the hub and its queue may not."""
    settings.HUB_URL, settings.PORT = f"http://localhost:{server.server_port}", server.server_port
    for host in ("127.0.0.1", "localhost", "hooks.example.com", "[::ffff:127.0.0.1]"):
        with _local() as session, pytest.raises(AddressRefused):
            session.post(f"http://{host}:{server.server_port}/", b"")
    settings.HUB_URL, settings.PORT = "https://hub.example.com", 1
    settings.REDIS_URL = f"redis://127.0.0.1:{server.server_port}/0"
    with _local() as session, pytest.raises(AddressRefused):
        session.post(f"{server.url}/", b"")
    assert server.seen == []
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    with _local() as session:
        assert session.post(f"{server.url}/", b"").status == 200


def test_proxies_of_the_environment_are_ignored_t99(server, monkeypatch):
    """A proxy would look the name up once more, and find what nobody checked."""
    with _serving() as proxy:
        for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.server_port}")
        monkeypatch.delenv("no_proxy", raising=False)
        with _local() as session:
            assert session.post(f"{server.url}/in", b"").status == 200
        assert (len(server.seen), proxy.seen) == (1, [])


# --- imports (T100) --------------------------------------------------------------------------------------------------


def test_imports_come_over_https_t100(settings):
    """Plain http is for networks that the operator opened; to webhooks it stays open."""
    plain, safe = parse_url("http://hub.example.org/api"), parse_url("https://hub.example.org/api")
    asked = _says("1.1.1.1")
    with pytest.raises(AddressRefused, match="https"):
        addresses_of(plain, resolver=asked, is_https_only=True)
    assert addresses_of(safe, resolver=asked, is_https_only=True) == ["1.1.1.1"]
    assert addresses_of(plain, resolver=asked) == ["1.1.1.1"]
    assert (IMPORT.is_https_only, WEBHOOK.is_https_only) == (True, False)
    with open_session(IMPORT, resolver=asked) as session, pytest.raises(AddressRefused, match="https"):
        session.get(plain.url)
    settings.HUB_OUTGOING_NETWORKS = ["10.0.0.0/8"]
    assert addresses_of(plain, resolver=_says("10.0.0.7"), is_https_only=True) == ["10.0.0.7"]
    with pytest.raises(AddressRefused):
        addresses_of(plain, resolver=_says("10.0.0.7", "1.1.1.1"), is_https_only=True)
