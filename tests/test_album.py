"""What happens to an album on the way: an odd file, a full disk, sidecars and dates, stops."""

import os
import signal
import stat
import subprocess
import sys
import tempfile

import numpy as np
import pytest
from small_albums import JPEG, colorize, files_in, photochrom, posix_only, put
from waiting import wait_until

from photochrom import Photograph
from photochrom.album import Manner, run, run_task
from photochrom.coloring import Request
from photochrom.disk import UNFINISHED
from photochrom.errors import InputError
from photochrom.planning import plan
from photochrom.stopping import SIGNALS, stoppable

# One odd file, full disks


def test_an_error_that_nobody_foresaw_is_one_photographs_failure(tmp_path, loud, monkeypatch):
    put(tmp_path / "album", "a.jpg", "b.jpg", "c.jpg")
    predict = loud.predict_one
    calls = iter(range(3))

    def odd(*arguments, **options):
        if next(calls) == 1:
            raise UnicodeDecodeError("ascii", b"\xe9", 0, 1, "ordinal not in range(128)")
        return predict(*arguments, **options)

    monkeypatch.setattr(loud, "predict_one", odd)
    outcomes = list(run(plan([tmp_path / "album"], tmp_path / "new").tasks, loud, Request()))
    assert [bool(outcome.error) for outcome in outcomes] == [False, True, False]
    assert isinstance(outcomes[1].error, InputError) and "b.jpg" in str(outcomes[1].error)
    assert files_in(tmp_path / "new") == {"a.jpg", "c.jpg"}


def test_a_full_disk_ends_the_run_instead_of_failing_file_by_file(tmp_path, loud, monkeypatch):
    put(tmp_path / "album", *(f"{number}.jpg" for number in range(9)))
    replace_file = os.replace
    calls = iter(range(9))

    def full(*arguments):
        if next(calls) >= 3:
            raise OSError(28, "No space left on device")
        replace_file(*arguments)

    monkeypatch.setattr(os, "replace", full)
    outcomes = list(run(plan([tmp_path / "album"], tmp_path / "new").tasks, loud, Request()))
    assert len(outcomes) == 4 and outcomes[-1].is_last and "no space left" in str(outcomes[-1].error)
    assert files_in(tmp_path / "new") == {"0.jpg", "1.jpg", "2.jpg"}


def test_a_full_folder_of_temporary_files_ends_the_run_too(tmp_path, loud, monkeypatch):
    """The second photograph was told to fail with "cannot write None", and so was each one after it."""
    put(tmp_path / "album", *(f"{number}.jpg" for number in range(4)))

    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(loud, "apply", full)
    outcomes = list(run(plan([tmp_path / "album"], tmp_path / "new").tasks, loud, Request()))
    assert len(outcomes) == 1 and outcomes[0].is_last
    assert str(outcomes[0].error) == f"cannot write {tempfile.gettempdir()}: no space left on device"


def test_disks_that_keep_no_permissions_and_no_dates(tmp_path, loud, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(1, "Operation not permitted")

    for name in ("chmod", "fchmod", "utime", "chown"):
        monkeypatch.setattr(os, name, refuse)
    put(tmp_path, "a.jpg")
    (task,) = plan([tmp_path / "a.jpg"]).tasks
    assert run_task(task, loud, Request(), Manner(keep_date=True)).error is None
    assert files_in(tmp_path) == {"a.jpg", "a-color.jpg"}


# Sidecars and dates


def test_sidecars_go_along_under_the_outputs_names(tmp_path):
    put(tmp_path / "album", "a.jpg", "b.png", "sub/c.jpg", content=JPEG)
    put(tmp_path / "album", "a.xmp", "a.jpg.xmp", "b.png.XMP", "sub/c.xmp", "lonely.xmp", content=b"<x:xmpmeta/>")
    out = tmp_path / "new"
    assert "5 .xmp" in colorize(tmp_path / "album", "-o", tmp_path / "none").output
    assert files_in(tmp_path / "none") == {"a.jpg", "b.png", "sub/c.jpg"}
    result = colorize(tmp_path / "album", "-o", out, "--sidecars", "--format", "webp")
    assert result.exit_code == 0 and "1 .xmp" in result.output
    assert files_in(out) == {
        "a.webp", "a.xmp", "a.webp.xmp", "b.webp", "b.webp.XMP", "sub/c.webp", "sub/c.xmp",
    }  # fmt: skip
    (out / "a.xmp").write_bytes(b"mine")
    (out / "sub" / "c.xmp").unlink()
    colorize(tmp_path / "album", "-o", out, "--sidecars", "--format", "webp")  # also of what is skipped
    assert (out / "a.xmp").read_bytes() == b"mine" and (out / "sub" / "c.xmp").read_bytes() == b"<x:xmpmeta/>"
    beside = colorize(tmp_path / "album" / "a.jpg", "--sidecars", "--variants", "2")
    assert beside.exit_code == 0
    assert {"a-color-1.xmp", "a-color-2.jpg.xmp"} <= {path.name for path in (tmp_path / "album").iterdir()}


def test_the_sources_date_can_be_kept(tmp_path):
    put(tmp_path, "a.jpg", "b.jpg")
    put(tmp_path, "a.xmp", content=b"x")
    for name, seconds in (("a.jpg", 10**9), ("a.xmp", 10**8)):
        os.utime(tmp_path / name, (seconds, seconds))
    assert colorize(tmp_path / "a.jpg", "-o", tmp_path / "kept", "--keep-date", "--sidecars").exit_code == 0
    assert (tmp_path / "kept" / "a.jpg").stat().st_mtime == 10**9
    assert (tmp_path / "kept" / "a.xmp").stat().st_mtime == 10**8
    assert colorize(tmp_path / "a.jpg", "-o", tmp_path / "new").exit_code == 0
    assert (tmp_path / "new" / "a.jpg").stat().st_mtime > 1.5 * 10**9


# Stops


@pytest.mark.slow
@posix_only
@pytest.mark.parametrize("number, again", [
    (signal.SIGTERM, False), (signal.SIGTERM, True), (signal.SIGINT, False), (signal.SIGINT, True),
])  # fmt: skip
def test_a_stopped_run_leaves_nothing_unfinished(tmp_path, photographs, number, again):
    large = np.tile(photographs["astronaut"][..., 1], (4, 4))
    for name in range(12):  # so many that it isn't done before the signal comes
        Photograph(large).save(tmp_path / "album" / f"{name}.png") if name else put(tmp_path / "album", "start.jpg")
    out = tmp_path / "new"
    command = [sys.executable, "-m", "photochrom", "colorize", tmp_path / "album", "-o", out, "--jobs", "2"]
    process = subprocess.Popen(list(map(str, command)), stderr=subprocess.PIPE, text=True)
    wait_until(lambda: out.exists() or process.poll() is not None, "the first output is written", 120)
    wait_until(
        lambda: any(path.name.startswith(UNFINISHED) for path in out.iterdir()) or process.poll() is not None,
        "another is being written", 120,
    )  # fmt: skip
    process.send_signal(number)
    if again and process.poll() is None:
        process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 128 + number and "Traceback" not in said and said in ("photochrom: stopped\n", "")
    assert not [path for path in out.iterdir() if path.name.startswith(".")]
    for path in out.iterdir():
        assert (
            stat.S_ISREG(path.stat().st_mode)
            and photochrom("colorize", path, "-o", tmp_path / "x", "--recolor").returncode == 0
        )


@posix_only
def test_an_ignored_signal_stays_ignored():
    code = (
        "import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
        "from photochrom.stopping import stoppable\n"
        "with stoppable(): signal.raise_signal(signal.SIGHUP)\n"
        "print('went on')"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "went on\n"


@posix_only
def test_signals_belong_to_others_again_afterwards():
    before = [signal.getsignal(number) for number in SIGNALS]
    with stoppable():
        assert all(signal.getsignal(number) not in before for number in SIGNALS[:2])
    assert [signal.getsignal(number) for number in SIGNALS] == before
