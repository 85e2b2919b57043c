"""Films of all kinds of containers, codecs and oddities: right, left out and said, or refused at once."""

import shutil
import sys
from pathlib import Path

import pytest

pytest.importorskip("av")
pytest.importorskip("scenedetect")
if not (shutil.which("ffmpeg") and shutil.which("ffprobe")):
    pytest.skip("needs ffmpeg and ffprobe", allow_module_level=True)
sys.path.append(str(Path(__file__).parents[1] / "benchmarks"))

import film_sources as sources
from film_cases import CASES
from film_containers import LEFT_OUT, REFUSED, RIGHT, judge, table

pytestmark = pytest.mark.slow
PAGE = Path(__file__).parents[1] / "benchmarks" / "FILM-CONTAINERS.md"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """What films are made from."""
    folder = tmp_path_factory.mktemp("films")
    sources.prepare(folder)
    return folder


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_film_is_right_or_said_before_the_start(case, folder):
    verdict, *said = judge(case, folder)
    assert verdict == (REFUSED if case.refused else LEFT_OUT if case.left_out else RIGHT), said


def test_faults_are_found(folder, monkeypatch):
    """The judge isn't kind: a track, a frame, a flag and a chapter less are faults."""
    import film_containers

    def spoiled(path):
        found = real(path)
        if path.name.startswith("new-"):
            found.tracks.pop()
            found.titles.pop()
            found.times[3] += 0.02
        return found

    real = film_containers.probe
    monkeypatch.setattr(film_containers, "probe", spoiled)
    case = next(case for case in CASES if case.what == "chapters" and case.target == ".mkv")
    faults = "; ".join(judge(case, folder))
    assert "tracks of audio" in faults and "chapters" in faults and "times are off by 0.0200" in faults


def test_the_page_has_every_film():
    rows = [line for line in PAGE.read_text().splitlines() if line.startswith("| ")][1:]
    wanted = [line for line in table([(case, [RIGHT]) for case in CASES]).splitlines() if line.startswith("| ")][1:]
    assert [row.split(" | ")[:4] for row in rows] == [row.split(" | ")[:4] for row in wanted]
