"""Builds llama.cpp's server, which tests take for an upstream, from a source distribution on PyPI.

It is compiled without optimization, for any processor of its kind, and without what tests do not
need. To move to another version: change tools/llama/*.in and run `make lock`.
"""

import shutil
import sys
import tempfile
from pathlib import Path
from typing import Final

from tool import BIN, ROOT, TOOLS, Tool, digest, environment, run

HERE: Final = ROOT / "tools" / "llama"
LOCK: Final = HERE / "requirements.lock"
SOURCE_LOCK: Final = HERE / "source.lock"
UNITY: Final = HERE / "unity.cmake"
TEMPLATE: Final = TOOLS / "llama" / "template.jinja"
"""A chat template with tools and reasoning, of the models that llama.cpp tests itself."""

OPTIONS: Final = {
    "CMAKE_BUILD_TYPE": "Debug",
    "CMAKE_CXX_FLAGS": "-w",
    "CMAKE_C_FLAGS_DEBUG": "-O1",
    "CMAKE_CXX_FLAGS_DEBUG": "-O0",
    "CMAKE_PROJECT_llama.cpp_INCLUDE": str(UNITY),
    "BUILD_SHARED_LIBS": "OFF",
    "GGML_CCACHE": "OFF",
    "GGML_LLAMAFILE": "OFF",
    "GGML_NATIVE": "OFF",
    "GGML_OPENMP": "OFF",
    "LLAMA_ALL_WARNINGS": "OFF",
    "LLAMA_BUILD_APP": "OFF",
    "LLAMA_BUILD_EXAMPLES": "OFF",
    "LLAMA_BUILD_TESTS": "OFF",
    "LLAMA_BUILD_UI": "OFF",
    "LLAMA_OPENSSL": "OFF",
    "LLAMA_USE_PREBUILT_UI": "OFF",  # it would be downloaded
}


def llama_server() -> Tool:
    """Return llama.cpp's server, with a chat template for its model."""
    pin = digest(LOCK, SOURCE_LOCK, UNITY, Path(__file__))
    return Tool("llama-server", pin, BIN / "llama-server", _install)


def _install() -> None:
    if not shutil.which("c++"):
        sys.exit("make tools: needs a C++ compiler, c++, on PATH; install it and run this again")
    with tempfile.TemporaryDirectory() as folder:
        programs = Path(folder) / "environment" / "bin"
        environment(programs.parent, LOCK)
        source = _source(programs / "python", Path(folder))
        built = source / "built"
        configure = ("-S", source, "-B", built, "-G", "Ninja", "--log-level=WARNING")
        ninja = f"-DCMAKE_MAKE_PROGRAM={programs / 'ninja'}"
        options = [f"-D{name}={value}" for name, value in OPTIONS.items()]
        run(programs / "cmake", *configure, ninja, *options)
        run(programs / "cmake", "--build", built, "--target", "llama-server", "--", "--quiet")
        TEMPLATE.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source / "models" / "templates" / "Qwen-Qwen3-0.6B.jinja", TEMPLATE)
        BIN.mkdir(parents=True, exist_ok=True)
        program = BIN / "llama-server"
        program.unlink(missing_ok=True)
        shutil.copy(built / "bin" / program.name, program)


def _source(python: Path, folder: Path) -> Path:
    """Download the source distribution; return the folder of llama.cpp in it."""
    # The build backend comes from the lock file, not from an isolated environment.
    built = ("--no-binary=:all:", "--no-build-isolation", "--requirement", SOURCE_LOCK)
    pip = (python, "-m", "pip", "--disable-pip-version-check")
    download = (*pip, "download", "--quiet", "--no-deps", "--require-hashes")
    run(*download, *built, "--dest", folder)
    [archive] = folder.glob("*.tar.gz")
    shutil.unpack_archive(archive, folder)
    [source] = folder.glob("*/vendor/llama.cpp")
    return source
