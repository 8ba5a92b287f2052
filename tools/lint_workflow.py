"""snakemake --lint, with the exceptions we make and why; exit code 1 for anything else."""

import re
import subprocess
import sys

EXCEPTIONS = {
    "Specify a conda environment or container for each rule.": (
        "every job runs in the environment that Snakemake runs in: one lock for all, see environment.yml"
    ),
}


def main() -> int:
    # Without the profile, whose `quiet` would silence the linter too.
    call = subprocess.run(
        ["snakemake", "--lint", "--workflow-profile", "none"],
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    output = call.stdout + call.stderr
    titles = re.findall(r"^    \* (.+):$", output, re.MULTILINE)
    to_mend = [title for title in titles if title not in EXCEPTIONS]
    if to_mend or (call.returncode and not titles):
        print(output)
    print(f"snakemake --lint: {len(to_mend)} to mend, {len(titles) - len(to_mend)} justified in {__file__}")
    return 1 if to_mend or (call.returncode and not titles) else 0


if __name__ == "__main__":
    sys.exit(main())
