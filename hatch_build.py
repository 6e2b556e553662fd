"""Compiles what takes most of an event's time, wherever the router is built and a C compiler is at hand.

Which modules these are, and where they are found, is said in `router/compiled.py`. Without a compiler the
wheel is one of pure Python. `HATCH_BUILD_NO_HOOKS=true` in the environment compiles nothing.
"""

from __future__ import annotations

import contextlib
import runpy
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from Cython.Build import cythonize
from Cython.Compiler.Errors import CompileError
from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from setuptools import Distribution, Extension
from setuptools.errors import BaseError, CCompilerError

PLACE = "router/__compiled__"


class CompileHook(BuildHookInterface[Any]):
    """Puts the extensions into their place, and into the wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002 -- hatchling's signature
        """Compile what is not compiled yet, and say what the wheel is."""
        root = Path(self.root)
        compiled = runpy.run_path(str(root / "router/compiled.py"))
        extensions: list[Path] = compiled["extensions"]()
        named = zip(compiled["MODULES"], extensions, strict=True)
        if missing := {module: extension for module, extension in named if not extension.exists()}:
            _compile(root, missing)
        if not all(extension.exists() for extension in extensions):
            self.app.display_warning(
                "All stays interpreted: is there a C compiler, with Python's headers, and room for its work?"
            )
            return
        build_data["pure_python"] = False
        build_data["infer_tag"] = True
        build_data["artifacts"] += [f"/{extension.relative_to(root)}" for extension in extensions]


def _compile(root: Path, extensions: Mapping[str, Path]) -> None:
    """Compile modules, as far as that can be done: nobody's installation fails for what cannot.

    There may be no compiler, or the folder may be read-only or full. Each extension appears whole or not at
    all, however this ends; those of other interpreters stay, and what another one is just compiling.
    """
    mine = root / PLACE / next(iter(extensions.values())).relative_to(root / PLACE).parts[0]
    with contextlib.suppress(BaseError, CCompilerError, CompileError, OSError):
        mine.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=mine) as folder:  # on the same disk: what is done is only renamed
            _build(root, extensions, folder)
            for extension in extensions.values():
                extension.parent.mkdir(parents=True, exist_ok=True)
                Path(folder, "router", extension.relative_to(mine)).replace(extension)
        for other in mine.parent.iterdir():
            if other != mine:
                shutil.rmtree(other)  # of other sources


def _build(root: Path, modules: Iterable[str], folder: str) -> None:
    """Have Cython and the C compiler do their work, all of it in a folder."""
    wanted = [
        Extension(
            f"router.{module}",
            [str(root.joinpath("router", *module.split(".")).with_suffix(".py"))],
            extra_compile_args=["-g0"],
        )
        for module in modules
    ]
    # Annotations are mypy's business: a subclass of what they name is right, too.
    directives = {"language_level": 3, "annotation_typing": False}
    translated = cythonize(wanted, build_dir=folder, compiler_directives=directives, quiet=True)  # type: ignore[no-untyped-call] # Cython has no types
    command = Distribution({"ext_modules": translated}).get_command_obj("build_ext")
    command.build_lib = command.build_temp = folder
    command.parallel = True
    command.ensure_finalized()
    command.run()
