"""How a film's pictures are encoded: codecs and defaults. Standard library only, so that the command line has them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Codec:
    """One codec that films can be written with.

    encoder: FFmpeg's name of it. crf: the default constant rate factor, None for a codec that has none.
    segment_format: FFmpeg's name of the container of segments; mov keeps time bases and decoding times.
    """

    encoder: str
    crf: int | None = None
    segment_format: str = "mov"


# The default rate factors are visually lossless; with larger ones the colors suffer first.
CODECS = {
    "h264": Codec("libx264", crf=16),
    "h265": Codec("libx265", crf=18),
    "prores": Codec("prores_ks"),
    "ffv1": Codec("ffv1", segment_format="nut"),  # mov does not hold FFV1
}
CONTAINERS = (".mp4", ".m4v", ".mov", ".mkv")  # the others lose frame times, sound or subtitles
INTERLACED = ("h264", "prores", "ffv1")  # codecs that films of two fields in each picture can be written with
DEFAULT_CODEC = "h264"
MIN_CRF, MAX_CRF = 0, 51


@dataclass(frozen=True)
class Encoding:
    """How frames are written. codec: a name from CODECS; crf: its constant rate factor, None for the default."""

    codec: str = DEFAULT_CODEC
    crf: int | None = None

    @property
    def encoder(self) -> str:
        """FFmpeg's name of the encoder."""
        return CODECS[self.codec].encoder

    @property
    def segment_format(self) -> str:
        """FFmpeg's name of the container that segments are written in."""
        return CODECS[self.codec].segment_format

    @property
    def options(self) -> dict[str, str]:
        """The encoder's options."""
        default = CODECS[self.codec].crf
        if default is None:
            return {}
        return {"crf": str(default if self.crf is None else self.crf), "preset": "medium"}

    def pixel_format(self, size: tuple[int, int], deep: bool) -> str:
        """FFmpeg's name of the pixel format for frames of a size (width, height).

        Full color resolution wherever the codec's players can take it. deep: more than 8 bits.
        """
        if self.codec == "prores":
            return "yuv422p10le"
        halved = CODECS[self.codec].crf is not None and not (size[0] % 2 or size[1] % 2)
        return ("yuv420p" if halved else "yuv444p") + ("10le" if deep else "")
