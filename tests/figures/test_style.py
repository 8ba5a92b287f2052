import numpy as np
import pytest
from PIL import Image

from largebatch.figures import png, style
from tests.shared.figures import letters_of


def test_an_error_of_nought_has_a_place_on_a_logarithmic_axis():
    canvas = style.canvas(2, 2)
    axes = canvas.subplots()
    style.log_axis(axes, "y", np.array([0.0, 0.3, 40.0]))
    ends = axes.transData.transform([(0, 0.0), (0, 0.3), (0, 40.0)])[:, 1]
    assert np.isfinite(ends).all() and (np.diff(ends) > 0).all()


@pytest.mark.parametrize("values", [[0.86, 1.0], [1.0, 2.4], [0.95, 1.05], [1.0, 6.0], [0.003, 40.0]])
def test_a_logarithmic_axis_shows_at_least_two_numbers(values):
    axes = style.canvas(2, 2).subplots()
    axes.plot(values, [0, 1])
    style.log_axis(axes, "x", np.array(values))
    low, high = axes.get_xlim()
    assert sum(low <= tick <= high for tick in axes.get_xticks()) >= 2


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (4, "4"),
        (1024, "1024"),
        (0.00125, "0.00125"),
        (-2, "−2"),
        (1e-5, "$10^{-5}$"),
        (2e6, r"$2\cdot10^{6}$"),
    ],
)
def test_ticks_are_plain_numbers(value, text):
    assert style.plain(value) == text


@pytest.mark.parametrize(
    ("settings", "ticks"),
    [
        ([4, 8, 16, 32, 64, 102, 256, 512, 1024], [4, 8, 16, 32, 64, 102, 256, 512, 1024]),
        ([4, 8, 16, 32, 64, 80, 256], [4, 8, 16, 32, 64, 256]),  # 80 is too near to 64
        ([2.0**i for i in range(13)], [4.0**i for i in range(7)]),  # 13 labels do not fit
        ([0.1], [0.1]),
    ],
)
def test_settings_get_a_tick_where_their_label_has_room(settings, ticks):
    assert style.thinned(np.array(settings)).tolist() == ticks


@pytest.mark.parametrize(
    ("panels", "most", "columns"),
    [(1, 3, 1), (2, 3, 2), (3, 3, 3), (4, 3, 2), (5, 3, 3), (11, 5, 4), (12, 5, 4), (13, 5, 5)],
)
def test_panels_stand_so_that_few_places_stay_empty(panels, most, columns):
    assert style.columns_of(panels, most) == columns


def test_panels_are_lettered_and_those_above_an_empty_place_have_their_ticks_labelled():
    figure = style.canvas(7, 4)
    blocks = style.panels(figure, 5, 3, 2, sharex=True, sharey=True)
    assert [len(block) for block in blocks] == [5, 5]
    assert letters_of(figure) == list("abcdefghij")
    labelled = [axes.xaxis.get_tick_params()["labelbottom"] for axes in figure.axes if axes.axison]
    assert labelled == [False] * 5 + [False, False, True, True, True]
    single = style.canvas(3, 3)
    style.panels(single, 1, 1)
    assert letters_of(single) == []


@pytest.mark.parametrize("which", ["x", "y"])
@pytest.mark.parametrize("scale", ["linear", "log"])
def test_an_axis_ends_at_the_largest_value_with_room_for_half_a_marker(which, scale):
    axes = style.canvas(3, 3).subplots()
    limits = getattr(axes, f"get_{which}lim")
    axes.set(**{f"{which}scale": scale, f"{which}lim": (10, 200)})
    style.end_at(axes, which, 300)
    style.end_at(axes, which, np.inf)
    assert limits() == (10, 200)
    style.end_at(axes, which, 100)
    room = limits()[1] - 100 if scale == "linear" else np.log10(limits()[1]) - 2
    assert limits()[0] == 10 and room == pytest.approx(0.02 * (90 if scale == "linear" else 1))
    axes.set(**{f"{which}lim": (10, 100.1)})
    style.end_at(axes, which, 100)
    assert limits() == (10, 100.1)


def test_one_line_needs_no_legend():
    for lines, legends in ((1, 0), (2, 1)):
        figure = style.canvas(3, 3)
        axes = figure.subplots()
        for line in range(lines):
            axes.plot([0, 1], label=str(line))
        style.legend_below(figure, axes)
        assert len(figure.legends) == legends


@pytest.mark.parametrize("aspect", ["auto", "equal"])
def test_all_formats_have_one_layout_and_it_is_at_rest(tmp_path, aspect):
    """The same as the first format's alone, and as matplotlib's after many layouts."""

    def place(write):
        with style.paper_style():
            figure = style.canvas(3.4, 2)  # too low for one layout
            axes = figure.subplots()
            axes.plot([0, 30], [0, 20])
            axes.set(title="a title", ylabel="second weight", aspect=aspect)
            write(figure)
            return axes.get_position().bounds

    first = place(lambda figure: style.save(figure, tmp_path / "one", {"png": {}}))
    assert first == place(
        lambda figure: style.save(figure, tmp_path / "all", {"pdf": {}, "png": {}, "svg": {}})
    )
    rest = place(lambda figure: [figure.savefig(tmp_path / "rest.png", dpi=png.PNG_DPI) for _ in range(5)])
    assert first == pytest.approx(rest, abs=1e-6)


def test_no_label_is_cut_off_in_any_format(tmp_path):
    """Letters fitted to pixels are wider than those of a pdf, for which a layout was once made."""
    with style.paper_style():
        figure = style.canvas(7.0, 2.4)
        for axes in figure.subplots(1, 2):
            axes.barh(["gradual warm-up, k = 8", "constant warm-up, k = 32"], [1, 2])
            axes.yaxis.tick_left()
        style.save(figure, tmp_path / "labels", {"pdf": {}, "png": {}})
    pixels = np.asarray(Image.open(tmp_path / "labels.png").convert("L"))
    assert min(pixels[:, 0].min(), pixels[:, -1].min()) > 250
