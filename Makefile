# Each target sets up what it needs; `make demo` and `make test` work on a
# fresh machine. Another Python: make PYTHON=/path/to/python3.11 demo

.PHONY: demo demo-all test test-slow bench bench-easy-vqa bench-detection demo-detector \
  bazel-test build-files lint format lock install clean

BIN := .venv/bin
READY := .venv/.ready

demo: $(READY)
	$(BIN)/vlbert-demo --output_dir=build/demo

demo-all: $(READY)
	$(BIN)/vlbert-demo --tasks=all --output_dir=build/demo_all

test: $(READY)
	$(BIN)/pytest -q -n 2 --dist loadfile -m "not slow"

test-slow: $(READY)
	$(BIN)/pytest -q -m slow

# Builds all and runs the fast tests that a change can have touched.
# More flags of Bazel: make BAZEL_FLAGS=--jobs=1 bazel-test
bazel-test: .venv/.compiled
	bazel/install.sh
	PATH="$(CURDIR)/$(BIN):$$PATH" bazel test $(BAZEL_FLAGS) //...

# Tests cannot write bytecode into .venv, and TensorFlow's takes them seconds.
.venv/.compiled: $(READY)
	-$(BIN)/python -m compileall -q -j 0 .venv/lib >/dev/null
	touch $@

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

comma := ,
detection_split = --split=$(split)$(comma)$\
  captions=$(DETECTION)/data/captions/$(split).tsv$(comma)$\
  images=$(DETECTION)/data/images$(comma)$\
  image_index=$(DETECTION)/data/captions/$(split)_index.tsv$(comma)$\
  instances=$(DETECTION)/data/instances_captions_$(split).json

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Needs uv. pip has the last word: it refuses some packages that uv takes.
lock:
	uv pip compile --quiet --universal --python-version 3.11 --extra dev \
	  --no-header --no-annotate pyproject.toml --output-file requirements.lock
	uv venv --quiet --seed --clear --python 3.11 build/lock
	build/lock/bin/pip install --quiet --disable-pip-version-check \
	  --dry-run --no-deps --requirement requirements.lock

install: $(READY)

$(READY): requirements.lock pyproject.toml .ci/setup.sh
	PYTHON="$(PYTHON)" .ci/setup.sh

clean:
	rm -rf build .venv
