"""Where a film's shots begin. PySceneDetect does the work."""

from __future__ import annotations

from scenedetect import ContentDetector, SceneManager, open_video

from photochrom.errors import InputError
from photochrom.video.film import Film

THRESHOLD = 22.0  # mean change of luma at a cut; PySceneDetect's 27 is for color, and misses cuts between gray shots
SHORTEST = "0.3s"


def find_shots(film: Film) -> list[int]:
    """The first tick of every shot, the film's first one included. Raises InputError."""
    manager = SceneManager()
    manager.add_detector(ContentDetector(threshold=THRESHOLD, min_scene_len=SHORTEST, luma_only=True))
    try:
        manager.detect_scenes(open_video(str(film.path), backend="pyav"))
    except Exception as error:  # of many kinds, some of them FFmpeg's
        raise InputError(f"{film.path} is damaged: its shots can't be found ({error})") from error
    begins = {film.pts_at(scene[0].seconds) for scene in manager.get_scene_list()}
    return sorted(begins | {film.start})
