"""The commands that make a study's numbers one after the other, for a machine without Snakemake."""

import json
import shlex
from collections.abc import Iterator

from largebatch.config.study import Study, path_stem


def commands(study: Study) -> Iterator[str]:
    """Every data set, arm, measure, path and exhibit, each once, in an order that works; a shell's lines.

    Their files lie where Snakemake looks for them; what comes behind them, it can make elsewhere.
    """
    results, threads = f"results/{study.scale}", ["--threads", str(study.threads)]
    data = {arm.data.name: f"{results}/data/{arm.data.name}.safetensors" for arm in study.arms.values()}
    for name, out in data.items():
        folder = study.folders[name].model_dump_json() if name in study.folders else "null"
        yield line("data", "--name", name, "--sources", study.sources, "--folder", folder, "--out", out)
    for arm in study.arms.values():
        run, where = f"{results}/runs/{arm.id}", ["--data", data[arm.data.name]]
        settings = ["--settings", json.dumps(arm.chosen()), "--seeds", str(study.seeds)]
        yield line("train", *settings, *where, "--out", run, *threads)
    for measure, arm in dict.fromkeys((m, arm.id) for e in study.experiments for m, arm in e.measured()):
        options = ["--measure", measure, "--options", getattr(study.measures, measure).model_dump_json()]
        run, where = f"{results}/runs/{arm}", ["--data", data[study.arms[arm].data.name]]
        yield line("measure", *options, "--run", run, *where, "--out", f"{run}/{measure}.parquet", *threads)
    for start, end in study.paths():
        ends = ["--start", f"{results}/runs/{start.id}", "--end", f"{results}/runs/{end.id}"]
        options, where = study.measures.path.model_dump_json(), ["--data", data[start.data.name]]
        out = f"{results}/paths/{path_stem(start, end)}.parquet"
        yield line("path", "--options", options, *ends, *where, "--out", out, *threads)
    for stem, (name, options) in study.exhibits.items():
        chosen, seeds = json.dumps(options.chosen()), ["--seeds", str(study.seeds)]
        out = f"{results}/exhibits/{stem}.parquet"
        yield line("exhibit", "--name", name, "--options", chosen, *seeds, "--out", out, *threads)


def line(*words: str) -> str:
    """One call of the command line, quoted for a shell."""
    return shlex.join(["largebatch", *words])
