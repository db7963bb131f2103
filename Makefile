# Every road into icepoint: `make demo` and `make test` set up all they need; `make help` lists the rest.
PYTHON ?= python3
TORCH  ?= torch==2.13.0
VENV   ?= .venv
PY     := $(VENV)/bin/python
JOBS   ?= $(shell nproc)

# What decides whether the extension must be built again.
SOURCES := $(shell find csrc -name '*.cpp' -o -name '*.h' 2>/dev/null) setup.py pyproject.toml
# CMAKE_PREFIX_PATH from the torch of the virtual environment, and never Debian's libtorch.
CMAKE = cmake -G Ninja -S . -DCMAKE_PREFIX_PATH="$$($(PY) -c 'import torch; print(torch.utils.cmake_prefix_path)')"

.DEFAULT_GOAL := help
.PHONY: help build demo bench zoo accuracy test lint format test-cpp test-python notebook checkpoints asan tsan clean packages

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: $(VENV)/.extension build/.built  ## set up and build only: the package in .venv, the executable at build/icepoint

demo: build  ## train on real digits, quantize, freeze, replay in Python and in the executable, show the result
	@$(PY) -m icepoint.demo

bench: build .venv-bench/.deps  ## icepoint beside its peers, interleaved; QUICK=1: five minutes, ARGS="--help": what else
	@$(PY) -m benchmarks $(if $(QUICK),--quick) $(ARGS)

zoo: build  ## torchvision's networks in integers: coverage, equal bytes, SQNR beside ONNX Runtime, speed; ONLY="resnet18 googlenet", QUICK=1, WEIGHTS=1
	@$(PY) -m benchmarks.zoo $(ONLY) $(if $(QUICK),--quick) $(if $(WEIGHTS),--weights)

accuracy: build .venv-bench/.deps  ## answers changed and SQNR beside ONNX Runtime, OpenVINO/NNCF and torchao; QUICK=1, ARGS="--help"
	@$(PY) -m benchmarks.accuracy $(if $(QUICK),--quick) $(ARGS)

test: build lint test-cpp test-python  ## everything: lint, C++ tests, Python tests, notebook

lint: $(VENV)/.deps  ## clang-format and ruff, nothing is changed
	@clang-format --dry-run -Werror $$(find csrc tests benchmarks -name '*.cpp' -o -name '*.h')
	@$(VENV)/bin/ruff check --quiet .
	@$(VENV)/bin/ruff format --check --quiet .

format: $(VENV)/.deps  ## let clang-format and ruff rewrite the sources
	@clang-format -i $$(find csrc tests benchmarks -name '*.cpp' -o -name '*.h')
	@$(VENV)/bin/ruff check --fix --quiet .
	@$(VENV)/bin/ruff format --quiet .

test-cpp: build  ## the C++ tests (GoogleTest, no torch)
	@ctest --test-dir build --output-on-failure -j $(JOBS) >build/ctest.log || { cat build/ctest.log; exit 1; }
	@tail -n 3 build/ctest.log

test-python: build  ## the Python tests, the executable's, and the notebook from top to bottom
	@$(PY) -m pytest -q -rs --nbmake tests/python notebooks

checkpoints: build  ## train the committed networks again (needs the full MNIST and the flower photographs; an hour)
	@$(PY) -m icepoint train --dataset mnist --model Net --out ckpt/mnist_cnn.pt
	@$(PY) -m icepoint train --dataset mnist --model NetBN --out ckpt/mnist_cnnbn.pt
	@$(PY) -m icepoint.training.flowers --out ckpt/flowers_vgg.pt

asan: packages  ## the C++ tests under AddressSanitizer and UBSan
	@cmake -G Ninja -S . -B build/asan -DICEPOINT_TORCH=OFF -DICEPOINT_SANITIZE=address,undefined >/dev/null
	@cmake --build build/asan -j $(JOBS) -- --quiet && build/asan/icepoint_tests --gtest_brief=1

tsan: packages  ## the C++ tests that use threads under ThreadSanitizer
	@cmake -G Ninja -S . -B build/tsan -DICEPOINT_TORCH=OFF -DICEPOINT_SANITIZE=thread >/dev/null
	@cmake --build build/tsan -j $(JOBS) -- --quiet && build/tsan/icepoint_tests --gtest_brief=1 --gtest_filter='*Thread*:*Executor*:*Runtime*'

clean:  ## remove what was built, keep the virtual environment
	rm -rf build python/icepoint/*.so python/*.egg-info $(VENV)/.extension

packages:  ## install the Debian packages that are missing, or say the command
	@sh scripts/debian-packages.sh $(PYTHON)

$(VENV)/.deps: requirements-dev.txt scripts/venv.sh scripts/torch-venv.sh | packages
	@sh scripts/venv.sh $(PYTHON) $(VENV) "$(TORCH)"
	@touch $@

.venv-bench/.deps: $(wildcard benchmarks/requirements*.txt) scripts/bench-venvs.sh scripts/torch-venv.sh | packages
	@echo "icepoint: setting up the engines to compare with" >&2
	@sh scripts/bench-venvs.sh $(PYTHON) "$(TORCH)"
	@touch $@

$(VENV)/.extension: $(SOURCES) $(VENV)/.deps
	@echo "icepoint: building the Python extension" >&2
	@MAX_JOBS=$(JOBS) $(PY) -m pip --disable-pip-version-check --quiet install --no-build-isolation --no-deps -e .
	@touch $@

build/.built: build/.cmake $(SOURCES) $(wildcard tests/cpp/*)
	@echo "icepoint: building the executable and the C++ tests" >&2
	@cmake --build build -j $(JOBS) -- --quiet
	@touch $@

build/.cmake: CMakeLists.txt $(wildcard cmake/*) $(VENV)/.deps
	@$(CMAKE) -B build >/dev/null
	@touch $@
