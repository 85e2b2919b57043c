"""The plug-in for GIMP 3: what it has the command do, and all of it in GIMP itself where there is one."""

import importlib.util
import json
import os
import shlex
import shutil
import stat
import subprocess
import sys
import types
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from PIL import Image

import photochrom
from photochrom import cli
from photochrom.photo.color import rgb_to_lab

PLUGIN = Path(__file__).parents[1] / "integrations" / "gimp" / "photochrom-color" / "photochrom-color.py"
SOURCE = str(Path(photochrom.__file__).parents[1])

pytestmark = pytest.mark.skipif(not PLUGIN.exists(), reason="not in a source distribution")


@pytest.fixture
def plugin(monkeypatch):
    """The plug-in, with nothing behind the names of GIMP's API."""
    repository = types.ModuleType("gi.repository")
    for name in ("Gimp", "GimpUi", "Gio", "GObject"):
        setattr(repository, name, mock.MagicMock(name=name))
    repository.Gimp.PlugIn = object
    repository.GLib = types.SimpleNamespace(Error=type("Error", (Exception,), {}), MAXINT32=2**31 - 1)
    gi = types.ModuleType("gi")
    gi.require_version = lambda name, version: None
    gi.repository = repository
    monkeypatch.setitem(sys.modules, "gi", gi)
    monkeypatch.setitem(sys.modules, "gi.repository", repository)
    specification = importlib.util.spec_from_file_location("plugin", PLUGIN)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def program(folder: Path, script: str) -> str:
    """A program that does what a shell script says."""
    path = folder / "a program"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


def photochrom_command(folder: Path) -> str:
    """The command, whatever is installed."""
    return program(folder, f'PYTHONPATH={shlex.quote(SOURCE)} exec {shlex.quote(sys.executable)} -m photochrom "$@"')


def test_gimp_finds_it():
    """GIMP 3 starts an executable file in a folder of the same name."""
    assert PLUGIN.parent.name == PLUGIN.stem and PLUGIN.read_text().startswith("#!/usr/bin/env python3\n")
    assert PLUGIN.stat().st_mode & stat.S_IXUSR


def test_options_are_the_commands(plugin):
    for seed, more in ((0, {"seed": None}), (7, {"seed": 7})):
        given = ["old.tif", "--out", "new.tif", *plugin.options_for(1.25, -0.5, seed)]
        context = cli.main.commands["colorize"].make_context("colorize", given)
        wanted = {"strength": 1.25, "warmth": -0.5, "recolor": True, **more}
        assert {name: context.params[name] for name in wanted} == wanted


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="shell scripts")
def test_the_command_colors_a_file(plugin, tmp_path, photographs):
    before, after = tmp_path / "gray.tif", tmp_path / "color.tif"
    Image.fromarray(photographs["coffee"][::4, ::4, 1]).save(before)
    pulses = []
    command = photochrom_command(tmp_path)
    plugin.color(command, str(before), str(after), plugin.options_for(1, 0, 3), lambda: pulses.append(1))
    made = np.asarray(Image.open(after))
    assert np.array_equal(made, photochrom.colorize(np.asarray(Image.open(before)), seed=3)) and pulses


@pytest.mark.skipif(sys.platform == "win32", reason="shell scripts")
@pytest.mark.parametrize(
    "script, told",
    [
        ("echo one; echo 'photochrom: '$2' is empty' >&2; exit 2", "the picture is empty ("),
        ("exit 3", "it ended with status 3 ("),
        ("exit 0", "wrote nothing: is it photochrom's command?"),
    ],
)
def test_a_failed_command_is_one_line(plugin, tmp_path, script, told):
    with pytest.raises(plugin.Failure) as failure:
        plugin.color(
            program(tmp_path, script), str(tmp_path / "gray.tif"), str(tmp_path / "color.tif"), [], mock.Mock()
        )
    assert told in str(failure.value) and "\n" not in str(failure.value) and "gray.tif" not in str(failure.value)


def test_a_missing_command_is_one_line(plugin, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    for wanted in ("", "photochrom", str(tmp_path / "nowhere"), str(tmp_path)):
        with pytest.raises(plugin.Failure, match=r"There is no command .* whole path of its command") as failure:
            plugin.find(wanted)
        assert "\n" not in str(failure.value)
    (tmp_path / ".local" / "bin").mkdir(parents=True)
    found = tmp_path / ".local" / "bin" / "photochrom"
    found.write_text("#!/bin/sh\n")
    found.chmod(0o755)
    for wanted in ("", " photochrom ", "~/.local/bin/photochrom"):
        assert plugin.find(wanted) == str(found)


@pytest.mark.skipif(sys.platform == "win32", reason="shell scripts")
def test_gimps_own_python_is_not_the_commands(plugin, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONHOME", "/gimp")
    monkeypatch.setenv("LD_LIBRARY_PATH", "/gimp/lib")
    monkeypatch.setenv("KEPT", "yes")
    script = f'echo "$PYTHONHOME,$LD_LIBRARY_PATH,$KEPT" > {shlex.quote(str(tmp_path / "after"))}'
    plugin.color(program(tmp_path, script), "before", str(tmp_path / "after"), [], mock.Mock())
    assert (tmp_path / "after").read_text() == ",,yes\n"


@pytest.mark.parametrize("fails", [None, "command", "layer"])
def test_nothing_changes_before_the_colors_are_there(plugin, tmp_path, monkeypatch, fails):
    """And all that changes is one step to undo."""
    image = mock.MagicMock()
    image.get_layers.return_value = [mock.Mock()]
    monkeypatch.setattr(plugin, "find", lambda command: command)
    monkeypatch.setattr(plugin, "write_visible", lambda *_: None)
    monkeypatch.setattr(plugin, "color", mock.Mock(side_effect=plugin.Failure("no") if fails == "command" else None))
    if fails == "layer":
        plugin.Gimp.file_load_layer.side_effect = plugin.GLib.Error("no")
    config = mock.Mock()
    config.get_property = {"strength": 1.0, "warmth": 0.0, "seed": 0, "command": "x"}.get
    procedure = mock.Mock()
    plugin.run(procedure, plugin.Gimp.RunMode.NONINTERACTIVE, image, [], config, None)
    (status, told), _ = procedure.new_return_values.call_args
    called = [name for name, *_ in image.method_calls]
    changing = called[called.index("undo_group_start") :] if "undo_group_start" in called else []
    statuses = plugin.Gimp.PDBStatusType
    assert status is (statuses.EXECUTION_ERROR if fails else statuses.SUCCESS)
    assert (str(told) == "no") if fails else told is None
    assert not {"convert_rgb", "insert_layer"} & set(called[: len(called) - len(changing)])
    if fails == "command":
        assert not changing
    else:
        assert changing[0] == "undo_group_start" and changing[-1] == "undo_group_end"
        assert ("insert_layer" in changing) == (fails is None)


def console() -> list[str] | None:
    """The command of GIMP 3 without windows: of the variable GIMP_CONSOLE, or an installed one."""
    named = os.environ.get("GIMP_CONSOLE")
    return shlex.split(named) if named else [found] if (found := shutil.which("gimp-console-3.0")) else None


IN_GIMP = """
import json
from gi.repository import Gimp, Gio

folder, command = {folder!r}, {command!r}
quiet = Gimp.RunMode.NONINTERACTIVE
results = {{}}


def load(name):
    return Gimp.file_load(quiet, Gio.File.new_for_path(folder + "/" + name))


def color(name, image, **settings):
    procedure = Gimp.get_pdb().lookup_procedure("plug-in-photochrom-color")
    config = procedure.create_config()
    for key, value in {{"run-mode": quiet, "image": image, "command": command, **settings}}.items():
        config.set_property(key, value)
    config.set_core_object_array("drawables", image.get_selected_layers())
    status = procedure.run(config).index(0)
    told = Gimp.get_pdb().get_last_error() if status != Gimp.PDBStatusType.SUCCESS else ""
    layers = [[each.get_name(), each.get_mode().value_nick, each.get_mask() is not None] for each in image.get_layers()]
    results[name] = [told, layers, image.get_base_type().value_nick]
    if not told:
        Gimp.file_save(quiet, image, Gio.File.new_for_path(folder + "/" + name + "-color.png"), None)
    image.delete()


color("gray", load("gray.png"))
color("indexed", load("indexed.png"))
color("deep", load("deep.png"), strength=1.5, seed=2)
color("clear", load("clear.png"))
image = load("gray.png")
image.select_rectangle(Gimp.ChannelOps.REPLACE, 40, 30, 60, 50)
color("selected", image)
image = load("gray.png")
image.get_layers()[0].set_offsets(30, 20)
image.resize(200, 160, 10, 10)
color("moved", image)
image = load("gray.png")
image.get_layers()[0].set_visible(False)
color("hidden", image)
color("missing", load("gray.png"), command="/nowhere/photochrom")
with open(folder + "/results.json", "w") as file:
    json.dump(results, file)
"""


@pytest.mark.slow
@pytest.mark.skipif(console() is None, reason="no GIMP 3")
def test_in_gimp(tmp_path, gray):
    """Gray, indexed, 16 bits, alpha, a selection, a layer elsewhere: the layer's colors are the command's."""
    shutil.copytree(PLUGIN.parent, tmp_path / "gimp" / "plug-ins" / PLUGIN.stem)
    deep = gray.astype(np.uint16) * 257
    alpha = np.tile(np.linspace(0, 255, gray.shape[1]).astype(np.uint8), (len(gray), 1))
    pictures = {"gray": gray, "deep": deep, "clear": np.dstack([gray, gray, gray, alpha])}
    for name, pixels in pictures.items():
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
    Image.fromarray(gray).convert("P").save(tmp_path / "indexed.png")
    script = tmp_path / "script.py"
    script.write_text(IN_GIMP.format(folder=str(tmp_path), command=photochrom_command(tmp_path)))
    batch = ["-idf", "--batch-interpreter", "python-fu-eval", "-b", f'exec(open("{script}").read())', "--quit"]
    environment = os.environ | {"GIMP3_DIRECTORY": str(tmp_path / "gimp")}
    done = subprocess.run(
        [*(console() or []), *batch], env=environment, capture_output=True, text=True, timeout=600, check=False
    )
    assert (tmp_path / "results.json").exists(), done.stdout + done.stderr
    results = json.loads((tmp_path / "results.json").read_text())
    below = ["Background", "normal", False]
    for name in ("gray", "indexed", "deep", "clear", "selected", "moved"):
        told, layers, kind = results[name]
        assert (told, kind) == ("", "rgb")
        assert layers == [["Colors by photochrom", "lch-color", name == "selected"], below]
    wanted = photochrom.colorize(gray).astype(int)
    for name in ("gray", "indexed"):
        assert np.abs(shown(tmp_path, name)[..., :3] - wanted).max() <= 2
    strong = photochrom.colorize(gray, strength=1.5, seed=2).astype(int)
    assert np.abs(shown(tmp_path, "deep")[..., :3] - strong).max() <= 2
    clear = shown(tmp_path, "clear")
    assert np.array_equal(clear[..., 3], alpha)
    light = [rgb_to_lab(rgb.astype(np.float32) / 255)[..., 0] for rgb in (clear[..., :3], np.dstack([gray] * 3))]
    assert np.abs(light[0] - light[1])[:, 80:].max() < 1
    selected = shown(tmp_path, "selected")[..., :3]
    box = np.zeros(gray.shape, bool)
    box[30:80, 40:100] = True
    assert np.abs(selected - wanted)[box].max() <= 2 and np.abs(selected - gray[..., None].astype(int))[~box].max() <= 1
    assert shown(tmp_path, "moved").shape[:2] == (160, 200)
    assert results["hidden"] == ["No layer is visible, so there is nothing to color.", [below], "gray"]
    assert "There is no command '/nowhere/photochrom'" in results["missing"][0] and results["missing"][1:] == [
        [below],
        "gray",
    ]


def shown(folder: Path, name: str):
    """What GIMP shows, (H, W, 3) or (H, W, 4) in 0..255."""
    pixels = photochrom.read_photograph(folder / f"{name}-color.png")
    planes = [pixels.pixels] if pixels.alpha is None else [pixels.pixels, pixels.alpha]
    array = np.dstack(planes).astype(int)
    return array if pixels.pixels.dtype == np.uint8 else np.rint(array / 257).astype(int)
