#!/usr/bin/env python3
"""Submit a job script of Snakemake as a job of Kubernetes; prints the job's name.

LARGEBATCH_IMAGE: a container image with the environment. LARGEBATCH_VOLUME: <claim>:<folder>, the volume that
every job and Snakemake itself see in this folder, in which the checkout lies.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path


def manifest(asked: argparse.Namespace, image: str, claim: str, folder: str) -> dict:
    """One attempt in the current folder: Snakemake itself tries again."""
    limits = {"cpu": str(asked.cpus), "memory": f"{asked.megabytes}M"}
    if asked.gpus:
        limits["nvidia.com/gpu"] = str(asked.gpus)
    container = {
        "name": "job",
        "image": image,
        "command": ["sh", str(asked.script.absolute())],
        "workingDir": str(Path.cwd()),
        "resources": {"limits": limits},
        "volumeMounts": [{"name": "shared", "mountPath": folder}],
    }
    pod = {
        "restartPolicy": "Never",
        "containers": [container],
        "volumes": [{"name": "shared", "persistentVolumeClaim": {"claimName": claim}}],
    }
    times = {"activeDeadlineSeconds": 60 * asked.minutes, "ttlSecondsAfterFinished": 24 * 3600}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"generateName": "largebatch-"},
        "spec": {"backoffLimit": 0, **times, "template": {"spec": pod}},
    }


def told(name: str, wanted: str) -> str:
    if not (value := os.environ.get(name)):
        sys.exit(f"{name}: wanted {wanted}; got nothing")
    return value


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("cpus", "gpus", "megabytes", "minutes"):
        parser.add_argument(f"--{name}", type=int, required=True)
    parser.add_argument("script", type=Path)
    asked = parser.parse_args()
    image = told("LARGEBATCH_IMAGE", "the name of a container image")
    claim, _, folder = told("LARGEBATCH_VOLUME", "<claim>:<folder>").partition(":")
    if not Path.cwd().is_relative_to(folder or "."):
        wanted = f"<claim>:<folder> with {Path.cwd()} in the folder"
        sys.exit(f"LARGEBATCH_VOLUME: wanted {wanted}; got {folder!r}")
    text = json.dumps(manifest(asked, image, claim, folder))
    command = ["kubectl", "create", "--filename", "-", "--output", "jsonpath={.metadata.name}"]
    sys.exit(subprocess.run(command, input=text, text=True).returncode)


if __name__ == "__main__":
    main()
