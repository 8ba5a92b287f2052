"""Where the wall time of a finished run went: training, measuring, drawing, starting jobs, Snakemake.

Snakemake's benchmarks (logs/<scale>/benchmarks/) give the seconds of every job. Training and measuring record
their own seconds; the rest of such a job is its start. What remains of cores times wall time is Snakemake's
own start and scheduling, and waiting.

python benchmarks/wall_time.py CHECKOUT SCALE --cores 2 --wall-seconds 1111 [--out FILE]
"""

import argparse
from collections import defaultdict
from pathlib import Path

import pandas as pd
from throughput import write

from largebatch.files import read_json, read_provenance

KINDS = {
    "train": "training",
    "measure": "measuring",
    "path": "measuring",
    "aggregate": "aggregating",
    "judge": "judging",
    "draw": "drawing",
    "tabulate": "drawing",
    "animate": "drawing",
    "exhibit": "exhibits",
    "report": "drawing",
}


def job_seconds(benchmarks: Path) -> dict[str, float]:
    """Seconds that the jobs of each kind took together."""
    spent: dict[str, float] = defaultdict(float)
    for path in benchmarks.glob("*/*.tsv"):
        spent[KINDS[path.parent.name]] += pd.read_csv(path, sep="\t")["s"].sum()
    return spent


def own_seconds(results: Path) -> dict[str, float]:
    """Seconds that training and measuring recorded themselves."""
    measured = [*results.glob("runs/*/*.parquet"), *results.glob("paths/*.parquet")]
    records = (read_provenance(path) for path in measured)
    return {
        "training": sum(read_json(path)["seconds"] for path in results.glob("runs/*/provenance.json")),
        "measuring": sum(record.get("seconds", 0.0) for record in records),
    }


def split(checkout: Path, scale: str, cores: int, wall: float) -> list[dict]:
    """Seconds of a core by kind, and their share of cores x wall time."""
    spent = job_seconds(checkout / "logs" / scale / "benchmarks")
    for kind, seconds in own_seconds(checkout / "results" / scale).items():
        spent["starting jobs"] += max(0.0, spent[kind] - seconds)
        spent[kind] = min(spent[kind], seconds)
    # in older runs drawing and judging have no benchmarks
    rest = "Snakemake and waiting" if "drawing" in spent else "drawing, judging, Snakemake and waiting"
    spent[rest] = max(0.0, cores * wall - sum(spent.values()))
    return [
        {
            "scale": scale,
            "cores": cores,
            "wall_seconds": round(wall),
            "part": kind,
            "core_seconds": round(float(seconds), 1),
            "share_percent": round(100 * float(seconds) / (cores * wall), 1),
        }
        for kind, seconds in sorted(spent.items(), key=lambda item: -item[1])
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkout", type=Path)
    parser.add_argument("scale")
    parser.add_argument("--cores", type=int, required=True)
    parser.add_argument("--wall-seconds", type=float, required=True, help="of the whole run")
    parser.add_argument("--out", type=Path, help="default: results/benchmarks/wall-time-<scale>.csv")
    a = parser.parse_args()
    rows = split(a.checkout, a.scale, a.cores, a.wall_seconds)
    for row in rows:
        print(row)
    write(a.out or Path(f"results/benchmarks/wall-time-{a.scale}.csv"), rows)


if __name__ == "__main__":
    main()
