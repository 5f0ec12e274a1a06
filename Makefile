# Each target sets up what it needs; `make demo` and `make test` work on a
# fresh machine. Another Python: make PYTHON=/path/to/python3.11 demo

.PHONY: demo demo-all web reproduce test test-slow test-serving test-web \
  toy-model bench bench-easy-vqa bench-detection bench-encoder bench-step \
  bench-growth bench-serving bench-beam bench-vision demo-detector bazel-test \
  build-files lint format lock install docs dependencies dist coverage mutation \
  clean

BIN := .venv/bin
READY := .venv/.ready

demo: $(READY)
	$(BIN)/vlbert-demo --output_dir=build/demo

demo-all: $(READY)
	$(BIN)/vlbert-demo --tasks=all --output_dir=build/demo_all

# The claims of the paper in miniature: hours; QUICK=1 takes one seed and less of
# all. Stopped, it goes on where it was.
reproduce: $(READY)
	$(BIN)/vlbert-reproduce $(if $(QUICK),--quick)

# In two runs, the second whatever came of the first. A process keeps what
# TensorFlow has traced, and one run of all would need more than 8 GB.
MODELS := tests/modeling tests/tasks tests/training
FAST := $(BIN)/pytest -q -n 2 --dist loadfile -m "not slow"

test: $(READY)
	$(FAST) $(MODELS); first=$$?; \
	  $(FAST) $(addprefix --ignore=,$(MODELS)) && exit $$first

test-slow: $(READY)
	$(BIN)/pytest -q -m slow

# TensorFlow Serving's promises, asked of SERVER=HOST:PORT, which has to serve
# the model that `make toy-model` writes, as `toy`. Without SERVER they are asked
# of tensorflow_model_server, where that is on PATH, and of vlbert-serve.
test-serving: $(READY)
	VLBERT_SERVER=$(SERVER) $(BIN)/pytest -q $(if $(SERVER),,\
	  tests/serving/server/test_model_server.py) \
	  tests/serving/server/test_contract.py \
	  tests/serving/server/test_model_info.py

# The web page in Chromium, which is installed where that is allowed; without a
# browser these tests are skipped.
test-web: $(READY)
	command -v chromedriver >/dev/null || apt-get install -y \
	  --no-install-recommends chromium chromium-driver || true
	$(BIN)/pytest -q -rs tests/serving/web

toy-model: $(READY)
	$(BIN)/python -m tests.serving.toy_model build/toy

# The export of `make demo`, or another.
MODEL_DIR := build/demo/export

$(MODEL_DIR):
	@echo "A model is served that was exported. Received: $@, which is not" \
	  "there. Run make demo first, or pass MODEL_DIR=EXPORT." >&2
	@exit 1

# The model on a page for the browser, whose address is printed at once.
web: $(MODEL_DIR) $(READY)
	$(BIN)/vlbert-serve --model_dir=$(MODEL_DIR) --web $(addprefix \
	  --web_photos=,$(wildcard build/demo/data/images/test))

# Answers in a second and their latencies, with batching and without.
bench-serving: $(MODEL_DIR) $(READY)
	$(BIN)/python -m benchmarks.serving --seconds=20 --model_dir=$(MODEL_DIR)
# Builds all and runs the fast tests that a change can have touched.
# More flags of Bazel: make BAZEL_FLAGS=--jobs=1 bazel-test
bazel-test: $(READY)
	bazel/install.sh
	PATH="$(CURDIR)/$(BIN):$$PATH" bazel test $(BAZEL_FLAGS) //...

build-files: $(READY)
	$(BIN)/python -m bazel.build_files

bench: bench-easy-vqa

bench-easy-vqa: $(READY)
	$(BIN)/vlbert-demo --dataset=easy_vqa --output_dir=build/easy_vqa

# A detector for scenes, from random weights; the last lines are its metrics.
DETECTION := build/detection

bench-detection: $(READY)
	$(BIN)/vlbert-make-scenes --output_dir=$(DETECTION)/data \
	  --caption_images=4000 --seed=8
	test -d $(DETECTION)/records/scenes || $(BIN)/vlbert-build-examples \
	  --dataset=captions --name=scenes --output_dir=$(DETECTION)/records \
	  $(foreach split,train val,$(detection_split))
	$(BIN)/vlbert-train --experiment=vlbert/detection \
	  --config_file=configs/detection/tiny.yaml \
	  --model_dir=$(DETECTION)/model \
	  --params_override=task.train_data.path=$(DETECTION)/records/scenes
	$(BIN)/vlbert-evaluate --model_dir=$(DETECTION)/model \
	  --records=$(DETECTION)/records/scenes

# The detector of the demo, trained by the target above: a new one of its kind.
demo-detector: bench-detection
	rm -rf configs/detection/scenes
	$(BIN)/vlbert-publish --model_dir=$(DETECTION)/model \
	  --output_dir=configs/detection/scenes

# Images a second of vlbert-extract-rois with one and two workers and a pool.
bench-beam: $(READY)
	$(BIN)/python -m benchmarks.beam --detector=tiny --images=1000 --many=5000
	$(BIN)/python -m benchmarks.beam --detector=base --images=8 --workers=1 \
	  --nopool

# Our encoder against others, in turn. The peers are an optional group: install
# them with .venv/bin/pip install '.[bench]' (with uv: uv pip install).
bench-encoder: $(READY)
	$(BIN)/python -m benchmarks.encoder

# The whole pre-training step, and its memory. CAPTIONS, a TSV file of Conceptual
# Captions, gives the lengths that buckets are measured on.
bench-step: $(READY)
	$(BIN)/python -m benchmarks.step $(if $(CAPTIONS),--captions=$(CAPTIONS))
	$(BIN)/python -m benchmarks.step --memory

# How cost grows; draws docs/growth.png.
bench-growth: $(READY)
	$(BIN)/python -m benchmarks.growth --plot=docs/growth.png

comma := ,
detection_split = --split=$(split)$(comma)$\
  captions=$(DETECTION)/data/captions/$(split).tsv$(comma)$\
  images=$(DETECTION)/data/images$(comma)$\
  image_index=$(DETECTION)/data/captions/$(split)_index.tsv$(comma)$\
  instances=$(DETECTION)/data/instances_captions_$(split).json

# PyTorch, the measure, is no dependency: pip install -e ".[bench]".
bench-vision: $(READY)
	$(BIN)/python -m benchmarks.vision

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Needs uv. pip has the last word: it refuses some packages that uv takes.
lock:
	uv pip compile --quiet --universal --python-version 3.11 --extra dev \
	  --no-header --no-annotate --no-strip-extras pyproject.toml \
	  --output-file requirements.lock
	uv venv --quiet --seed --clear --python 3.11 build/lock
	build/lock/bin/pip install --quiet --disable-pip-version-check \
	  --dry-run --no-deps --requirement requirements.lock

# The API reference, from the docstrings: build/docs/index.html.
docs: $(READY)
	$(BIN)/python -m release.api_reference build/docs

# The list of packages with their versions and licenses, after `make lock`.
dependencies: $(READY)
	$(BIN)/python -m release.dependencies

# Wheel and source distribution. The environment builds them: no network.
dist: $(READY)
	rm -rf build/dist
	$(BIN)/python -m build --no-isolation --outdir build/dist
	$(BIN)/twine check --strict build/dist/*

# The fast tests with the lines that they run, each package at 90 % or more.
coverage: $(READY)
	$(BIN)/coverage erase
	$(FAST) --cov --cov-report= $(MODELS)
	$(FAST) --cov --cov-report= --cov-append $(addprefix --ignore=,$(MODELS))
	$(foreach package,vlbert_tf beam_jobs serving,$(BIN)/coverage report \
	  --include='$(package)/*' --skip-covered --fail-under=90 &&) true

# Faults that tests have to notice, in a copy of the tree, one after the other.
mutation: $(READY)
	$(BIN)/python -m release.mutations

install: $(READY)

$(READY): requirements.lock pyproject.toml .ci/setup.sh
	PYTHON="$(PYTHON)" .ci/setup.sh

clean:
	rm -rf build .venv
