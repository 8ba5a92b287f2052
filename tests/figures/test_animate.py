"""Figures that move."""

import numpy as np
import pytest
from PIL import Image

from largebatch.figures import animate as animations
from largebatch.figures.animate import animate
from largebatch.figures.looks import BLUE, VERMILLION
from tests.shared.figures import asked


def test_an_animation_moves_from_start_to_end_and_has_the_same_bytes_again(
    rows, write_table, tmp_path, monkeypatch
):
    monkeypatch.setattr(animations, "FRAMES", 5)
    table = write_table(rows)
    for name in ("one", "two"):
        animate(asked("descent"), table, tmp_path / f"{name}.gif")
    assert (tmp_path / "one.gif").read_bytes() == (tmp_path / "two.gif").read_bytes()
    with Image.open(tmp_path / "one.gif") as found:
        assert found.n_frames == 5 and found.info["loop"] == 0
        frames = []
        for number in range(5):
            found.seek(number)
            frames.append(np.asarray(found.convert("RGB")).astype(int))
    for colour in (BLUE, VERMILLION):
        wanted = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
        shown = [(np.abs(frame - wanted).sum(axis=-1) < 40).sum() for frame in frames]
        assert shown[0] < shown[2] < shown[-1], "a way grows in its own colour"
    assert (frames[0][:40] == frames[-1][:40]).all(), "what does not move stays the same"


def test_other_kinds_do_not_move(rows, write_table, tmp_path):
    with pytest.raises(ValueError, match=r"figure f: wanted a kind among .*'descent'.*; got 'rates'"):
        animate(asked("rates"), write_table(rows), tmp_path / "f.gif")
    assert not list(tmp_path.glob("*.gif"))
