"""How far the costs of config/costs.py are from what runs took.

By scale, device and net: how many runs, their hours together, measured and expected, and by what factor a
run is off: the median, and what nine in ten keep.

python tools/cost_errors.py results/digits results/mnist-5k
"""

import argparse
from collections import defaultdict
from pathlib import Path
from statistics import median, quantiles

from largebatch.config.costs import FAMILIES, SPEEDS, costs, trained
from largebatch.config.study import load_study
from largebatch.files import read_json

KINDS = {"cpu": "cpu", "H100": "h100", "H200": "h200"}  # by a word of the device's name


def kind_of(device: str) -> str | None:
    return next((kind for word, kind in KINDS.items() if word in device), None)


def seconds_of(results: Path) -> dict[tuple[str, str], list[tuple[float, float]]]:
    """(device, family of nets) -> (measured, expected) seconds of each run whose arm the scale file has."""
    study = load_study(Path("config") / f"{results.name}.yaml")
    expected = {kind: costs(study, study.arms, kind) for kind in SPEEDS}
    found = defaultdict(list)
    for run, arm in study.arms.items():
        record = results / trained(run)
        if not record.is_file():
            continue
        told = read_json(record)
        if kind := kind_of(told["device"]):
            pair = told["seconds"], expected[kind][trained(run)]
            found[told["device"], FAMILIES[arm.model.name]].append(pair)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("results", nargs="+", type=Path)
    print("| scale | device | nets | runs | measured (h) | expected (h) | median factor | 9 in 10 within |")
    print("|---|---|---|---:|---:|---:|---:|---:|")
    for results in parser.parse_args().results:
        for (device, family), pairs in sorted(seconds_of(results).items()):
            factors = [max(a / b, b / a) for a, b in pairs]
            ninth = quantiles(factors, n=10, method="inclusive")[-1] if len(factors) > 1 else factors[0]
            measured, expected = (sum(each) / 3600 for each in zip(*pairs, strict=True))
            hours = f"{measured:.3f} | {expected:.3f} | {median(factors):.2f} | {ninth:.1f}"
            print(f"| {results.name} | {device} | {family} | {len(pairs)} | {hours} |")


if __name__ == "__main__":
    main()
