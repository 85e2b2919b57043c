"""The server as a process of its own: it stops politely, and clients who are slow, leave or never end do it no harm."""

import itertools
import os
import re
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("fastapi")

import httpx
from test_serving import assert_problem

from photochrom.photo.photograph import Photograph

pytestmark = pytest.mark.slow


@pytest.fixture
def server(tmp_path):
    yield from start_server(tmp_path)


@pytest.fixture
def strict_server(tmp_path):
    yield from start_server(tmp_path, "--timeout", "8", "--max-body", "10")


def start_server(temporary, *options):
    command = [sys.executable, "-m", "photochrom", "serve", "--port", "0", *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | {"TMPDIR": str(temporary)})
    yield process, process.stdout.readline().split()[-1]
    process.kill()
    process.wait()


def test_stopping_finishes_what_is_held_and_cleans_up(server, tmp_path, photographs):
    process, address = server
    large = Photograph(np.kron(photographs["astronaut"][..., 1], np.ones((9, 9), np.uint8))).encode("jpeg")
    with ThreadPoolExecutor(3) as pool:
        answers = [pool.submit(httpx.post, f"{address}v1/colorize", files={"file": large}, timeout=60) for _ in "123"]
        while "photochrom_held 3.0" not in httpx.get(f"{address}metrics").text:
            time.sleep(0.01)
        process.send_signal(signal.SIGTERM)
        while httpx.get(f"{address}readyz").status_code != 503:  # until it knows
            time.sleep(0.01)
        assert httpx.post(f"{address}v1/colorize", files={"file": large}).status_code == 503
        assert [answer.result().status_code for answer in answers] == [200, 200, 200]
    assert process.wait(20) == 0
    assert not list(tmp_path.iterdir())


def held(address) -> float:
    (line,) = (x for x in httpx.get(f"{address}metrics").text.splitlines() if x.startswith("photochrom_held "))
    return float(line.split()[1])


def wait_until_none_is_held(address):
    ends = time.monotonic() + 20
    while held(address):
        assert time.monotonic() < ends
        time.sleep(0.05)


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
    while held(address) < 5:
        time.sleep(0.01)
    for _ in range(3):
        for connection in slow:
            connection.sendall(b"-")
        answers.append(httpx.post(f"{address}v1/colorize", files={"file": cat}, timeout=20).status_code)
        time.sleep(0.2)
    assert answers == [200, 200, 200]
    for connection in slow:
        assert b" 503 " in connection.recv(100)
        connection.close()
    wait_until_none_is_held(address)


def test_clients_that_leave_free_their_places(strict_server, cat, tmp_path):
    _, address = strict_server
    before = files_below(tmp_path)

    def leave(_):
        with pytest.raises(httpx.TimeoutException):
            httpx.post(f"{address}v1/colorize", files={"file": cat}, timeout=0.02)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(leave, range(24)))
    for _ in range(4):
        connect(address).close()  # in the middle of the body
    wait_until_none_is_held(address)
    assert httpx.post(f"{address}v1/colorize", files={"file": cat}, timeout=20).status_code == 200
    ends = time.monotonic() + 10
    while left := files_below(tmp_path) - before:  # nothing of theirs stays on the disk
        assert time.monotonic() < ends, left
        time.sleep(0.1)


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
    return 1024 * int(re.search(r"VmHWM:\s+(\d+)", status.read_text())[1])
