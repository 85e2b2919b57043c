"""What the HTTP API refuses and how: wrong fields and files, too much, and who may not come in."""

import json
import re
import socket
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("fastapi")

from asking import assert_problem, make_client, send
from fastapi.testclient import TestClient
from waiting import wait_until

from photochrom.errors import InputError
from photochrom.photo.decoding import decode_photograph
from photochrom.photo.photograph import Photograph
from photochrom.serve import build_app, is_loopback, listen, serve
from photochrom.service.service import safe_stem
from photochrom.settings import MAX_HINTS, Limits


@pytest.fixture(scope="module")
def client(colorizer):
    with make_client(colorizer, pixels=1_000_000, body=3_000_000) as client:
        yield client


@pytest.mark.parametrize("name", ["../../etc/passwd.jpg", "..\\..\\boot.jpg", "/", "", "a\0b.jpg", "Großmutter ♥.jpg"])
def test_file_names_stay_names(client, cat, name):
    assert re.fullmatch(r"[^/\\\0]+", safe_stem(name))
    if name and "\0" not in name:
        response = send(client, cat, name=name)
        assert response.status_code in (200, 422), response.text
        assert ".." not in response.headers.get("content-disposition", "")


@pytest.mark.parametrize(
    "fields, status, words",
    [
        ({"strength": "eleven"}, 422, ["strength"]),
        ({"strength": "nan"}, 422, ["strength"]),
        ({"strength": 11}, 422, ["strength"]),
        ({"warmth": -1.5}, 422, ["warmth"]),
        ({"seed": -1}, 422, ["seed"]),
        ({"variants": 0}, 422, ["variants"]),
        ({"variants": 9}, 422, ["variants", "8"]),
        ({"format": "gif"}, 422, ["format"]),
        ({"hints": "[]"}, 400, ["field hints", "its form is"]),
        ({"hints": '{"hints": [{"x": 1e9, "y": 1, "color": "#000000"}]}'}, 400, ["is outside cat."]),
        ({"hints": '{"hints": [{"x": NaN, "y": 1, "color": "#000000"}]}'}, 400, ["is outside cat."]),
        ({"hints": '{"size": [0, 1], "hints": []}'}, 400, ["size"]),
        ({"hints": json.dumps({"hints": [{"x": 1, "y": 1, "color": "#000000"}] * (MAX_HINTS + 1)})}, 400, ["limit"]),
        ({"hints": "[" * 5000}, 400, ["its form is"]),
    ],
)
def test_wrong_fields(client, cat, fields, status, words):
    assert_problem(send(client, cat, **fields), status, *words)


@pytest.mark.parametrize(
    "fields, words",
    [
        ({"strenght": 2}, ["strenght", "did you mean strength?"]),
        ({"working-size": 64}, ["did you mean working_size?"]),
        ({"Strength": 1}, ["did you mean strength?"]),
        ({"zzz": 1}, ["the fields are file, strength"]),
        ({"model": "/etc/passwd"}, ["model", "default"]),
        ({"working_size": 8}, ["working_size", "32"]),
        ({"working_size": 64.5}, ["working_size"]),
        ({"strength": [1, 2]}, ["strength", "2 times"]),
    ],
)
@pytest.mark.parametrize("path", ["/v1/colorize", "/v1/jobs"])
def test_fields_that_the_form_does_not_have(client, cat, path, fields, words):
    assert_problem(send(client, cat, path, **fields), 422, *words)


def test_photographs_where_none_is_expected(client, cat):
    wrong_name = {"fiel": ("cat.jpg", cat)}
    assert_problem(client.post("/v1/colorize", files=wrong_name), 422, "did you mean file?")
    twice = [("file", ("a.jpg", cat)), ("file", ("b.jpg", cat))]
    assert_problem(client.post("/v1/colorize", files=twice), 422, "2 times")
    assert_problem(client.post("/v1/colorize", data={"file": "hello"}), 422, "no filename", "not a file")
    in_address = client.post("/v1/colorize", params={"strength": 2}, files={"file": ("a.jpg", cat)})
    assert_problem(in_address, 422, "strength", "not into the address")
    head = b"--b\r\nContent-Disposition: form-data; name=\"file\"; filename*=UTF-8''cat.jpg\r\n\r\n"
    headers = {"content-type": "multipart/form-data; boundary=b"}
    only_extended = client.post("/v1/colorize", content=head + cat + b"\r\n--b--\r\n", headers=headers)
    assert_problem(only_extended, 422, "filename* does not count")


@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "image/jpeg", "application/json", None])
def test_a_photograph_without_a_form(client, cat, kind):
    """The first is what curl --data-binary says; the photograph would be the name of a field."""
    response = client.post("/v1/colorize", content=cat, headers={"content-type": kind} if kind else None)
    assert_problem(response, 422, "multipart/form-data")
    assert len(response.content) < 500


@pytest.mark.parametrize(
    "method, path, allowed",
    [
        ("GET", "/v1/colorize", "POST"),
        ("HEAD", "/v1/colorize", "POST"),
        ("OPTIONS", "/v1/jobs", "POST"),
        ("PUT", "/v1/jobs/x", "DELETE, GET, HEAD"),
        ("POST", "/v1/jobs/x/result", "GET, HEAD"),
        ("DELETE", "/healthz", "GET, HEAD"),
        ("DELETE", "/v1/colorize", "POST"),
        ("DELETE", "/v1/nonsense", None),
        ("GET", "/v1", None),
        ("POST", "/v1/", None),
        ("GET", "/v1/colorize/", None),
        ("POST", "/v1/colourize", None),
        ("BREW", "/v1/coffee", None),
    ],
)
def test_paths_and_methods_that_do_not_exist(page_client, method, path, allowed):
    """Not even where the page is served too, which would answer everything else."""
    response = page_client.request(method, path, follow_redirects=False)
    assert response.status_code == (405 if allowed else 404) and response.headers.get("allow") == allowed
    assert response.headers["content-type"] == "application/problem+json"
    if method != "HEAD":
        assert_problem(response, response.status_code, path, *([allowed] if allowed else []))


def test_figures_call_unknown_paths_unknown(page_client):
    """However many addresses somebody tries, they are one line of the figures."""
    for path in ("/v1/nonsense", "/v1/colourize"):
        assert page_client.get(path).status_code == 404
    assert page_client.get("/").status_code == 200
    figures = page_client.get("/metrics").text
    assert re.findall(r'requests_total\{route="(.*?)",status="(\d+)"\} (\S+)', figures) == [("unknown", "404", "2.0")]


@pytest.fixture
def page_client(loud):
    app, _ = build_app(loud, Limits())
    with TestClient(app) as client:
        yield client


def test_wrong_files(client, cat, photographs):
    assert_problem(send(client, b"hello"), 400, "cat.jpg is not supported: unknown format")
    assert_problem(send(client, b""), 400, "empty")
    assert_problem(send(client, cat[:3000]), 400, "damaged")
    assert_problem(client.post("/v1/colorize", data={"strength": 1}), 422, "file")
    assert_problem(client.post("/v1/colorize", content=b"x", headers={"content-type": "multipart/form-data"}), 400)
    assert_problem(client.get("/v1/nothing"), 404)
    large = Photograph(np.zeros((1001, 1000), np.uint8)).encode("png")
    assert_problem(send(client, large), 413, "1000 x 1001")
    assert_problem(send(client, b"x" * 3_100_000), 413, "3 MB")


def test_a_file_of_several_pages_is_refused_in_the_words_of_the_api(client, cat):
    page = decode_photograph(cat)
    content = replace(page, pages=(page,)).encode("tiff")
    answer = send(client, content, name="old.tif", format="png")
    assert_problem(answer, 400, "has 2 pages", "choose another format")
    assert "--" not in answer.json()["detail"]


def test_a_body_of_undeclared_length_is_bounded(client):
    def endless():
        yield b'--b\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\n'
        for _ in range(100):
            yield bytes(100_000)

    headers = {"content-type": "multipart/form-data; boundary=b"}
    assert_problem(client.post("/v1/colorize", content=endless(), headers=headers), 413, "3 MB")


def test_more_than_the_queue_holds_is_refused(held, cat):
    with make_client(held, queue=3) as client, ThreadPoolExecutor(3) as pool:
        waiting = [pool.submit(send, client, cat) for _ in range(3)]
        wait_until(lambda: "photochrom_held 3.0" in client.get("/metrics").text, "three requests are held")
        refused = send(client, cat)
        assert_problem(refused, 429, "3 photographs are waiting")
        assert int(refused.headers["retry-after"]) > 0
        assert_problem(client.get("/readyz"), 503)
        held.backend.open.set()
        assert [future.result().status_code for future in waiting] == [200, 200, 200]
        assert client.get("/readyz").status_code == 200 and send(client, cat).status_code == 200


@pytest.mark.slow
def test_what_takes_too_long_is_given_up(held, cat):
    with make_client(held, seconds=3) as client:
        assert_problem(send(client, cat), 503, "longer than 3 seconds")
        assert "photochrom_held 0.0" in client.get("/metrics").text
        held.backend.open.set()
        assert send(client, cat).status_code == 200


# Who comes in


def test_the_token(colorizer, cat):
    with make_client(colorizer, token="open sesame") as client:
        assert_problem(send(client, cat), 401, "Bearer")
        assert_problem(send(client, cat, headers={"authorization": "Bearer wrong"}), 401)
        assert send(client, cat, headers={"authorization": "Bearer open sesame"}).status_code == 200
        assert client.get("/healthz").status_code == 200
        assert client.get("/docs").status_code == client.get("/metrics").status_code == 401
        assert client.get("/", params={"token": "wrong"}).status_code == 401
        welcome = client.get("/", params={"token": "open sesame"}, follow_redirects=False)
        assert welcome.status_code == 303 and "httponly" in welcome.headers["set-cookie"].lower()
        assert client.get("/docs").status_code == 200  # the client keeps cookies, as a browser does


def test_other_sites_pages_are_refused(colorizer, cat):
    with make_client(colorizer, hosts=frozenset({"testserver"})) as client:
        assert_problem(send(client, cat, headers={"origin": "http://evil.example"}), 403, "other sites")
        assert_problem(client.get("/docs", headers={"host": "evil.example"}), 403, "evil.example")
        assert send(client, cat, headers={"origin": "http://testserver"}).status_code == 200


@pytest.mark.parametrize(
    "host, local", [("127.0.0.1", True), ("localhost", True), ("::1", True), ("0.0.0.0", False), ("10.0.0.1", False)]
)
def test_public_addresses_need_a_token(loud, host, local):
    assert is_loopback(host) == local
    if not local:
        with pytest.raises(InputError, match="--token"):
            serve(loud, host, 0, Limits())


def test_a_taken_port_is_one_line(loud):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(InputError, match=f"port {port}.*--port"):
            serve(loud, "127.0.0.1", port, Limits())
    listen("127.0.0.1", 0).close()


@pytest.mark.parametrize("foreign", ["a/b=1", "{}=x", 'q="', "=", "photochrom-tokens=secret"])
def test_other_programs_cookies_do_not_matter(colorizer, cat, foreign):
    """All ports of a host share their cookies, whatever form they have."""
    with make_client(colorizer, token="secret") as client:
        cookies = {"Cookie": f"{foreign}; photochrom-token=secret; {foreign}"}
        assert client.get("/metrics", headers=cookies).status_code == 200
        assert client.get("/metrics", headers={"Cookie": foreign}).status_code == 401


@pytest.mark.parametrize("headers", [{"origin": "http://[::1"}, {"origin": "http://[bad"}, {"host": "[::1"}])
def test_malformed_hosts_and_origins_are_refused(loud, headers):
    with make_client(loud, hosts=frozenset({"testserver"})) as client:
        assert client.get("/v1/jobs/x", headers=headers).status_code == 403
