"""Measure `photochrom serve` under load, and write benchmarks/SERVING.md.

Usage: python benchmarks/serving.py [PART...] [--minutes 10] [--against PATH_OR_COMMIT]    (nothing else should run)

Server and clients share the machine. Every client sends a one-megapixel JPEG, waits for its color version and sends
the next one. Then 64 clients use a server that holds 8 requests. Last, memory is measured for some minutes while good
and bad clients use the server. Parts: latencies, comparison (with an earlier build, see speed.py), overload, soak.
Those that are left out stay as they are on the page.
"""

from __future__ import annotations

import argparse
import os
import signal
import socket
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy as np
from processes import THIS, Build, build_of
from skimage import data
from speed import AGAINST
from speed_parts import machine

from photochrom.photo.photograph import Photograph
from photochrom.photo.resize import resize

RESULTS = Path(__file__).with_name("SERVING.md")
LOADS = ((1, 2), (4, 2), (16, 2), (16, 8), (64, 2))  # clients, workers
SECONDS = 30  # at each number of clients
MB = 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)}; all if none is named")
    parser.add_argument("--minutes", type=float, default=10, help="time for which memory is measured")
    parser.add_argument("--against", default=AGAINST, help="wheel, folder or commit to compare with")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="time at each number of clients")
    options = parser.parse_args()
    if unknown := set(options.parts) - set(PARTS):
        parser.error(f"no part {', '.join(sorted(unknown))}: name some of {', '.join(PARTS)}")
    photograph = one_megapixel()
    head = [
        "# The server under load",
        "Written by `benchmarks/serving.py`. Compare the ratios, not the seconds: machines differ.",
        f"Machine: {machine()}; the clients run on it too.",
    ]
    before = RESULTS.read_text().split("\n## ")[1:] if RESULTS.exists() else []
    known = {part: "## " + text.strip() for text in before for part, (_, mark) in PARTS.items() if mark in text}
    for part in options.parts or PARTS:
        known[part] = PARTS[part][0](photograph, options)
    RESULTS.write_text("\n\n".join([*head, *(known[part] for part in PARTS if part in known)]) + "\n")
    print(RESULTS.read_text())


def latencies(photograph: bytes, options: argparse.Namespace) -> str:
    lines = [
        f"## One-megapixel JPEGs, {options.seconds:g} s each",
        "",
        "| clients | `--workers` | photographs/s | p50, s | p95, s | p99, s | failed | photographs a prediction |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for clients, workers in LOADS:
        with server("--workers", str(workers)) as (address, _):
            load(address, photograph, 1, 3)  # warm
            before = batches(address)
            seconds, statuses, took = load(address, photograph, clients, options.seconds)
            after = batches(address)
        p50, p95, p99 = np.percentile(seconds, (50, 95, 99))
        failed = sum(statuses.values()) - statuses[200]
        together = (after[1] - before[1]) / (after[0] - before[0])
        rate = statuses[200] / took
        figures = f"{rate:.1f} | {p50:.2f} | {p95:.2f} | {p99:.2f} | {failed} | {together:.1f}"
        lines.append(f"| {clients} | {workers} | {figures} |")
    return "\n".join(lines)


def comparison(photograph: bytes, options: argparse.Namespace) -> str:
    """An earlier build and this one with as many clients as requests are held, in turn."""
    found: dict[str, list[tuple[float, float, float]]] = {}
    with build_of(options.against) as before:
        for _ in range(3):
            for build in (before, THIS):
                with server(build=build) as (address, process):
                    load(address, photograph, 1, 3)  # warm
                    cpu = cpu_seconds(process.pid)
                    _, statuses, took = load(address, photograph, 64, options.seconds)
                    each = 1000 * (cpu_seconds(process.pid) - cpu) / statuses[200]
                    found.setdefault(build.name, []).append((statuses[200] / took, each, peak(process.pid) / MB))
    medians = {name: np.median(runs, axis=0) for name, runs in found.items()}
    first = medians[before.name]
    lines = [
        f"## 64 clients, beside {before.name}",
        "",
        f"The median of three runs of {options.seconds:g} s each, in turn.",
        "",
        "| | photographs/s | CPU a photograph, ms | peak memory, MB | × photographs/s | × CPU |",
        "|---|---|---|---|---|---|",
    ]
    for name, (rate, each, memory) in medians.items():
        ratios = f"{rate / first[0]:.2f} | {first[1] / each:.2f}"
        lines.append(f"| {name} | {rate:.2f} | {each:.0f} | {memory:.0f} | {ratios} |")
    return "\n".join(lines)


def overload(photograph: bytes, options: argparse.Namespace) -> str:
    with server("--queue", "8") as (address, _):
        seconds, statuses, took = load(address, photograph, 64, options.seconds)
        alive = httpx.get(f"{address}healthz").text
    answers = ", ".join(f"{count} × {status}" for status, count in sorted(statuses.items()))
    return (
        f"## 64 clients at a server that holds 8 (`--queue 8`), {options.seconds:g} s\n\n"
        f"Answers: {answers}; {statuses[200] / took:.1f} photographs/s; p99 of all answers "
        f"{np.percentile(seconds, 99):.2f} s; afterwards /healthz says {alive}."
    )


def soak(photograph: bytes, options: argparse.Namespace) -> str:
    """Resident memory of the server, minute by minute, with good clients and all kinds of bad ones."""
    minutes = options.minutes
    clients = {
        "four send photographs": [keep_sending(photograph, "photograph.jpg")] * 4,
        "one sends broken files": [keep_sending(photograph[: len(photograph) // 2], "photograph.jpg")],
        "one sends file names like `../../etc/passwd`": [keep_sending(photograph, "../../etc/passwd\\..\\x.jpg")],
        "one sends bodies over the limit, half of them without saying so": [send_too_much],
        "one leaves before the answer": [make_leaver(photograph)],
        "one sends a byte a second": [drip],
    }
    rows: list[str] = []
    answers = {name: Counter[int | str]() for name in clients}
    with server("--max-body", "10", "--timeout", "20") as (address, process):
        load(address, photograph, 8, 10)
        stop = threading.Event()
        threads = [
            threading.Thread(target=behave, args=(address, stop, answers[name]))
            for name, behaviors in clients.items()
            for behave in behaviors
        ]
        for thread in threads:
            thread.start()
        for minute in range(round(minutes) + 1):
            rows.append(f"| {minute} | {resident(process.pid) / MB:.0f} |")
            if minute < round(minutes):
                time.sleep(60)
        stop.set()
        for thread in threads:
            thread.join()
        time.sleep(2)  # photographs of clients that left are still being colored
        held = [
            line for line in httpx.get(f"{address}metrics").text.splitlines() if line.startswith("photochrom_held ")
        ]
        alive = httpx.get(f"{address}healthz").text
    lines = [f"## {minutes:g} minutes of good and bad clients", "", "| clients | answers |", "|---|---|"]
    for name, counter in answers.items():
        lines.append(
            f"| {name} | {', '.join(f'{count} × {answer}' for answer, count in sorted(counter.items(), key=str))} |"
        )
    end = f"Afterwards /healthz says {alive}, and the server holds {float(held[0].split()[1]):.0f} requests."
    return "\n".join([*lines, "", end, "", "| minute | resident, MB |", "|---|---|", *rows])


FORM_HEAD = b'--x\r\nContent-Disposition: form-data; name="file"; filename="big.jpg"\r\n\r\n'
Behavior = Callable[[str, threading.Event, "Counter[int | str]"], None]


def keep_sending(photograph: bytes, name: str) -> Behavior:
    def behave(address: str, stop: threading.Event, answers: Counter[int | str]) -> None:
        with httpx.Client(timeout=60) as client:
            while not stop.is_set():
                answers[client.post(f"{address}v1/colorize", files={"file": (name, photograph)}).status_code] += 1

    return behave


def send_too_much(address: str, stop: threading.Event, answers: Counter[int | str]) -> None:
    """Send bodies of 11 MB, in turn with and without a declared length."""
    headers = {"content-type": "multipart/form-data; boundary=x"}
    declared = True
    while not stop.is_set():
        body = FORM_HEAD + bytes(11_000_000)
        pieces = (body[at : at + 100_000] for at in range(0, len(body), 100_000))
        try:
            response = httpx.post(f"{address}v1/colorize", content=body if declared else pieces, headers=headers)
            answers[response.status_code] += 1
        except httpx.HTTPError:
            answers["connection closed"] += 1  # the refusal came before the body was sent
        declared = not declared
        time.sleep(0.2)


def make_leaver(photograph: bytes) -> Behavior:
    def behave(address: str, stop: threading.Event, answers: Counter[int | str]) -> None:
        while not stop.is_set():
            try:
                httpx.post(f"{address}v1/colorize", files={"file": ("a.jpg", photograph)}, timeout=0.2)
            except httpx.TimeoutException:
                answers["left"] += 1

    return behave


def drip(address: str, stop: threading.Event, answers: Counter[int | str]) -> None:
    """Send a body of a megabyte, one byte per second, until the server refuses it."""
    host, port = address.removeprefix("http://").rstrip("/").split(":")
    while not stop.is_set():
        with socket.create_connection((host, int(port))) as connection:
            connection.sendall(f"POST /v1/colorize HTTP/1.1\r\nHost: {host}:{port}\r\n".encode())
            connection.sendall(b"Content-Type: multipart/form-data; boundary=x\r\nContent-Length: 1000000\r\n\r\n")
            connection.sendall(FORM_HEAD)
            connection.settimeout(1)
            while not stop.is_set():
                try:
                    answer = connection.recv(1000)
                    answers[int(answer.split()[1]) if answer else "connection closed"] += 1
                    break
                except TimeoutError:
                    connection.sendall(b"-")


@contextmanager
def server(*options: str, build: Build = THIS) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    command, environment = build.command("serve", "--port", "0", *options)
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    yield process.stdout.readline().split()[-1], process
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0


def load(address: str, photograph: bytes, clients: int, seconds: float) -> tuple[list[float], Counter[int], float]:
    """Seconds and status of each answer, and the time of the whole run."""
    stop = threading.Event()
    times: list[float] = []
    statuses: Counter[int] = Counter()
    threads = [threading.Thread(target=send, args=(address, photograph, stop, times, statuses)) for _ in range(clients)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    time.sleep(seconds)
    stop.set()
    for thread in threads:
        thread.join()
    return times, statuses, time.perf_counter() - began


def send(address: str, photograph: bytes, stop: threading.Event, times: list[float], statuses: Counter[int]) -> None:
    with httpx.Client(timeout=180) as client:
        while not stop.is_set():
            began = time.perf_counter()
            response = client.post(f"{address}v1/colorize", files={"file": ("photograph.jpg", photograph)})
            times.append(time.perf_counter() - began)
            statuses[response.status_code] += 1
            if response.status_code == 429:
                time.sleep(0.5)


def batches(address: str) -> tuple[float, float]:
    """Number of predictions so far, and of photographs in them."""
    figures = dict(line.rsplit(" ", 1) for line in httpx.get(f"{address}metrics").text.splitlines() if line[0] != "#")
    return float(figures["photochrom_batch_size_count"]), float(figures["photochrom_batch_size_sum"])


def resident(process: int) -> float:
    pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def peak(process: int) -> float:
    """The largest resident memory that a process has had, in bytes."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return 1024 * next(float(line.split()[1]) for line in lines if line.startswith("VmHWM"))


def cpu_seconds(process: int) -> float:
    """The time of all threads of a process, in seconds."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def one_megapixel() -> bytes:
    planes = np.moveaxis(data.astronaut().astype(np.float32), -1, 0)
    gray = np.rint(resize(planes, 1000, 1000).mean(axis=0)).astype(np.uint8)
    return Photograph(gray).encode("jpeg")


# Each with words of its heading, by which it is found on the page.
PARTS = {
    "latencies": (latencies, "One-megapixel JPEGs"),
    "comparison": (comparison, "64 clients, beside"),
    "overload": (overload, "at a server that holds 8"),
    "soak": (soak, "minutes of good and bad clients"),
}

if __name__ == "__main__":
    main()
