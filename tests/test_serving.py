"""The HTTP API: what it gives, what it refuses and how, and that it stays within its limits."""

import io
import json
import re
import socket
import threading
import zipfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from PIL import Image

pytest.importorskip("fastapi")

import schemathesis
from fastapi.testclient import TestClient
from waiting import wait_until

import photochrom
from photochrom.errors import InputError
from photochrom.photo.color import luminance_of
from photochrom.photo.decoding import decode_photograph
from photochrom.photo.hints import MAX_HINTS
from photochrom.photo.photograph import Photograph
from photochrom.serve import is_loopback, listen, serve
from photochrom.server.api import create_app
from photochrom.service.batching import Batcher
from photochrom.service.service import Service, safe_stem
from photochrom.settings import FORMATS, Limits

HINTS = json.dumps({"size": [451, 300], "hints": [{"x": 220, "y": 150, "color": "#2040c0"}]})


def make_client(colorizer, token=None, hosts=frozenset(), **limits) -> TestClient:
    return TestClient(create_app(Service(colorizer, Limits(**limits)), token, hosts), raise_server_exceptions=False)


@pytest.fixture(scope="module")
def client(colorizer):
    with make_client(colorizer, pixels=1_000_000, body=3_000_000) as client:
        yield client


def send(client, data, path="/v1/colorize", name="cat.jpg", headers=None, **fields):
    return client.post(path, files={"file": (name, data)}, data=fields, headers=headers)


def assert_problem(response, status, *words):
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert problem["status"] == status and problem["title"] and "\n" not in problem["detail"]
    for word in words:
        assert word in problem["detail"]


def read(response) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(response.content)))


# What it gives


def test_the_picture_is_the_command_lines(client, cat, tmp_path):
    (tmp_path / "cat.jpg").write_bytes(cat)
    photochrom.colorize(tmp_path / "cat.jpg", strength=1.2, warmth=-0.5, seed=4).save(tmp_path / "color.jpg")
    response = send(client, cat, strength=1.2, warmth=-0.5, seed=4)
    assert response.status_code == 200 and response.headers["content-type"] == "image/jpeg"
    assert 'filename="cat-color.jpg"' in response.headers["content-disposition"]
    assert response.content == (tmp_path / "color.jpg").read_bytes()


def test_hints_and_format(client, cat):
    plain, hinted = read(send(client, cat, format="png")), read(send(client, cat, format="png", hints=HINTS))
    change = np.abs(plain.astype(int) - hinted).sum(axis=2)
    assert change[150, 220] > 60 and change[150, 220] > 4 * change[5, 5]
    assert np.abs(luminance_of(plain) - luminance_of(hinted)).mean() < 0.3


def test_variants_come_in_a_zip(client, cat):
    response = send(client, cat, variants=3)
    assert response.headers["content-type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(response.content)) as file:
        assert file.namelist() == [f"cat-color-{n}.jpg" for n in (1, 2, 3)]
        assert len({file.read(name) for name in file.namelist()}) == 3


@pytest.mark.parametrize("name", ["../../etc/passwd.jpg", "..\\..\\boot.jpg", "/", "", "a\0b.jpg", "Großmutter ♥.jpg"])
def test_file_names_stay_names(client, cat, name):
    assert re.fullmatch(r"[^/\\\0]+", safe_stem(name))
    if name and "\0" not in name:
        response = send(client, cat, name=name)
        assert response.status_code in (200, 422), response.text
        assert ".." not in response.headers.get("content-disposition", "")


def test_a_job_from_beginning_to_end(client, cat):
    started = send(client, cat, "/v1/jobs", seed=1)
    assert started.status_code == 202
    address = started.headers["location"]
    state = wait_for(client, address)
    assert state["state"] == "done"
    assert client.get(state["result"]).content == send(client, cat, seed=1).content
    assert client.delete(address).status_code == 204
    assert_problem(client.get(address), 404, "no such job")


def test_answers_name_what_the_picture_does_not_have_of_its_file(client, cat):
    assert "photochrom-left-out" not in send(client, cat).headers
    with_exif = io.BytesIO()
    image = Image.open(io.BytesIO(cat))
    image.getexif()[0x010E] = "a cat"
    image.save(with_exif, "JPEG", exif=image.getexif())
    response = send(client, with_exif.getvalue(), format="bmp")
    assert "EXIF" in response.headers["photochrom-left-out"]
    state = wait_for(client, send(client, with_exif.getvalue(), "/v1/jobs", format="bmp").headers["location"])
    assert "; ".join(state["left_out"]) == response.headers["photochrom-left-out"]
    assert client.get(state["result"]).headers["photochrom-left-out"] == response.headers["photochrom-left-out"]


def wait_for(client, address):
    wait_until(lambda: client.get(address).json()["state"] in ("done", "failed"), f"{address} has ended")
    return client.get(address).json()


def test_a_failed_job_says_why(client, cat):
    address = send(client, cat[:3000], "/v1/jobs").headers["location"]
    state = wait_for(client, address)
    assert state["state"] == "failed" and "damaged" in state["detail"]
    assert_problem(client.get(address + "/result"), 409, "failed", "damaged")


@pytest.mark.slow
def test_jobs_are_forgotten(colorizer, cat):
    with make_client(colorizer, jobs=2, keep=1) as client:
        addresses = [send(client, cat, "/v1/jobs").headers["location"] for _ in range(2)]
        assert_problem(send(client, cat, "/v1/jobs"), 429, "jobs")
        wait_until(lambda: all(client.get(address).status_code == 404 for address in addresses), "jobs are forgotten")
        assert send(client, cat, "/v1/jobs").status_code == 202


def test_watching(client, cat):
    assert client.get("/healthz").text == client.get("/readyz").text == "ok"
    send(client, cat)
    figures = client.get("/metrics").text
    assert re.search(r'photochrom_requests_total\{route="/v1/colorize",status="200"\} [1-9]', figures)
    assert "photochrom_held 0.0" in figures


def test_browsers_keep_pages_from_asking_elsewhere(client):
    for path in ("/docs", "/healthz", "/v1/nothing"):
        assert "default-src 'self'" in client.get(path).headers["content-security-policy"]


def test_documentation_asks_nobody_else(client):
    page = client.get("/docs").text
    assert "swagger" in page and not re.findall(r'(?:src|href)="https?://(?!testserver)', page)
    scripts = re.findall(r'(?:src|href)="(/[^"]+\.(?:js|css))"', page)
    assert scripts and all(client.get(script).status_code == 200 for script in scripts)


def test_format_names_are_the_formats(client):
    schema = client.get("/openapi.json").json()["components"]["schemas"]["FormatName"]
    assert schema["enum"] == list(FORMATS)


# What it refuses


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
        ({"hints": '{"hints": [{"x": 1e9, "y": 1, "color": "#000000"}]}'}, 400, ["outside the photograph"]),
        ({"hints": '{"hints": [{"x": NaN, "y": 1, "color": "#000000"}]}'}, 400, ["outside the photograph"]),
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


def test_a_request_has_a_working_size_and_a_model(client, cat, tmp_path):
    (tmp_path / "cat.jpg").write_bytes(cat)
    photochrom.colorize(tmp_path / "cat.jpg", working_size=64).save(tmp_path / "small.jpg")
    expected = (tmp_path / "small.jpg").read_bytes()
    assert send(client, cat, working_size=64).content == expected != send(client, cat).content
    assert send(client, cat, working_size=64, model="default").content == expected
    warm = send(client, cat, working_size=64, warmth=0.5)
    assert warm.status_code == 200 and warm.content != expected
    assert send(client, cat, working_size=256, model="default").content == send(client, cat).content


def test_a_bundled_model_beside_the_servers_own(loud, cat, tmp_path):
    (tmp_path / "cat.jpg").write_bytes(cat)
    photochrom.colorize(tmp_path / "cat.jpg").save(tmp_path / "color.jpg")
    with make_client(loud) as client:
        bundled = send(client, cat, model="default").content
        assert bundled == (tmp_path / "color.jpg").read_bytes() != send(client, cat).content


@pytest.mark.parametrize(
    "method, path, allowed",
    [
        ("GET", "/v1/colorize", "POST"),
        ("HEAD", "/v1/colorize", "POST"),
        ("OPTIONS", "/v1/jobs", "POST"),
        ("PUT", "/v1/jobs/x", "DELETE, GET, HEAD"),
        ("POST", "/v1/jobs/x/result", "GET, HEAD"),
        ("DELETE", "/healthz", "GET, HEAD"),
        ("GET", "/v1", None),
        ("POST", "/v1/", None),
        ("GET", "/v1/colorize/", None),
        ("POST", "/v1/colourize", None),
        ("BREW", "/v1/coffee", None),
    ],
)
def test_paths_and_methods_that_do_not_exist(page_client, method, path, allowed):
    """Not even where a page is mounted at /, which would answer everything else."""
    response = page_client.request(method, path, follow_redirects=False)
    assert response.status_code == (405 if allowed else 404) and response.headers.get("allow") == allowed
    assert response.headers["content-type"] == "application/problem+json"
    if method != "HEAD":
        assert_problem(response, response.status_code, path, *([allowed] if allowed else []))


@pytest.fixture
def page_client(loud):
    from starlette.responses import PlainTextResponse

    app = create_app(Service(loud, Limits()))
    app.mount("/", PlainTextResponse("a page"))
    with TestClient(app) as client:
        yield client


def test_head_is_get_without_its_body(client, cat):
    address = send(client, cat, "/v1/jobs").headers["location"]
    wait_for(client, address)
    for path in ("/healthz", "/readyz", address, address + "/result"):
        head, get = client.head(path), client.get(path)
        assert head.status_code == get.status_code == 200 and head.content == b"" != get.content
        assert head.headers["content-length"] == get.headers["content-length"] == str(len(get.content))


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


def test_a_body_of_undeclared_length_is_bounded(client):
    def endless():
        yield b'--b\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\n'
        for _ in range(100):
            yield bytes(100_000)

    headers = {"content-type": "multipart/form-data; boundary=b"}
    assert_problem(client.post("/v1/colorize", content=endless(), headers=headers), 413, "3 MB")


class SlowBackend:
    """A fake model that waits until it may answer."""

    def __init__(self, inner):
        self.inner, self.info, self.open = inner, inner.info, threading.Event()

    def predict(self, *planes):
        assert self.open.wait(60)
        return self.inner.predict(*planes)


@pytest.fixture
def slow(loud):
    loud.backend = SlowBackend(loud.backend)
    yield loud
    loud.backend.open.set()


def test_more_than_the_queue_holds_is_refused(slow, cat):
    with make_client(slow, queue=3) as client, ThreadPoolExecutor(3) as pool:
        held = [pool.submit(send, client, cat) for _ in range(3)]
        wait_until(lambda: "photochrom_held 3.0" in client.get("/metrics").text, "three requests are held")
        refused = send(client, cat)
        assert_problem(refused, 429, "3 photographs are waiting")
        assert int(refused.headers["retry-after"]) > 0
        assert_problem(client.get("/readyz"), 503)
        slow.backend.open.set()
        assert [future.result().status_code for future in held] == [200, 200, 200]
        assert client.get("/readyz").status_code == 200 and send(client, cat).status_code == 200


@pytest.mark.slow
def test_what_takes_too_long_is_given_up(slow, cat):
    with make_client(slow, seconds=3) as client:
        assert_problem(send(client, cat), 503, "longer than 3 seconds")
        assert "photochrom_held 0.0" in client.get("/metrics").text
        slow.backend.open.set()
        assert send(client, cat).status_code == 200


def test_an_error_of_ours_is_no_traceback(loud, cat, monkeypatch):
    monkeypatch.setattr(loud, "apply", lambda *_: 1 / 0)
    with make_client(loud) as client:
        assert_problem(send(client, cat), 500, "its log says why")
        address = send(client, cat, "/v1/jobs").headers["location"]
        assert "its log says why" in wait_for(client, address)["detail"]


def described(found):
    """An operation, or what is wrong with its description, which is raised."""
    return found.ok()


def examine(cases, bounded, seen):
    @bounded
    @given(case=cases)
    def ask(case):
        seen[case.call_and_validate().status_code] += 1

    ask()


@pytest.mark.slow
def test_the_api_keeps_its_own_description(loud):
    """Schemathesis asks all that the OpenAPI description allows, and much that it doesn't."""
    app = create_app(Service(loud, Limits()))
    schema = schemathesis.openapi.from_asgi("/openapi.json", app)
    tiny = Photograph(np.arange(100, dtype=np.uint8).reshape(10, 10)).encode("png")

    @schema.hook
    def map_body(context, body):
        """The description can't say what a photograph is, or hints: put some where it asks for bytes and text."""
        if isinstance(body, dict) and isinstance(body.get("file"), (bytes, str)):
            body["file"] = tiny
        if isinstance(body, dict) and isinstance(body.get("hints"), str):
            body["hints"] = HINTS
        if isinstance(body, dict) and body.get("model") == "default":
            del body["model"]  # the real one takes its time, seven times over
        if isinstance(body, dict) and isinstance(size := body.get("working_size"), int) and size > 64:
            body["working_size"] = 1025 if size > 1024 else 64
        return body

    @schema.hook
    def filter_body(context, body):
        """Leave out what a form can't say: it has text and files alone, and an empty field is one left out."""
        if not isinstance(body, dict):
            return True
        texts = [body[name] for name in ("file", "hints") if name in body]
        sayable = all(isinstance(value, (str, bytes, int, float)) and value not in ("", b"") for value in body.values())
        return sayable and all(isinstance(text, (str, bytes)) for text in texts)

    statuses: dict[str, Counter[int]] = {}
    bounded = settings(max_examples=40, deadline=None, derandomize=True, database=None, phases=[Phase.generate])
    for operation in map(described, schema.get_all_operations()):
        seen = statuses[operation.label] = Counter()
        examine(operation.as_strategy(schemathesis.GenerationMode.POSITIVE), bounded, seen)
        if operation.method == "post":  # the others take nothing that could be wrong
            examine(operation.as_strategy(schemathesis.GenerationMode.NEGATIVE), bounded, seen)
    assert statuses["POST /v1/colorize"][200] >= 10 and statuses["POST /v1/colorize"][422] >= 10
    assert statuses["POST /v1/jobs"][202] >= 10


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


# Batches


def test_waiting_requests_go_through_the_network_together(slow, photographs):
    gray = photographs["chelsea"][..., 1]
    batcher, sizes = Batcher(slow), list[int]()
    batcher.observe = sizes.append
    with ThreadPoolExecutor(6) as pool:
        answers = [pool.submit(batcher.predict_one, gray)]
        wait_until(lambda: sizes, "the first is in work")
        answers += [pool.submit(batcher.predict_one, np.roll(gray, 10 * n, axis=1)) for n in range(1, 6)]
        wait_until(lambda: batcher._waiting.qsize() >= 5, "five are waiting")
        slow.backend.open.set()
        colorings = [answer.result() for answer in answers]
    batcher.close()
    assert sizes == [1, 5]
    for n, coloring in enumerate(colorings):
        alone = slow.predict([np.roll(gray, 10 * n, axis=1)])[0]
        assert np.allclose(coloring.chroma, alone.chroma, atol=1e-4)


def test_large_pictures_go_through_the_network_one_by_one(slow, photographs):
    """Eight of 1024 pixels would take sixteen times the memory of eight of 256."""
    gray = photographs["chelsea"][..., 1]
    batcher, sizes = Batcher(slow), list[int]()
    batcher.observe = sizes.append
    large = batcher.with_colorizer(photochrom.Colorizer(slow.backend, working_size=1024))
    with ThreadPoolExecutor(5) as pool:
        answers = [pool.submit(batcher.predict_one, gray)]
        wait_until(lambda: sizes, "the first is in work")
        answers += [pool.submit(predictor.predict_one, gray) for predictor in (large, large, batcher, batcher)]
        wait_until(lambda: batcher._waiting.qsize() >= 4, "four are waiting")
        slow.backend.open.set()
        shapes = [answer.result().luminance.shape for answer in answers]
    batcher.close()
    assert sorted(sizes) == [1, 1, 1, 2] and [min(shape) for shape in shapes] == [256, 1024, 1024, 256, 256]


def test_another_number_of_threads_changes_single_values_by_one_step_at_most(cat, colorizer):
    """As docs/serving.md says, also for a picture that went through the network with others."""
    pixels = decode_photograph(cat).pixels[:120, :160] * np.uint16(257)
    one, three = (photochrom.Colorizer(threads=threads).colorize(pixels).astype(int) for threads in (1, 3))
    together = colorizer.colorize_batch([pixels, pixels[::-1], pixels[:, ::-1]])[0].astype(int)
    for other in (three, together):
        assert np.abs(one - other).max() <= 1 and (one != other).mean() < 0.01


def test_one_bad_question_spoils_no_other(slow, photographs):
    batcher = Batcher(slow)
    gray, outside = photographs["chelsea"][..., 1], (photochrom.Hint(1e6, 1e6, "#000000"),)
    with ThreadPoolExecutor(3) as pool:
        answers = [pool.submit(batcher.predict_one, gray, None, hints) for hints in ((), outside, ())]
        wait_until(lambda: all(answer.running() or answer.done() for answer in answers), "all three are asked")
        slow.backend.open.set()
        with pytest.raises(InputError, match="outside"):
            answers[1].result()
        assert answers[0].result().chroma.shape == answers[2].result().chroma.shape
    batcher.close()


@pytest.mark.parametrize("foreign", ["a/b=1", "{}=x", 'q="', "=", "photochrom-tokens=secret"])
def test_other_programs_cookies_do_not_matter(colorizer, cat, foreign):
    """All ports of a host share their cookies, whatever form they have."""
    with make_client(colorizer, token="secret") as client:
        cookies = {"Cookie": f"{foreign}; photochrom-token=secret; {foreign}"}
        assert client.get("/metrics", headers=cookies).status_code == 200
        assert client.get("/metrics", headers={"Cookie": foreign}).status_code == 401


def test_figures_name_the_route_that_was_asked(loud, cat):
    with make_client(loud) as client:
        send(client, cat)
        client.get("/v1/jobs/none")
        client.get("/v1/nonsense")
        counted = re.findall(
            r'photochrom_requests_total\{route="(.*?)",status="(\d+)"\} (\S+)', client.get("/metrics").text
        )
    assert sorted(counted) == [
        ("/v1/colorize", "200", "1.0"),
        ("/v1/jobs/{id}", "404", "1.0"),
        ("unknown", "404", "1.0"),
    ]


@pytest.mark.parametrize("headers", [{"origin": "http://[::1"}, {"origin": "http://[bad"}, {"host": "[::1"}])
def test_malformed_hosts_and_origins_are_refused(loud, headers):
    with make_client(loud, hosts=frozenset({"testserver"})) as client:
        assert client.get("/v1/jobs/x", headers=headers).status_code == 403
