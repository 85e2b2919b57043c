"""The server as a process of its own: it stops politely, and clients who are slow, leave or never end do it no harm."""

import itertools
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("fastapi")

import httpx
from asking import assert_problem
from waiting import wait_until

from photochrom.photo.photograph import Photograph

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("server")]


@pytest.fixture
def server(tmp_path):
    yield from start_server(tmp_path)


@pytest.fixture(scope="module")
def temporary(tmp_path_factory) -> Path:
    """The strict server's folder for temporary files."""
    return tmp_path_factory.mktemp("temporary")


@pytest.fixture(scope="module")
def strict_server(temporary):
    """A server that no test stops or kills; they share it."""
    yield from start_server(temporary, "--timeout", "8", "--max-body", "10")


def start_server(temporary, *options) -> Iterator[tuple[subprocess.Popen[str], str]]:
    command = [sys.executable, "-m", "photochrom", "serve", "--port", "0", "--working-size", "64", *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | {"TMPDIR": str(temporary)})
    assert process.stdout is not None
    yield process, process.stdout.readline().split()[-1]
    process.kill()
    process.wait()


def test_stopping_finishes_what_is_held_and_cleans_up(server, tmp_path, photographs):
    process, address = server
    large = Photograph(np.kron(photographs["astronaut"][..., 1], np.ones((6, 6), np.uint8))).encode("jpeg")
    with ThreadPoolExecutor(3) as pool:
        answers = [pool.submit(httpx.post, f"{address}v1/colorize", files={"file": large}, timeout=60) for _ in "123"]
        wait_until(lambda: held(address) == 3, "three requests are held")
        process.send_signal(signal.SIGTERM)
        wait_until(lambda: httpx.get(f"{address}readyz").status_code == 503, "it knows that it is to stop")
        assert httpx.post(f"{address}v1/colorize", files={"file": large}).status_code == 503
        assert [answer.result().status_code for answer in answers] == [200, 200, 200]
    assert process.wait(60) == 0
    assert not list(tmp_path.iterdir())


def held(address) -> float:
    (line,) = (x for x in httpx.get(f"{address}metrics").text.splitlines() if x.startswith("photochrom_held "))
    return float(line.split()[1])


def wait_until_none_is_held(address):
    wait_until(lambda: not held(address), "no request is held")


def connect(address) -> socket.socket:
    host, port = address.removeprefix("http://").rstrip("/").split(":")
    connection = socket.create_connection((host, int(port)), timeout=20)
    head = f"POST /v1/colorize HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Length: 1000000\r\n"
    body = '--x\r\nContent-Disposition: form-data; name="file"; filename="a.jpg"\r\n\r\n'
    connection.sendall(f"{head}Content-Type: multipart/form-data; boundary=x\r\n\r\n{body}".encode())
    return connection


def test_slow_clients_are_given_up_and_others_served_meanwhile(strict_server, cat):
    _, address = strict_server
    slow = [connect(address) for _ in range(5)]
    answers = []
    wait_until(lambda: held(address) >= 5, "five slow requests are held")
    for _ in range(3):
        for connection in slow:
            connection.sendall(b"-")
        answers.append(httpx.post(f"{address}v1/colorize", files={"file": cat}, timeout=20).status_code)
        time.sleep(0.2)  # a slow client's pace
    assert answers == [200, 200, 200]
    for connection in slow:
        assert b" 503 " in connection.recv(100)
        connection.close()
    wait_until_none_is_held(address)


def test_clients_that_leave_free_their_places(strict_server, cat, temporary):
    _, address = strict_server
    before = files_below(temporary)

    def leave(_):
        with pytest.raises(httpx.TimeoutException):
            httpx.post(f"{address}v1/colorize", files={"file": cat}, timeout=0.02)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(leave, range(24)))
    for _ in range(4):
        connect(address).close()  # in the middle of the body
    wait_until_none_is_held(address)
    assert httpx.post(f"{address}v1/colorize", files={"file": cat}, timeout=20).status_code == 200
    wait_until(lambda: files_below(temporary) <= before, "nothing of theirs stays on the disk")


def files_below(folder) -> set[str]:
    """What is in it, folders too; unlike rglob this takes it well when something goes while it looks."""
    return {os.path.join(parent, name) for parent, folders, files in os.walk(folder) for name in (*folders, *files)}


def test_a_huge_body_of_undeclared_length_takes_no_memory(strict_server):
    process, address = strict_server
    before = memory_of(process)
    head = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.jpg"\r\n\r\n'
    pieces = itertools.chain([head], itertools.repeat(bytes(1_000_000), 300))
    headers = {"content-type": "multipart/form-data; boundary=x"}
    with suppress(httpx.WriteError):  # the server may close the connection before it has heard all
        response = httpx.post(f"{address}v1/colorize", content=pieces, headers=headers, timeout=30)
        assert_problem(response, 413, "10 MB")
    assert memory_of(process) < before + 50e6
    assert httpx.get(f"{address}healthz").text == "ok"


def memory_of(process) -> float:
    status = Path(f"/proc/{process.pid}/status")
    if not status.exists():
        pytest.skip("no /proc")
    (line,) = re.findall(r"VmHWM:\s+(\d+)", status.read_text())
    return 1024 * int(line)


@pytest.mark.nightly
def test_a_thousand_requests_leave_no_trace(server, tmp_path, cat):
    """A soak: good and bad requests, from eight clients, take no more memory than the first hundred, nor files."""
    process, address = server
    kinds = [cat, cat[:3000], b"no photograph"]

    def ask(number: int) -> int:
        return httpx.post(f"{address}v1/colorize", files={"file": kinds[number % 3]}, timeout=120).status_code

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(ask, range(102))) == {200, 400}
        memory, files = memory_of(process), files_below(tmp_path)
        answers = list(pool.map(ask, range(999)))
    assert [answers.count(status) for status in (200, 400)] == [333, 666]
    wait_until_none_is_held(address)
    assert memory_of(process) < memory + 50e6
    wait_until(lambda: files_below(tmp_path) <= files, "no files are left")
