#!/usr/bin/env python3
"""A plug-in for GIMP 3: Colors > Color a Black-and-White Photograph.

It writes what is visible to a temporary file, has the command `photochrom` color it, and puts the result on top as a
layer of the mode LCh color: colors come from the layer, the light from the picture below, which stays as it is.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import gi

gi.require_version("Gimp", "3.0")
gi.require_version("GimpUi", "3.0")
from gi.repository import Gimp, GimpUi, Gio, GLib, GObject  # noqa: E402

PROCEDURE = "plug-in-photochrom-color"
LAYER_NAME = "Colors by photochrom"
COMMAND = "photochrom"
WHERE = "Install photochrom (pip install photochrom), then give the whole path of its command under Command"
EIGHT_BITS = (Gimp.Precision.U8_LINEAR, Gimp.Precision.U8_NON_LINEAR, Gimp.Precision.U8_PERCEPTUAL)
# What GIMP's own packages set for their own Python and libraries, and which would break another program's.
GIMPS_OWN = ("PYTHONHOME", "PYTHONPATH", "PYTHONNOUSERSITE", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "GI_TYPELIB_PATH")


class Failure(Exception):
    """What the user is told in one line."""


class PhotochromColor(Gimp.PlugIn):
    """The plug-in, as GIMP asks for it."""

    def do_query_procedures(self) -> list[str]:
        """The names of its procedures."""
        return [PROCEDURE]

    def do_set_i18n(self, _name: str) -> bool:
        """There are no translations."""
        return False

    def do_create_procedure(self, name: str) -> Gimp.Procedure:
        """What GIMP needs to know before it runs the procedure: menu, kinds of pictures, settings."""
        procedure = Gimp.ImageProcedure.new(self, name, Gimp.PDBProcType.PLUGIN, run, None)
        procedure.set_image_types("*")
        every = Gimp.ProcedureSensitivityMask
        procedure.set_sensitivity_mask(every.DRAWABLE | every.DRAWABLES | every.NO_DRAWABLES)
        procedure.set_menu_label("Color a _Black-and-White Photograph...")
        procedure.add_menu_path("<Image>/Colors")
        procedure.set_documentation(
            "Adds a layer with colors that a neural network finds plausible",
            "Colors what is visible with the command photochrom. The new layer has the mode LCh color, so the light of "
            "the picture stays, and the colors can be painted over, masked and faded. A selection becomes its mask.",
            name,
        )
        procedure.set_attribution("photochrom", "photochrom, Apache-2.0", "2026")
        flags = GObject.ParamFlags.READWRITE
        strength = "Multiplies the colors; 0 is gray"
        procedure.add_double_argument("strength", "S_trength", strength, 0.0, 10.0, 1.0, flags)
        warmth = "White balance of the colors, from blue (-1) to yellow (1)"
        procedure.add_double_argument("warmth", "_Warmth", warmth, -1.0, 1.0, 0.0, flags)
        seed = "0 is the likeliest coloring, other numbers are other plausible ones"
        procedure.add_int_argument("seed", "S_eed", seed, 0, GLib.MAXINT32, 0, flags)
        command = "The command photochrom, or its whole path"
        procedure.add_string_argument("command", "Co_mmand", command, COMMAND, flags)
        return procedure


def run(procedure, run_mode, image, _drawables, config, _data):
    """Ask for the settings if GIMP says so, add the layer, and tell GIMP how it went."""
    if run_mode == Gimp.RunMode.INTERACTIVE:
        GimpUi.init(PROCEDURE)
        dialog = GimpUi.ProcedureDialog.new(procedure, config, "Color a Black-and-White Photograph")
        dialog.fill(None)
        accepted = dialog.run()
        dialog.destroy()
        if not accepted:
            return procedure.new_return_values(Gimp.PDBStatusType.CANCEL, None)
    chosen = {name: config.get_property(name) for name in ("strength", "warmth", "seed", "command")}
    try:
        with tempfile.TemporaryDirectory(prefix="photochrom-") as folder:
            add_colors(image, Path(folder), **chosen)
    except (Failure, OSError, GLib.Error) as error:
        told = GLib.Error(getattr(error, "message", None) or str(error))
        return procedure.new_return_values(Gimp.PDBStatusType.EXECUTION_ERROR, told)
    Gimp.displays_flush()
    return procedure.new_return_values(Gimp.PDBStatusType.SUCCESS, None)


def add_colors(image, folder: Path, strength: float, warmth: float, seed: int, command: str) -> None:
    """Put a layer with colors on top of an image. Nothing is changed before the colors are there. Raises Failure."""
    program = find(command)
    if not any(layer.get_visible() for layer in image.get_layers()):
        raise Failure("No layer is visible, so there is nothing to color.")
    Gimp.progress_init("Coloring...")
    before, after = folder / "gray.tif", folder / "color.tif"
    write_visible(image, before)
    color(program, str(before), str(after), options_for(strength, warmth, seed), Gimp.progress_pulse)
    image.undo_group_start()
    try:
        if image.get_base_type() != Gimp.ImageBaseType.RGB:
            image.convert_rgb()
        layer = Gimp.file_load_layer(Gimp.RunMode.NONINTERACTIVE, image, Gio.File.new_for_path(str(after)))
        layer.set_name(LAYER_NAME)
        layer.set_mode(Gimp.LayerMode.LCH_COLOR)
        image.insert_layer(layer, None, 0)
        layer.set_offsets(0, 0)
        if not Gimp.Selection.is_empty(image):
            layer.add_mask(layer.create_mask(Gimp.AddMaskType.SELECTION))
        image.set_selected_layers([layer])
    finally:
        image.undo_group_end()


def write_visible(image, path: Path) -> None:
    """Write what is visible of an image as an sRGB TIFF of 8 or 16 bits, without compression."""
    is_deep = image.get_precision() not in EIGHT_BITS
    precision = Gimp.Precision.U16_NON_LINEAR if is_deep else Gimp.Precision.U8_NON_LINEAR
    copy = Gimp.Image.new_with_precision(image.get_width(), image.get_height(), Gimp.ImageBaseType.RGB, precision)
    try:
        copy.insert_layer(Gimp.Layer.new_from_visible(image, copy, "visible"), None, 0)
        copy.flatten()
        export = Gimp.get_pdb().lookup_procedure("file-tiff-export")
        config = export.create_config()
        config.set_property("run-mode", Gimp.RunMode.NONINTERACTIVE)
        config.set_property("image", copy)
        config.set_property("file", Gio.File.new_for_path(str(path)))
        config.set_property("include-thumbnail", False)
        export.run(config)
    finally:
        copy.delete()
    if not path.exists():
        raise Failure("GIMP could not write the temporary file: is there room in the folder for temporary files?")


def find(command: str) -> str:
    """The path of the command. Raises Failure."""
    given = os.path.expanduser(command.strip() or COMMAND)
    found = shutil.which(given) or shutil.which(given, path=os.path.expanduser("~/.local/bin"))
    if found is None:
        raise Failure(f"There is no command {given!r}. {WHERE}.")
    return found


def options_for(strength: float, warmth: float, seed: int) -> list[str]:
    """The command's options. Pictures in color get new colors, because that is what was asked for."""
    options = ["--recolor", "--no-mark", "--quiet", "--strength", f"{strength:.4f}", "--warmth", f"{warmth:.4f}"]
    return options + (["--seed", str(seed)] if seed else [])


def color(program: str, before: str, after: str, options: list[str], pulse) -> None:
    """Have the program color a file, and call `pulse` meanwhile. Raises Failure with what it says at last."""
    command = [program, "colorize", before, "--out", after, *options]
    environment = {name: value for name, value in os.environ.items() if name not in GIMPS_OWN}
    hidden = {"creationflags": subprocess.CREATE_NO_WINDOW} if sys.platform == "win32" else {}
    with tempfile.TemporaryFile() as told:
        try:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=told, stderr=told, env=environment, **hidden
            )
        except OSError as error:
            raise Failure(f"{program} can't be run: {error.strerror}. {WHERE}.") from error
        try:
            while process.poll() is None:
                pulse()
                time.sleep(0.05)
        finally:
            process.kill()  # if GIMP ends this plug-in meanwhile
            process.wait()
        told.seek(0)
        lines = told.read().decode(errors="replace").split("\n")
    if process.returncode:
        said = [line.strip() for line in lines if line.strip()] or [f"it ended with status {process.returncode}"]
        raise Failure(f"{said[-1].removeprefix('photochrom: ').replace(before, 'the picture')} ({program})")
    if not os.path.exists(after):
        raise Failure(f"{program} wrote nothing: is it photochrom's command?")


if __name__ == "__main__":
    Gimp.main(PhotochromColor.__gtype__, sys.argv)
