"""The HTTP API: what it gives, and that it keeps its own description."""

import io
import re
import zipfile
from collections import Counter

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from PIL import Image

pytest.importorskip("fastapi")

import schemathesis
from asking import HINTS, assert_problem, make_client, send, wait_for
from waiting import wait_until

import photochrom
from photochrom.photo.color import luminance_of
from photochrom.photo.photograph import Photograph
from photochrom.server.api import create_app
from photochrom.service.service import Service
from photochrom.settings import FORMATS, Limits


@pytest.fixture(scope="module")
def client(colorizer):
    with make_client(colorizer, pixels=1_000_000, body=3_000_000) as client:
        yield client


def read(response) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(response.content)))


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


def test_head_is_get_without_its_body(client, cat):
    address = send(client, cat, "/v1/jobs").headers["location"]
    wait_for(client, address)
    for path in ("/healthz", "/readyz", address, address + "/result"):
        head, get = client.head(path), client.get(path)
        assert head.status_code == get.status_code == 200 and head.content == b"" != get.content
        assert head.headers["content-length"] == get.headers["content-length"] == str(len(get.content))


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
