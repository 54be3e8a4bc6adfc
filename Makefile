# make demo   train, segment and evaluate on sample data; pictures and tables go to demo/
# make test   style, types and the whole test suite, with the real napari window on a virtual screen
# Each does all of its own set-up: system packages (Debian), a virtual environment in .venv,
# and the versions of constraints.txt, in files whose hashes are in locks/. The second call
# finds it done.

PYTHON ?= $(shell .ci/find-python)
PYTEST_ARGS ?= -n 2 --dist loadfile
BIN := .venv/bin

# A Qt window with OpenGL on a virtual screen.
SCREEN_PACKAGES := xvfb xauth libxcb-cursor0 libxcb-icccm4 libxcb-keysyms1 \
	libxkbcommon-x11-0 libxcb-image0 libxcb-render-util0 libxcb-shape0 libxcb-xinerama0 \
	libgl1 libegl1 libglib2.0-0 libdbus-1-3 libfontconfig1
SCREEN := env -u QT_QPA_PLATFORM xvfb-run -a -s "-screen 0 1600x1200x24"

.PHONY: demo test test-oldest test-newest fuzz audit lint format benchmarks locks clean

demo: .venv/engine
	$(BIN)/python examples/demo.py --out demo
	@echo "The command utile is in $(BIN); to have it by name:  . $(BIN)/activate"

test: .venv/screen lint
	$(SCREEN) $(BIN)/python -m pytest $(PYTEST_ARGS)

# The suite with the lowest and the highest versions that pyproject.toml allows, each in an
# environment of its own. TORCH=2.13.0 takes this version of PyTorch all the same.
test-oldest: .venv/screen
	.ci/make-bounds "$(PYTHON)" .venv-oldest lowest-direct $(TORCH)
	$(SCREEN) .venv-oldest/bin/python -m pytest $(PYTEST_ARGS)

test-newest: .venv/screen
	.ci/make-bounds "$(PYTHON)" .venv-newest highest $(TORCH)
	$(SCREEN) .venv-newest/bin/python -m pytest $(PYTEST_ARGS)

# Damaged inputs of every kind: INPUTS of each target, drawn with SEED; finds go to found/.
fuzz: .venv/window
	$(BIN)/python tests/fuzz/fuzz.py --inputs $(or $(INPUTS),1000) --seed $(or $(SEED),0) --found found

# Known vulnerabilities of the locked versions, by a database on the network.
audit: .venv/engine
	.ci/audit

lint: .venv/window
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

format: .venv/window
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

benchmarks: .venv/window
	for script in $(filter-out %/quality.py, $(wildcard benchmarks/*.py)); do echo "== $$script"; $(BIN)/python $$script || exit 1; done

clean:
	rm -rf .venv .venv-oldest .venv-newest found demo build dist .pytest_cache .ruff_cache .mypy_cache .hypothesis

locks:
	.ci/make-locks

# Each file below says that a stage of the set-up is done.

.venv/engine: pyproject.toml $(wildcard locks/*) hatch_build.py napari.yaml
	.ci/make-venv "$(PYTHON)"
	@echo "Installing into .venv, for a minute or two ..."
	.ci/install-locked torch engine
	$(BIN)/python -m pip install -q --no-deps --no-build-isolation -e .
	touch $@

.venv/window: .venv/engine
	.ci/install-locked window
	touch $@

.venv/screen: .ci/system-packages
	.ci/system-packages $(SCREEN_PACKAGES) \
		$$($(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || echo python3 python3-venv)
	mkdir -p .venv && touch $@
