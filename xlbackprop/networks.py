"""The templates: network files that come with the package, and how a NETWORK argument is read."""

from __future__ import annotations

import difflib
from importlib import resources
from pathlib import Path
from typing import Any

from xlbackprop.errors import NetworkError
from xlbackprop.spec import Spec, loads
from xlbackprop.spec import load as load_file

DEFAULT = "era-s6"


def templates() -> dict[str, str]:
    """The templates' names, each with its title."""
    return {name: load(name).title for name in template_names()}


def template_names() -> list[str]:
    return sorted(file.name.removesuffix(".toml") for file in _folder().iterdir() if file.name.endswith(".toml"))


def template_text(name: str) -> str:
    """The network file of a template. Raises NetworkError for a name that is none."""
    known = template_names()
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {near[0]}?" if near else f"templates are {', '.join(known)}"
        raise NetworkError(f"{name}: is neither a template nor a .toml file; {hint}")
    return str(_folder().joinpath(f"{name}.toml").read_text(encoding="utf-8"))


def load(network: str | Path) -> Spec:
    """A template by its name, or a network file by its path."""
    path = Path(network)
    if path.suffix.lower() == ".toml" or len(path.parts) > 1:
        return load_file(path)
    return loads(template_text(str(network)), f"template {network}")


def stem(network: str | Path) -> str:
    """What the output files of a network are named after."""
    return Path(network).stem if Path(network).suffix.lower() == ".toml" else Path(network).name


def _folder() -> Any:
    """templates/networks: inside the installed package, beside it in a source tree."""
    installed = resources.files("xlbackprop").joinpath("templates", "networks")
    return installed if installed.is_dir() else Path(__file__).resolve().parent.parent / "templates" / "networks"
