"""What becomes of films of all kinds of containers, codecs and oddities: small ones are colored and judged by ffprobe.

Usage: python benchmarks/film_containers.py [--match REGEX]      (needs ffmpeg; writes benchmarks/FILM-CONTAINERS.md)

A verdict is "right" (every track, time and fact that ffprobe shows is as it was), "left out and said" (so is everything
but what the command named), "refused before the start" (no frame was colored), or the faults. A fake model colors: it
is quick, and the model isn't the point.
"""

from __future__ import annotations

import argparse
import json
import math
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import film_sources as sources
import numpy as np
from film_cases import CASES, Case

from photochrom.errors import PhotochromError
from photochrom.inference.colorizer import Colorizer
from photochrom.inference.model import ModelInfo
from photochrom.video.colorize import FilmOptions, colorize_film
from photochrom.video.encoding import Encoding
from photochrom.video.film import read_film

RESULTS = Path(__file__).parent / "FILM-CONTAINERS.md"
RIGHT, LEFT_OUT, REFUSED = "right", "left out and said", "refused before the start"
FLAGS = ("default", "forced", "comment", "hearing_impaired")
TICK = 0.0021  # seconds: two of Matroska's, which are the longest
ONE_SAMPLE = 0.0015
REMADE_LEAD = 0.09  # seconds: what AAC needs before its first sample, and what WMA does not give at its start
RATE_ERROR = 0.005  # players round Matroska's milliseconds
ORDERS = ("tt", "bb", "tb", "bt")
TIME = "best_effort_timestamp_time"


class Painter:
    """A fake model with colors so faint that luma hardly changes. It counts what it is asked."""

    info = ModelInfo("fake", 32, 4, {})

    def __init__(self) -> None:
        self.asked = 0

    def predict(self, luminance: np.ndarray, hints: np.ndarray, noise: np.ndarray) -> np.ndarray:  # noqa: ARG002
        """Warm where it is light, cold where it is dark."""
        self.asked += len(luminance)
        warm = np.where(luminance[:, :, ::4, ::4] > 50, 6, -6)
        return np.concatenate([warm, warm / 2], axis=1).astype(np.float32)


def judge(case: Case, folder: Path) -> list[str]:
    """Color a case's film, and return its verdict and what the command said, or its faults. The folder was prepared."""
    source, painter = sources.make(case.source, folder), Painter()
    target = folder / f"new-{case.source}-{case.codec}{'-whole' if case.deinterlace else ''}{case.target}"
    said: tuple[str, ...] = ()
    remade: tuple[str, ...] = ()
    try:
        film = read_film(source, case.deinterlace)
        options = FilmOptions(Encoding(case.codec, 8 if case.codec in ("h264", "h265") else None), steady=False)
        for progress in colorize_film(film, target, Colorizer(painter), options):
            said, remade = progress.left_out, progress.remade
    except PhotochromError as error:
        faults = [] if case.refused and case.refused in str(error) else [f"refused: {error}"]
        faults += [f"refused after {painter.asked} frames"] if painter.asked else []
        behind = [*folder.glob(f".{target.name}*"), *folder.glob(target.name)]
        faults += ["left something behind"] if behind else []
        return faults or [REFUSED, str(error).replace(f"{folder}/", "")]
    faults = ["not refused"] if case.refused else []
    faults += [f"{word} isn't said to be left out" for word in case.left_out if not any(word in each for each in said)]
    faults += [f"left out: {each}" for each in said if not any(word in each for word in case.left_out)]
    faults += [f"{word} isn't said" for word in case.remade if not any(word in each for each in remade)]
    faults += [f"made anew: {each}" for each in remade if not any(word in each for word in case.remade)]
    left_out, anew = ({int(n) for each in names for n in re.findall(r"track (\d+)", each)} for names in (said, remade))
    faults += compare(source, target, left_out, case.deinterlace, anew)
    return faults or [LEFT_OUT if said else RIGHT, ", ".join([*said, *remade])]


@dataclass(frozen=True)
class Track:
    """A track by ffprobe: its facts, and the (time, duration, size) of its packets."""

    facts: dict[str, Any]
    packets: list[tuple[float, float, int]]


@dataclass(frozen=True)
class Probe:
    """A film by ffprobe. picture: its track of pictures. times: of its frames, in seconds. tracks: the others.

    lead: what was taken off the times, because they are those of decoding, which may be later than the true ones.
    """

    picture: Track
    times: list[float]
    fields: list[str]
    tracks: list[Track]
    chapters: list[tuple[float, float]]
    titles: list[str]
    lead: float = 0.0


def probe(path: Path) -> Probe:
    """What ffprobe says of a film."""
    found = _ffprobe(path, "-show_streams -show_packets -show_chapters")
    packets: dict[int, list[tuple[float, float, int]]] = {}
    for each in found["packets"]:
        at = each.get("pts_time", each.get("dts_time", "nan"))
        row = float(at), float(each.get("duration_time", 0)), int(each["size"])
        packets.setdefault(each["stream_index"], []).append(row)
    if path.name.startswith("twice"):
        for number, rows in packets.items():
            times = _continued([row[:2] for row in rows])
            packets[number] = [(time, *row[1:]) for time, row in zip(times, rows, strict=True)]
    tracks = [Track(facts, sorted(packets.get(facts["index"], []))) for facts in found["streams"]]
    pictures = [track for track in tracks if track.facts["codec_type"] == "video"]
    picture = next(track for track in pictures if not track.facts["disposition"]["attached_pic"])
    entries = f"-show_entries frame={TIME},interlaced_frame,top_field_first -select_streams {picture.facts['index']}"
    frames = [each for each in _ffprobe(path, entries)["frames"] if "interlaced_frame" in each]
    fields = ["" if not each["interlaced_frame"] else "t" if each["top_field_first"] else "b" for each in frames]
    times = [float(each.get(TIME, "nan")) for each in frames]
    times = _continued([(time, 0.04) for time in times]) if path.name.startswith("twice") else times
    lead = 0.0
    if path.suffix == ".avi":  # it has no times but of decoding, which are later by as many frames as are held back
        lead = next(known for known in times if not math.isnan(known))
        times = [time - lead for time in times]
    titles = [each.get("tags", {}).get("title", "") for each in found["chapters"]]
    spans = [(float(each["start_time"]), float(each["end_time"])) for each in found["chapters"]]
    others = [track for track in tracks if track is not picture]
    return Probe(picture, times, fields, others, spans, titles, lead)


def _continued(spans: list[tuple[float, float]]) -> list[float]:
    """Times, of (time, duration), that go on where a clock begins anew."""
    times: list[float] = []
    later = 0.0
    for number, (time, _) in enumerate(spans):
        if number and time + later < times[-1] - 1:
            later = times[-1] + spans[number - 1][1] - time
        times.append(time + later)
    return times


def _ffprobe(path: Path, arguments: str) -> Any:
    command = ["ffprobe", "-v", "quiet", "-of", "json", *arguments.split(), str(path)]
    return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)


def compare(source: Path, target: Path, left_out: set[int], whole: bool, remade: set[int]) -> list[str]:
    """What of a film isn't as it was, but for tracks that were left out. whole: whether it was deinterlaced.

    remade: numbers of tracks of sound that were made anew; their waves are tested elsewhere.
    """
    old, new = probe(source), probe(target)
    if len(old.times) != len(new.times):
        return [f"{len(new.times)} frames for {len(old.times)}"]
    shifts = [one - other for one, other in zip(old.times, new.times, strict=True) if not math.isnan(one)]
    away = max(shifts) - min(shifts)
    faults = [f"frames' times are off by {away:.4f} s"] if away > TICK else []
    faults += _compare_pictures(old, new, whole)
    if len(new.times) == len(old.times) and not whole:
        one, other = _light(source, old), _light(target, new)
        if one.shape != other.shape:
            faults.append(f"pictures of {other.shape} for {one.shape}")
        elif (away := float(np.abs(one.astype(int) - other).mean(axis=1).max())) > 5:
            faults.append(f"a picture is another: light is off by {away:.1f}")
    for kind in ("audio", "subtitle", "video", "attachment", "data"):
        mine, made = ([each for each in film.tracks if _is_of(each, kind)] for film in (old, new))
        mine = [track for track in mine if track.facts["index"] not in left_out]
        if len(mine) != len(made):
            faults.append(f"{len(made)} tracks of {kind} for {len(mine)}")
        for track, copy in zip(mine, made, strict=False):
            leeway = REMADE_LEAD if track.facts["index"] in remade else 0
            faults += _compare_tracks(track, copy, old, min(shifts), leeway)
    if old.titles != new.titles:
        faults.append(f"chapters {new.titles} for {old.titles}")
    elif old.chapters and np.abs(np.subtract(old.chapters, new.chapters)).max() > TICK:
        faults.append(f"chapters at {new.chapters} for {old.chapters}")
    return faults


def _compare_pictures(old: Probe, new: Probe, whole: bool) -> list[str]:
    faults = []
    if not 0 <= new.times[0] < 1:
        faults.append(f"begins at {new.times[0]} s")
    one, other = old.picture.facts, new.picture.facts
    before, after = (each.get("sample_aspect_ratio", "1:1").replace("N/A", "1:1") for each in (one, other))
    if before != after:
        faults.append(f"aspect ratio {after} for {before}")
    steps = np.diff([time for time in old.times if not math.isnan(time)])
    if np.ptp(steps) < TICK:
        rate = float(Fraction(other["avg_frame_rate"])) * float(np.mean(steps))
        faults += [f"{other['avg_frame_rate']} frames/s"] if abs(rate - 1) > RATE_ERROR else []
    fields = [""] * len(old.fields) if whole else old.fields
    if fields != new.fields:
        faults.append(f"fields {new.fields} for {fields}")
    before, after = (each.get("field_order", "unknown") for each in (one, other))
    if before not in ORDERS or whole:
        before = 2 * fields[0] if fields[0] else "progressive"
    if before != after and (fields[0] or after in ORDERS):
        faults.append(f"field order {after} for {before}")
    matrices = [
        [data.get("displaymatrix", "").split() for data in each.get("side_data_list", ()) if "displaymatrix" in data]
        for each in (one, other)
    ]
    if matrices[0] != matrices[1]:
        faults.append(f"matrix {matrices[1]} for {matrices[0]}")
    faults += [flag for flag in FLAGS if one["disposition"][flag] > other["disposition"][flag]]
    return faults


def _compare_tracks(track: Track, copy: Track, old: Probe, shift: float, leeway: float) -> list[str]:
    kind, faults = f"{track.facts['codec_type']} {track.facts['index']}", []
    one, other = track.packets, copy.packets
    if track.facts["codec_type"] == "subtitle":
        one, other = ([row for row in rows if row[2] > 2] for rows in (one, other))  # MP4 fills gaps with empty ones
    if track.facts["codec_type"] in ("audio", "subtitle"):
        length = [sum(row[1] for row in rows) or (rows[-1][0] - rows[0][0] if rows else 0) for rows in (one, other)]
        if len(one) != len(other) and abs(length[0] - length[1]) > ONE_SAMPLE + 2 * leeway:
            faults.append(f"{kind}: {len(other)} packets for {len(one)}")
        elif one:
            offset = [one[0][0] - shift, other[0][0]]
            if min(abs(offset[0] - lead - offset[1]) for lead in (0, old.lead)) > TICK + leeway:
                faults.append(f"{kind}: begins at {offset[1]:.4f} s for {offset[0]:.4f}")
            ends = [one[-1][0] + one[-1][1] - shift, other[-1][0] + other[-1][1]]
            if abs(ends[0] - ends[1]) > 0.03 + leeway:
                faults.append(f"{kind}: ends at {ends[1]:.4f} s for {ends[0]:.4f}")
    flags = [[flag for flag in FLAGS if each.facts["disposition"][flag]] for each in (track, copy)]
    alike = [each for each in old.tracks if _is_of(each, track.facts["codec_type"])]
    if not any(each.facts["disposition"]["default"] for each in alike):  # then MP4 takes the first of a kind for it
        flags = [[flag for flag in each if flag != "default"] for each in flags]
    if flags[0] != flags[1]:
        faults.append(f"{kind}: flags {flags[1]} for {flags[0]}")
    languages = [each.facts.get("tags", {}).get("language", "und") for each in (track, copy)]
    if languages[0] != languages[1]:
        faults.append(f"{kind}: language {languages[1]} for {languages[0]}")
    return faults


def _is_of(track: Track, kind: str) -> bool:
    """Whether a track is of a kind, and not MP4's list of chapters."""
    return bool(track.facts["codec_type"] == kind) and track.facts.get("codec_name") != "bin_data"


def _light(path: Path, film: Probe) -> np.ndarray:
    """Luma of every frame (frames, pixels), as ffmpeg decodes it."""
    arguments = f"-map 0:{film.picture.facts['index']} -vsync passthrough -f rawvideo -pix_fmt gray -"
    command = ["ffmpeg", "-v", "quiet", "-nostdin", "-noautorotate", "-i", str(path), *arguments.split()]
    raw = subprocess.run(command, check=True, capture_output=True).stdout
    return np.frombuffer(raw, np.uint8).reshape(len(film.times), -1)


def table(rows: list[tuple[Case, list[str]]]) -> str:
    """The page."""
    counts = {verdict: sum(found[0] == verdict for _, found in rows) for verdict in (RIGHT, LEFT_OUT, REFUSED)}
    wrong = len(rows) - sum(counts.values())
    lines = [
        "# Films of all kinds of containers",
        "",
        "Written by `benchmarks/film_containers.py`, which makes each film, colors it and compares every",
        "track's packets, times, flags and languages, all frames' times and light, chapters, aspect ratio, frame",
        "rate, field order and display matrix with the source's, by ffprobe and ffmpeg.",
        "",
        ", ".join([*(f"{count} {verdict}" for verdict, count in counts.items()), f"{wrong} wrong."]),
        "",
        "| film | from | to | codec | verdict | said |",
        "|---|---|---|---|---|---|",
    ]
    for case, (verdict, *rest) in rows:
        known = verdict in counts
        said = "; ".join(rest if known else [verdict, *rest])
        suffix = case.source[case.source.rindex(".") :]
        cells = case.what, suffix, case.target, case.codec, verdict if known else "wrong", said
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def main(arguments: list[str]) -> None:
    """Color all films and write the page; --match: only those, and print alone."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--match", default="", metavar="REGEX", help="only films whose names have this; no page")
    given = parser.parse_args(arguments)
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sources.prepare(folder)
        for case in CASES:
            if re.search(given.match, case.name):
                rows.append((case, judge(case, folder)))
                print(f"{case.name}: {'; '.join(rows[-1][1])}", flush=True)
    if not given.match:
        RESULTS.write_text(table(rows))


if __name__ == "__main__":
    main(sys.argv[1:])
