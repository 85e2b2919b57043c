"""Sound that the output can't hold is made into sound that it can, at the same time and with the same waves."""

from fractions import Fraction

import numpy as np
import pytest
from click.testing import CliRunner

av = pytest.importorskip("av")
pytest.importorskip("scenedetect")

from photochrom import cli
from photochrom.video.colorize import FilmOptions, colorize_film
from photochrom.video.film import read_film

pytestmark = pytest.mark.slow
RATE, SECONDS = 48000, 2
CONTAINERS = {"old.wmv": "wmv2", "old.mpg": "mpeg2video"}


def waves():
    """Two channels of chirps, which are like themselves at one time alone: (2, samples), 16 bits."""
    at = np.arange(SECONDS * RATE) / RATE
    return np.stack([9000 * np.sin(2 * np.pi * (f * at + 150 * at**2)) for f in (300, 500)]).astype(np.int16)


def write(path, codec):
    """A film with this sound."""
    with av.open(str(path), "w") as container:
        video = container.add_stream(CONTAINERS.get(path.name, "libx264"), rate=25)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        sound = container.add_stream(codec, rate=RATE, layout="stereo")
        if "wma" in codec:
            sound.bit_rate = 192_000
        for number in range(25 * SECONDS):
            picture = av.VideoFrame.from_ndarray(np.full((48, 64), 90 + number, np.uint8), format="gray")
            picture = picture.reformat(format="yuv420p")
            picture.pts, picture.time_base = number, Fraction(1, 25)
            container.mux(video.encode(picture))
        size = sound.codec_context.frame_size or 1000
        samples = waves()
        for start in range(0, samples.shape[1], size):
            part = samples[:, start : start + size]
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(part), format="s16p", layout="stereo")
            frame.sample_rate, frame.pts, frame.time_base = RATE, start, Fraction(1, RATE)
            container.mux(sound.encode(frame))
        for stream in (video, sound):
            container.mux(stream.encode(None))
    return path


def heard(path):
    """Its sound from the first picture on, as a player plays it: (2, samples), and FFmpeg's name of its codec."""
    with av.open(str(path)) as container:
        video, stream = container.streams.video[0], container.streams.audio[0]
        first = float((video.start_time or 0) * video.time_base)
        played, at = np.zeros((2, RATE * (SECONDS + 2)), np.float32), None
        for frame in container.decode(stream):
            resampler = av.AudioResampler(format="fltp", layout="stereo", rate=RATE)
            for part in resampler.resample(frame):
                if at is None:  # then it goes on: times of single packets are rounded
                    at = round((float(frame.pts * frame.time_base) - first) * RATE)
                samples = part.to_ndarray()[:, max(0, -at) :]
                played[:, max(0, at) : max(0, at) + samples.shape[1]] = samples
                at += part.samples
        return played * 32768, stream.codec_context.name


@pytest.mark.parametrize(
    "name, codec, target, becomes, off",
    [
        ("old.wmv", "wmav2", "new.mp4", "aac", 400),
        ("old.mkv", "libopus", "new.mov", "aac", 400),
        ("old.mkv", "flac", "new.mov", "alac", 1),
        ("old.mpg", "pcm_dvd", "new.mkv", "flac", 1),
        ("old.mpg", "pcm_dvd", "new.mp4", "flac", 1),
    ],
)
def test_sound_is_made_into_what_the_output_holds(tmp_path, loud, name, codec, target, becomes, off):
    path = write(tmp_path / name, codec)
    progress = list(colorize_film(read_film(path), tmp_path / target, loud, FilmOptions(steady=False)))
    old, new = heard(path), heard(tmp_path / target)
    assert new[1] == becomes and not progress[0].left_out
    assert [each.split(", ")[1] for each in progress[0].remade] == [f"{old[1]}): it becomes {becomes}"]
    later = max(range(-48, 49), key=lambda samples: float((np.roll(old[0], samples) * new[0]).sum()))
    assert abs(later) <= (48 if name == "old.wmv" else 0)  # its times are in milliseconds
    assert np.abs(new[0] - np.roll(old[0], later)).mean() <= off and np.abs(old[0]).mean() > 2000


def test_the_command_says_what_sound_becomes(tmp_path):
    path = write(tmp_path / "old.wmv", "wmav2")
    result = CliRunner().invoke(cli.main, ["video", str(path), str(tmp_path / "new.mp4"), "--working-size", "64"])
    assert result.exit_code == 0
    assert ".mp4 films can't hold track 1 (audio, wmav2): it becomes aac\n" in result.output
