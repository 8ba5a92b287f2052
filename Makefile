# make results | make test: each first sets up .venv from the hashed lock. See README.md.
PYTHON ?= python3
SCALE ?= digits
SEED ?= 0
BIN := .venv/bin
# The environment of the checkout, whatever else is on the path.
RUN := PATH="$(CURDIR)/$(BIN):$$PATH"
# Snakemake and matplotlib write below the home folder, or here if it is not writable.
ifneq ($(shell mkdir -p "$${XDG_CACHE_HOME:-$$HOME/.cache}/snakemake" 2>/dev/null && test -w "$${XDG_CACHE_HOME:-$$HOME/.cache}/snakemake" && echo yes),yes)
RUN += XDG_CACHE_HOME="$(CURDIR)/.snakemake/cache" MPLCONFIGDIR="$(CURDIR)/.snakemake/matplotlib"
endif

.PHONY: results test slurm faults kills damages audit calibrate lint publish docs benchmark gpu lock clean

results: $(BIN)/.ready
	@# exec: make passes a signal on to its shell, which would not
	exec env $(RUN) snakemake --cores all --config scale=$(SCALE)
	@test ! -d results/published/$(SCALE) || $(RUN) largebatch compare results/$(SCALE) results/published/$(SCALE) || true
	@$(RUN) largebatch answers results/$(SCALE)

# In up to four processes, which take some 2 GB each.
test: $(BIN)/.ready
	$(RUN) python -m pytest -n auto --maxprocesses 4 --dist loadfile

# Kills, damaged files and mutated configurations, more than `make test` tries: docs/reliability.md.
faults: $(BIN)/.ready
	$(MAKE) -j 2 kills damages

kills:
	LARGEBATCH_FAULTS=$(SEED) $(RUN) python -m pytest --durations 3 tests/test_interrupts.py tests/test_surroundings.py

damages:
	LARGEBATCH_FAULTS=$(SEED) $(RUN) python -m pytest --durations 3 tests/test_damage.py tests/test_mutations.py

# A study through SLURM on this machine, as root; needs its daemons (Debian: munge slurmctld slurmd slurm-client).
slurm: .snakemake/slurm
	LARGEBATCH_WHOLE=1 $(RUN) python -m pytest --durations 3 tests/test_slurm.py

# The plugin, apart from the environment: where there is no SLURM, each call of Snakemake would wait for one.
.snakemake/slurm: profiles/slurm/requirements.lock | $(BIN)/.ready
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps --upgrade \
		--target $@ -r $<
	@touch $@

# Known vulnerabilities of what the lock names; asks the package registry about each.
audit: $(BIN)/.ready
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv tool run pip-audit --requirement requirements.lock --require-hashes --disable-pip

# How often each kind of claim errs, by simulation: docs/calibration.md.
calibrate: $(BIN)/.ready
	$(RUN) python tools/calibrate.py

lint: $(BIN)/.ready
	$(RUN) ruff check .
	$(RUN) ruff format --check .
	$(RUN) snakefmt --check Snakefile workflow
	$(RUN) python tools/lint_workflow.py

# The published snapshot, made from a finished run.
publish: $(BIN)/.ready
	$(RUN) largebatch publish results/$(SCALE) results/published/$(SCALE)

# The documentation as a site in site/, which opens from disk; a broken link is an error.
docs: $(BIN)/.ready
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation -e ".[docs]"
	NO_MKDOCS_2_WARNING=1 $(RUN) mkdocs build

benchmark: $(BIN)/.ready
	$(RUN) python benchmarks/throughput.py
	$(RUN) python benchmarks/curvature.py
	$(RUN) python benchmarks/curvature_memory.py
	$(RUN) python benchmarks/memory.py
	$(RUN) python benchmarks/memory.py --fits 256
	$(RUN) python benchmarks/growth.py
	$(RUN) python benchmarks/planning.py
	$(RUN) python benchmarks/draw.py

# The first half hour on a GPU, by the Python that has PyTorch for it; see docs/gpu.md.
gpu: export PYTHONPATH := $(CURDIR)/src
gpu:
	$(PYTHON) -m pytest -m gpu
	$(PYTHON) benchmarks/throughput.py --device cuda
	LARGEBATCH_REPLAY=0 $(PYTHON) benchmarks/throughput.py --device cuda --out results/benchmarks/cuda-eager.csv
	$(PYTHON) tools/side_by_side.py --minutes 24 config/cifar10-jpeg.yaml:keskar config/cifar10-small.yaml:goyal config/mnist.yaml:keskar

# The environment is made again when the lock changes; an incomplete one does not count as ready.
$(BIN)/.ready: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "largebatch: wanted Python 3.11 or later; got " + sys.version.split()[0])'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@# a relative path, since Python reads this file in the encoding of the locale, whatever letters the folder's name has
	@cd $(BIN)/../lib/python3*/site-packages && echo ../../../../src > _editable_impl_largebatch.pth
	@touch $@

# For maintainers: pyproject.toml is the source, the lock and environment.yml follow.
lock: $(BIN)/.ready
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-header --output-file requirements.lock
	printf '%s\n' snakemake-executor-plugin-slurm snakemake-executor-plugin-slurm-jobstep | $(BIN)/uv pip compile - \
		--no-deps --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate \
		--output-file profiles/slurm/requirements.lock
	$(BIN)/python tools/environment.py

clean:
	rm -rf .venv .snakemake logs results/$(SCALE)
