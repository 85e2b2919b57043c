"""The page: its layout, and the decision that each control makes. Gradio does the rest."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial, wraps
from html import escape
from itertools import count
from pathlib import Path
from typing import Any

import gradio as gr

from photochrom.coloring import Look, Output, Request
from photochrom.darkroom.album import color_album
from photochrom.darkroom.drawing import swatch, thumbnail, with_marks, write_preview
from photochrom.darkroom.session import SEEDS, Session, open_session
from photochrom.darkroom.store import SessionStore
from photochrom.errors import InputError, PhotochromError
from photochrom.photo.hints import format_hint_file
from photochrom.service.service import Service, Upload, safe_stem
from photochrom.settings import FORMATS, READABLE_SUFFIXES

HERE = Path(__file__).parent
EXAMPLES = sorted((HERE.parent / "web" / "page" / "examples").glob("*.jpg"))
SUFFIXES = sorted(READABLE_SUFFIXES)
AS_IT_IS = "as the original"
Outputs = dict[Any, Any]
SYSTEM_FONTS = ["system-ui", "sans-serif"]  # Gradio's default fonts would be loaded from elsewhere
THEME = gr.themes.Soft(font=SYSTEM_FONTS, font_mono=["ui-monospace", "monospace"])
PASTE_AND_UNDO = f"<script>{(HERE / 'page.js').read_text('utf-8')}</script>"
STYLE = (HERE / "page.css").read_text("utf-8")
SAVE_BY_ITSELF = "() => document.querySelector('#saved a[download]')?.click()"


class Page:
    """The page of a service. folder: for open photographs; the caller removes it."""

    def __init__(self, service: Service, folder: Path):
        self.service = service
        self.store = SessionStore(folder / "sessions", service.limits.keep)
        self._numbers = count()
        with gr.Blocks(title="photochrom", analytics_enabled=False, delete_cache=(600, 3600)) as self.blocks:
            self._lay_out()
            self._wire_photograph()
            self._wire_colors()
            self._wire_album()
        self.blocks.queue(max_size=service.limits.queue, default_concurrency_limit=2 * service.limits.workers)

    # Layout

    def _lay_out(self) -> None:
        self.name = gr.State()  # of the session in the store
        gr.Markdown("# photochrom\nColors black-and-white photographs. They stay on this machine.", elem_id="title")
        with gr.Tab("One photograph"):
            self.status = gr.HTML(told("Open a photograph, or take an example."), elem_id="status")
            with gr.Row():
                self._lay_out_sources()
            with gr.Row():
                with gr.Column(scale=3, min_width=320):
                    self._lay_out_pictures()
                with gr.Column(scale=2, min_width=320):
                    self._lay_out_controls()
        with gr.Tab("Many photographs"):
            self._lay_out_album()

    def _lay_out_sources(self) -> None:
        self.photograph = gr.File(
            label="A photograph: drop, paste or browse",
            file_types=SUFFIXES,
            height=150,
            scale=3,
            min_width=320,
            elem_id="photograph",
        )
        with gr.Column(scale=2, min_width=320):
            gr.Markdown("Or an example:")
            self.examples = thumbnails(4, [str(path) for path in EXAMPLES], "examples", height=120)

    def _lay_out_pictures(self) -> None:
        with gr.Tab("Compare"):
            self.slider = gr.ImageSlider(
                label="Before | after", interactive=False, buttons=["fullscreen"], max_height=640, elem_id="slider"
            )
        with gr.Tab("Choose colors"):
            gr.Markdown("Click a place in the picture, then choose its color below.")
            self.canvas = gr.Image(
                label="Click a place", interactive=False, buttons=[], type="filepath", elem_id="canvas"
            )
            gr.Markdown("Colors that the network suggests there:")
            self.suggestions = thumbnails(6, None, "suggestions", height=72)
            with gr.Row():
                self.picker = gr.ColorPicker("#808080", label="Any other color", elem_id="picker", min_width=140)
                self.apply = gr.Button("Give the place this color", elem_id="apply", min_width=140)
            self.radius = gr.Slider(
                0,
                500,
                0,
                step=1,
                label="How far around the place, pixels",
                info="0: to where the thing ends",
                elem_id="radius",
            )
            self.hints = gr.Radio([], label="Colors you chose", visible=False, elem_id="hints")
            with gr.Row():
                self.moving = gr.Checkbox(
                    False, label="The next click moves the chosen one", elem_id="moving", min_width=140
                )
                self.remove = gr.Button("Remove the chosen one", elem_id="remove", min_width=140)
            with gr.Accordion("Choose a place without a mouse", open=False):
                with gr.Row():
                    self.x = gr.Number(0, label="From the left, pixels", minimum=0, min_width=100, elem_id="x")
                    self.y = gr.Number(0, label="From the top, pixels", minimum=0, min_width=100, elem_id="y")
                self.point = gr.Button("Choose this place", elem_id="point")

    def _lay_out_controls(self) -> None:
        with gr.Row():
            self.undo = gr.Button("Undo", interactive=False, elem_id="undo", min_width=80)
            self.redo = gr.Button("Redo", interactive=False, elem_id="redo", min_width=80)
        self.strength = gr.Slider(0, 2, 1, step=0.05, label="Strength", info="More or less color", elem_id="strength")
        self.warmth = gr.Slider(-1, 1, 0, step=0.05, label="Warmth", info="Bluer or yellower", elem_id="warmth")
        gr.Markdown("Plausible colorings: pick one")
        self.colorings = thumbnails(3, None, "colorings", height=320)
        self.format = gr.Dropdown([AS_IT_IS, *FORMATS], value=AS_IT_IS, label="File format", elem_id="format")
        self.save = gr.Button("Save at full size", variant="primary", elem_id="save")
        self.saved = gr.File(label="Saved", file_count="multiple", interactive=False, visible=False, elem_id="saved")
        self.recipe = gr.Textbox(
            label="The same on the command line", interactive=False, buttons=["copy"], lines=2, elem_id="recipe"
        )

    def _lay_out_album(self) -> None:
        self.album_status = gr.HTML(told("Drop photographs and get one ZIP back."), elem_id="album-status")
        self.album = gr.File(
            label="Photographs: drop or browse",
            file_count="multiple",
            file_types=SUFFIXES,
            elem_id="album",
            height=200,
        )
        self.album_strength = gr.Slider(0, 2, 1, step=0.05, label="Strength")
        self.album_warmth = gr.Slider(-1, 1, 0, step=0.05, label="Warmth")
        with gr.Row():
            self.color_all = gr.Button("Color all", variant="primary", elem_id="color-all")
            self.stop = gr.Button("Stop", elem_id="stop")
        self.zip = gr.File(label="In color", interactive=False, elem_id="zip")

    # Which control makes which decision

    def _wire_photograph(self) -> None:
        shown = [self.name, self.photograph, self.examples, self.colorings, self.saved, *self._views]
        self.photograph.upload(self._told(self._open), [self.photograph, self.name], shown)
        self.examples.select(self._told(self._open_example), [self.name], shown)
        for slider, decide in ((self.strength, Session.with_strength), (self.warmth, Session.with_warmth)):
            slider.input(
                self._deciding(decide),
                [self.name, slider],
                self._views,
                trigger_mode="always_last",
                show_progress="hidden",
            )
        self.undo.click(self._deciding(lambda s: s.undone(self.service)), [self.name], self._views)
        self.redo.click(self._deciding(lambda s: s.redone(self.service)), [self.name], self._views)
        self.colorings.select(self._told(self._pick_coloring), [self.name], self._views)
        saved = self.save.click(self._told(self._save), [self.name, self.format], [self.saved, self.status])
        saved.success(None, js=SAVE_BY_ITSELF)

    def _wire_colors(self) -> None:
        self.canvas.select(self._told(self._click), [self.name, self.moving], [*self._views, self.moving])
        self.point.click(
            self._deciding(lambda session, x, y: session.point_at(self._inside(session, x, y))),
            [self.name, self.x, self.y],
            self._views,
        )
        give = self._deciding(self._give)
        gr.on([self.apply.click, self.picker.submit], give, [self.name, self.picker, self.radius], self._views)
        self.suggestions.select(self._told(self._take_suggestion), [self.name, self.radius], self._views)
        self.hints.input(self._told(self._choose_hint), [self.name, self.hints], self._views)
        self.remove.click(self._deciding(lambda s: s.without_hint(self.service)), [self.name], self._views)

    def _wire_album(self) -> None:
        views = [self.album_status, self.zip]
        coloring = self.color_all.click(self._color_all, [self.album, self.album_strength, self.album_warmth], views)
        self.stop.click(lambda: told("Stopped."), None, [self.album_status], cancels=[coloring])

    # Decisions

    def _open(self, upload: str, former: str | None) -> Outputs:
        return self._open_file(Path(upload), former)

    def _open_example(self, former: str | None, event: gr.SelectData) -> Outputs:
        return self._open_file(EXAMPLES[event.index], former)

    def _open_file(self, upload: Path, former: str | None) -> Outputs:
        name, folder = self.store.create()
        source = folder / "original" / upload.name
        source.parent.mkdir()
        shutil.copyfile(upload, source)
        try:
            with self.service.slot():
                session = self.service.submit(partial(open_session, source, self.service)).result()
            self.store.put(name, session)
        except PhotochromError:
            self.store.remove(name)
            raise
        self.store.remove(former)
        colorings = [
            write_preview(thumbnail(self.service.colorizer.apply(session.preview, sample)), folder / f"sample-{i}.jpg")
            for i, sample in enumerate(session.samples)
        ]
        labels = ["likeliest", *(f"seed {seed}" for seed in SEEDS[1:])]
        return self._show(session, f"{upload.name}, {session.size[0]} × {session.size[1]} pixels.") | {
            self.name: name,
            self.photograph: None,
            self.examples: gr.Gallery(selected_index=None),
            self.colorings: gr.Gallery(list(zip(colorings, labels, strict=True)), selected_index=0),
            self.saved: gr.File(None, visible=False),
        }

    def _pick_coloring(self, name: str | None, event: gr.SelectData) -> Outputs:
        return self._decide(name, lambda session: session.with_seed(SEEDS[event.index], self.service))

    def _click(self, name: str | None, moving: bool, event: gr.SelectData) -> Outputs:
        def decide(session: Session) -> Session:
            place = self._inside(session, *session.from_preview(*event.index))
            return session.with_hint_moved(place, self.service) if moving else session.point_at(place)

        return self._decide(name, decide) | {self.moving: False}

    def _take_suggestion(self, name: str | None, radius: float, event: gr.SelectData) -> Outputs:
        def decide(session: Session) -> Session:
            if session.place is None:
                return session
            return self._give(session, session.colors_at(session.place)[event.index], radius)

        return self._decide(name, decide)

    def _choose_hint(self, name: str | None, number: int) -> Outputs:
        return self._decide(name, lambda s: s.point_at((s.look.hints[number].x, s.look.hints[number].y)))

    def _give(self, session: Session, color: str, radius: float) -> Session:
        if session.place is None:
            raise PhotochromError("Click a place on the picture first, under “Choose colors”.")
        return session.with_color(as_hex(color), self.service, radius or None)

    def _inside(self, session: Session, x: float, y: float) -> tuple[float, float]:
        width, height = session.size
        return min(max(x, 0), width - 1), min(max(y, 0), height - 1)

    def _save(self, name: str | None, format_name: str) -> Outputs:
        session = self._change(name, lambda session: session)
        source, chosen_hints = session.source, session.look.hints
        output = Output(None if format_name == AS_IT_IS else format_name)
        upload = Upload(source.read_bytes, source.name, Request(session.look, output, self.service.limits.pixels))
        folder = source.parent.parent / f"saved-{next(self._numbers)}"
        folder.mkdir(parents=True)
        with self.service.slot():
            result = self.service.submit(partial(self.service.color, upload, folder)).result()
        files = [result.path.rename(folder / result.name)]
        if chosen_hints:
            files.append(folder / hints_name(session))
            files[1].write_text(format_hint_file(chosen_hints, *session.size), "utf-8")
        shown = gr.File([str(path) for path in files], visible=True)
        return {self.saved: shown, self.status: told(f"Saved as {result.name}.")}

    def _color_all(self, uploads: list[str] | None, strength: float, warmth: float) -> Iterator[Outputs]:
        if not uploads:
            yield {self.album_status: told("Drop some photographs first.", problem=True)}
            return
        name, folder = self.store.create()
        yield {self.album_status: told(f"0 of {len(uploads)} done"), self.zip: None}
        look = Look(strength, warmth=warmth)
        for progress in color_album(self.service, [Path(upload) for upload in uploads], folder, look):
            with suppress(InputError):  # closed meanwhile: what is colored already still comes
                self.store.touch(name)
            colored = progress.done - len(progress.failures)
            text = f"{progress.done} of {progress.total} done: {colored} colored, {len(progress.failures)} failed"
            outputs = {self.album_status: told(text, [why for _, why in progress.failures])}
            yield outputs | ({self.zip: str(progress.archive)} if progress.archive else {})

    # What the page shows then

    @property
    def _views(self) -> list[Any]:
        controls = [self.strength, self.warmth, self.undo, self.redo, self.hints, self.picker, self.suggestions]
        return [self.slider, self.canvas, *controls, self.recipe, self.status]

    def _show(self, session: Session, message: str = "") -> Outputs:
        message = message or place_in_words(session)
        folder, picture = session.source.parent.parent, session.picture(self.service)
        number, look = next(self._numbers), session.look
        before = folder / "before.jpg"
        if not before.exists():
            write_preview(session.preview, before)
        after = write_preview(picture, folder / f"after-{number}.jpg")
        marked = write_preview(with_marks(picture, session), folder / f"marked-{number}.jpg")
        colors = session.colors_at(session.place) if session.place else []
        choices = [(f"{h.color} at {h.x:.0f}, {h.y:.0f}", number) for number, h in enumerate(look.hints)]
        return {
            self.slider: (str(before), after),
            self.canvas: marked,
            self.strength: look.strength,
            self.warmth: look.warmth,
            self.undo: gr.Button(interactive=session.can_undo),
            self.redo: gr.Button(interactive=session.can_redo),
            self.hints: gr.Radio(choices, value=session.chosen, visible=bool(choices)),
            self.picker: colors[0] if colors else gr.skip(),
            self.suggestions: [(swatch(color, folder), color) for color in colors],
            self.recipe: recipe(session),
            self.status: told(message) if message else gr.skip(),
        }

    def _decide(self, name: str | None, decide: Callable[[Session], Session]) -> Outputs:
        return self._show(self._change(name, decide))

    def _change(self, name: str | None, decide: Callable[[Session], Session]) -> Session:
        if name is None:
            raise PhotochromError("Open a photograph first.")
        return self.store.change(name, decide)

    def _deciding(self, decide: Callable[..., Session]) -> Callable[..., Outputs]:
        """A handler that takes the session's name and a control's values, and shows the result."""
        return self._told(lambda name, *values: self._decide(name, lambda session: decide(session, *values)))

    def _told(self, handler: Callable[..., Outputs]) -> Callable[..., Outputs]:
        """The same handler, but an error becomes a sentence on the page."""

        @wraps(handler)
        def safe(*values: Any) -> Outputs:
            try:
                return handler(*values)
            except PhotochromError as error:
                return {self.status: told(str(error), problem=True)}

        return safe


def thumbnails(columns: int, pictures: list[str] | None, name: str, height: int) -> gr.Gallery:
    """A gallery to pick from, without Gradio's buttons and large view."""
    return gr.Gallery(
        pictures,
        columns=columns,
        height=height,
        object_fit="cover",
        allow_preview=False,
        interactive=False,
        show_label=False,
        buttons=[],
        elem_id=name,
    )


def told(message: str, more: list[str] | None = None, problem: bool = False) -> str:
    """A message as HTML that screen readers announce."""
    items = "".join(f"<li>{escape(line)}</li>" for line in more or [])
    kind = "problem" if problem else "news"
    return f'<div role="status" class="{kind}">{escape(message)}{f"<ul>{items}</ul>" if items else ""}</div>'


def place_in_words(session: Session) -> str:
    """The chosen place and its color in words, for people who can't see the mark."""
    if session.place is None:
        return ""
    place = "{:.0f}, {:.0f}".format(*session.place)
    if session.chosen is None:
        return f"The place at {place} is chosen: give it a color."
    return f"The place at {place} is {session.look.hints[session.chosen].color}."


def as_hex(color: str) -> str:
    """A color picker's value as #rrggbb; some browsers give "rgba(1, 2, 3, 1)"."""
    if color.startswith("rgb"):
        channels = color[color.index("(") + 1 :].rstrip(")").split(",")[:3]
        return "#" + "".join(f"{round(float(channel)):02x}" for channel in channels)
    return color


def hints_name(session: Session) -> str:
    """The name of a session's hints file."""
    return f"{safe_stem(session.source.name)}-hints.json"


def recipe(session: Session) -> str:
    """The command that colors the photograph in the same way."""
    look = session.look
    words = ["photochrom", "colorize", session.source.name]
    words += ["--seed", str(look.seed)] if look.seed is not None else []
    words += ["--strength", f"{look.strength:g}"] if look.strength != 1 else []
    words += ["--warmth", f"{look.warmth:g}"] if look.warmth else []
    words += ["--hints", hints_name(session)] if look.hints else []
    return shlex.join(words)
