"""Measure `photochrom serve` under load, and write benchmarks/SERVING.md.

Usage: python benchmarks/serving.py [--minutes 10]    (on a quiet machine; needs the dev extra)

Server and clients share the machine. Every client sends a one-megapixel JPEG, waits for its color version and sends
the next. Then 64 clients besiege a server that holds 8, and memory is watched for minutes under mixed load.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy as np
from skimage import data
from speed import machine

from photochrom.photo.files import Photograph, encode_photograph
from photochrom.photo.resize import resize

RESULTS = Path(__file__).with_name("SERVING.md")
CLIENTS = (1, 4, 16, 64)
SECONDS = 30  # at each number of clients
MB = 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10, help="of the watch over memory")
    options = parser.parse_args()
    photograph = one_megapixel()
    sections = [
        "# The server under load",
        "Written by `benchmarks/serving.py` in one run. Compare the ratios, not the seconds: machines differ.",
        f"Machine: {machine()}; the clients run on it too.",
        latencies(photograph),
        overload(photograph),
        memory(photograph, options.minutes),
    ]
    RESULTS.write_text("\n\n".join(sections) + "\n")
    print(RESULTS.read_text())


def latencies(photograph: bytes) -> str:
    lines = [
        f"## One-megapixel JPEGs, {SECONDS} s each",
        "",
        "| clients | photographs/s | p50, s | p95, s | p99, s | failed | photographs a prediction |",
        "|---|---|---|---|---|---|---|",
    ]
    for clients in CLIENTS:
        with server() as (address, _):
            load(address, photograph, 1, 3)  # warm
            before = batches(address)
            seconds, statuses, took = load(address, photograph, clients, SECONDS)
            after = batches(address)
        p50, p95, p99 = np.percentile(seconds, (50, 95, 99))
        failed = sum(statuses.values()) - statuses[200]
        together = (after[1] - before[1]) / (after[0] - before[0])
        rate = statuses[200] / took
        lines.append(f"| {clients} | {rate:.1f} | {p50:.2f} | {p95:.2f} | {p99:.2f} | {failed} | {together:.1f} |")
    return "\n".join(lines)


def overload(photograph: bytes) -> str:
    with server("--queue", "8") as (address, _):
        seconds, statuses, took = load(address, photograph, 64, SECONDS)
        alive = httpx.get(f"{address}healthz").text
    answers = ", ".join(f"{count} × {status}" for status, count in sorted(statuses.items()))
    return (
        f"## 64 clients at a server that holds 8 (`--queue 8`), {SECONDS} s\n\n"
        f"Answers: {answers}; {statuses[200] / took:.1f} photographs/s; p99 of all answers "
        f"{np.percentile(seconds, 99):.2f} s; afterwards /healthz says {alive}."
    )


def memory(photograph: bytes, minutes: float) -> str:
    """Resident memory of the server, minute by minute, under good and bad requests from 8 clients."""
    broken, rows = photograph[: len(photograph) // 2], []
    with server() as (address, process):
        load(address, photograph, 8, 10)
        stop = threading.Event()
        statuses: Counter[int] = Counter()
        threads = [
            threading.Thread(target=send, args=(address, broken if n == 0 else photograph, stop, [], statuses))
            for n in range(8)
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
    answers = ", ".join(f"{count} × {status}" for status, count in sorted(statuses.items()))
    heading = f"## Memory over {minutes:g} minutes, 8 clients, one of which sends broken files"
    return "\n".join([heading, "", f"Answers: {answers}.", "", "| minute | resident, MB |", "|---|---|", *rows])


@contextmanager
def server(*options: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    command = [sys.executable, "-m", "photochrom", "serve", "--port", "0", *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    yield process.stdout.readline().split()[-1], process
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0


def load(address: str, photograph: bytes, clients: int, seconds: float) -> tuple[list[float], Counter[int], float]:
    """Seconds of each answer, their statuses, and how long it all took."""
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
    """Predictions so far, and photographs in them."""
    figures = dict(line.rsplit(" ", 1) for line in httpx.get(f"{address}metrics").text.splitlines() if line[0] != "#")
    return float(figures["photochrom_batch_size_count"]), float(figures["photochrom_batch_size_sum"])


def resident(process: int) -> float:
    pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def one_megapixel() -> bytes:
    planes = np.moveaxis(data.astronaut().astype(np.float32), -1, 0)
    gray = np.rint(resize(planes, 1000, 1000).mean(axis=0)).astype(np.uint8)
    return encode_photograph(Photograph(gray), "jpeg")


if __name__ == "__main__":
    main()
