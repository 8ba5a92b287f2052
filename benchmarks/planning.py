"""Time and memory of planning many arms: `largebatch check`, `largebatch plan`, and a dry run of Snakemake.

The study is a sweep over so many rates. Each arm is to be trained and measured twice; one claim and one
figure read all of them. Nothing is run.

python benchmarks/planning.py [--arms 500 2000] [--out FILE]
"""

import argparse
import csv
import os
import subprocess
import tempfile
import time
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
QUESTION = {
    "experiment": "sweep",
    "title": "A sweep",
    "question": "How does the rate change the test accuracy?",
    "measures": {"curvature": ["rates"], "keskar": ["rates"]},
    "claims": [
        {
            "id": "R1",
            "says": "Test accuracy rises with the rate.",
            "source": "none",
            "kind": "monotone",
            "metric": "test_accuracy_percent",
            "arm": "rates",
            "setting": "lr",
            "expect": {"above": 0.0},
        }
    ],
    "figures": [
        {
            "name": "rates",
            "kind": "against_setting",
            "caption": "Test error and top Hessian eigenvalue against the rate.",
            "x": "lr",
            "y": ["test_error_percent", "hessian_top_eigenvalue"],
            "lines": {"Adam": "rates"},
        }
    ],
    "tables": [
        {"name": "rates", "caption": "Updates.", "rows": {"one": "one"}, "metrics": ["updates"]},
    ],
}


def scale_of(arms: int) -> dict:
    """A scale with so many arms, with the data, net and measures of the smoke scale."""
    smoke = yaml.safe_load((ROOT / "config/smoke.yaml").read_text(encoding="utf-8"))
    rates = [round(1e-6 * (number + 1), 6) for number in range(arms)]
    one = {"optimiser": {"name": "adam"}, "batch_size": 16, "epochs": 4}
    settings = {"one": one | {"lr": rates[0]}, "rates": one | {"grid": {"lr": rates}}}
    kept = {name: smoke[name] for name in ("seeds", "base", "measures")}
    return kept | {"scale": "many", "experiments": ["sweep"], "numbers": {"sweep": {"arms": settings}}}


def cost(command: list[str], folder: Path) -> dict:
    """What a command takes that runs in this folder; it must succeed."""
    start = time.monotonic()
    with (folder / "out.txt").open("wb") as out:
        process = subprocess.Popen(command, cwd=folder, stdout=out, stderr=out)
        _, status, used = os.wait4(process.pid, 0)
    seconds = time.monotonic() - start
    if status:
        raise RuntimeError(f"{command}: {(folder / 'out.txt').read_text(encoding='utf-8')[-2000:]}")
    return {
        "cpu_seconds": round(used.ru_utime + used.ru_stime, 1),
        "seconds": round(seconds, 1),
        "peak_mib": round(used.ru_maxrss / 1024),
    }


def rows_of(arms: int) -> list[dict]:
    """A row per command."""
    rows = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        (folder / "experiments").mkdir()
        for name, content in {"many": scale_of(arms), "experiments/sweep": QUESTION}.items():
            (folder / f"{name}.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
        for place in ("Snakefile", "workflow", "profiles", "config", "CITATION.cff", "src"):
            (folder / place).symlink_to(ROOT / place)
        commands = {
            "largebatch check": ["largebatch", "check", "many.yaml"],
            "largebatch plan": ["largebatch", "plan", "many.yaml"],
            "snakemake --dry-run": ["snakemake", "--dry-run", "--cores", "2", "--configfile", "many.yaml"],
        }
        for name, command in commands.items():
            rows.append({"arms": arms, "command": name, **cost(command, folder)})
            print(rows[-1], flush=True)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--arms", nargs="+", type=int, default=[500, 2000])
    parser.add_argument("--out", type=Path, default=Path("results/benchmarks/planning.csv"))
    a = parser.parse_args()
    rows = [row for arms in a.arms for row in rows_of(arms)]
    with a.out.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
