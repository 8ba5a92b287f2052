"""Draw the benchmarks in results/benchmarks: speed relative to the plain loop, memory by batch size, growth.

python benchmarks/draw.py [--device cpu]
"""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd

FOLDER = Path("results/benchmarks")
# One colour per number of seeds; each net has its own panel.
COLOURS = {1: "#0072b2", 5: "#d55e00", 20: "#009e73"}


def draw_speed(rows: pd.DataFrame, stem: Path) -> None:
    """Ratio of model-updates per second, with its range; a panel per net, a line per number of seeds."""
    nets = list(dict.fromkeys(rows["net"]))
    columns = min(4, len(nets))
    lines = -(-len(nets) // columns)
    figure, axes = plt.subplots(
        lines, columns, figsize=(3.0 * columns, 2.7 * lines), sharey=True, squeeze=False, layout="constrained"
    )
    for panel, net in zip(axes.flat, nets, strict=False):
        for seeds, of_seeds in rows[rows["net"] == net].groupby("seeds"):
            spread = [of_seeds["ratio"] - of_seeds["ratio_low"], of_seeds["ratio_high"] - of_seeds["ratio"]]
            label = f"{seeds} seed" + "s" * (seeds > 1)
            x, y = of_seeds["batch_size"], of_seeds["ratio"]
            panel.errorbar(x, y, spread, color=COLOURS[seeds], marker="o", capsize=2, label=label)
        panel.axhline(1.0, color="0.5", linestyle=":")
        panel.set(title=net, xscale="log", yscale="log", xlabel="batch size")
        panel.set_xticks(sorted(set(rows[rows["net"] == net]["batch_size"])))
        panel.xaxis.set_major_formatter("{x:g}")
        panel.xaxis.set_minor_locator(plt.NullLocator())
        panel.set_yticks([0.5, 1, 2, 5, 10])
        panel.yaxis.set_major_formatter("{x:g}")
        panel.yaxis.set_minor_locator(plt.NullLocator())
    for panel in axes.flat[len(nets) :]:
        panel.set_visible(False)
    for panel in axes[:, 0]:
        panel.set_ylabel("times the plain loop")
    axes.flat[0].legend(frameon=False)
    save(figure, stem)


def draw_memory(rows: pd.DataFrame, stem: Path) -> None:
    """Peak memory against batch size, one line per net; dotted: what was expected."""
    figure, panel = plt.subplots(figsize=(4.5, 3.2), layout="constrained")
    for net, of_net in rows.groupby("net", sort=False):
        (line,) = panel.plot(of_net["batch_size"], of_net["peak_mib"], marker="o", label=net)
        if "expected_mib" in of_net:
            panel.plot(of_net["batch_size"], of_net["expected_mib"], color=line.get_color(), linestyle=":")
    panel.set(xscale="log", yscale="log", xlabel="batch size", ylabel="peak memory above the data (MiB)")
    for axis in (panel.xaxis, panel.yaxis):
        axis.set_major_formatter("{x:g}")
    panel.legend(frameon=False)
    save(figure, stem)


GROWING = {
    "seeds": "seeds",
    "batch_size": "batch size",
    "width": "width of both hidden layers",
    "images": "training images",
}


def draw_growth(rows: pd.DataFrame, stem: Path) -> None:
    """CPU seconds per epoch with ranges, of the engine and of one seed in a plain loop times their number."""
    figure, axes = plt.subplots(1, 4, figsize=(12, 3.1), sharey=True, layout="constrained")
    sides = {"ours": ("engine", COLOURS[1]), "plain": ("plain loop", COLOURS[5])}
    for panel, (name, label) in zip(axes, GROWING.items(), strict=True):
        of_series = rows[rows["series"] == name]
        for side, (called, colour) in sides.items():
            y, low, high = (of_series[f"{side}_cpu_seconds{end}"] for end in ("", "_low", "_high"))
            style = {"color": colour, "marker": "o", "markersize": 4, "capsize": 2, "label": called}
            panel.errorbar(of_series[name], y, [y - low, high - y], **style)
        panel.set(xscale="log", yscale="log", xlabel=label)
        panel.set_xticks(sorted(of_series[name])[::-2])
        panel.xaxis.set_major_formatter("{x:,g}")
        panel.xaxis.set_minor_locator(plt.NullLocator())
    axes[0].set_ylabel("CPU seconds per epoch of all seeds")
    axes[0].legend(frameon=False, fontsize="small")
    save(figure, stem)


def save(figure: plt.Figure, stem: Path) -> None:
    figure.savefig(stem.with_suffix(".png"), dpi=150, metadata={"Software": None})
    plt.close(figure)
    print(stem.with_suffix(".png"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cpu")
    a = parser.parse_args()
    draw_speed(pd.read_csv(FOLDER / f"{a.device}.csv"), FOLDER / f"{a.device}")
    draw_memory(
        pd.read_csv(FOLDER / f"memory-by-batch-{a.device}.csv"), FOLDER / f"memory-by-batch-{a.device}"
    )
    if (growth := FOLDER / f"growth-{a.device}.csv").is_file():
        draw_growth(pd.read_csv(growth), growth.with_suffix(""))


if __name__ == "__main__":
    main()
