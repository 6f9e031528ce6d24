"""The templates: network files that come with the package, and how a NETWORK argument is read."""

from __future__ import annotations

import difflib
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xlbackprop import kinds
from xlbackprop.errors import NetworkError
from xlbackprop.network_file import parsed

if TYPE_CHECKING:
    from xlbackprop.kinds import Document
    from xlbackprop.spec import Spec

DEFAULT = "era-s6"
TRAINING, FUNCTIONS, ARCHITECTURES = FOLDERS = ("networks", "curves", "architectures")


def templates() -> dict[str, str]:
    """The templates' names, each with its title."""
    return {name: str(parsed(template_text(name), name)["title"]) for name in sorted(_files())}


def template_names(folder: str = TRAINING) -> list[str]:
    """The templates of one kind: networks that train, function tables, architectures."""
    return sorted(
        file.name.removesuffix(".toml") for file in templates_in(folder).iterdir() if file.name.endswith(".toml")
    )


def template_text(name: str) -> str:
    """The network file of a template. Raises NetworkError for a name that is none."""
    known = _files()
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {near[0]}?" if near else "xlbackprop templates lists them"
        raise NetworkError(f"{name}: is neither a template nor a .toml file; {hint}")
    return str(known[name].read_text(encoding="utf-8"))


def load(network: str | Path) -> Spec:
    """A network that trains: a template by its name, or a network file by its path."""
    from xlbackprop import spec

    path = Path(network)
    if _is_file(path):
        return spec.load(path)
    return spec.loads(template_text(str(network)), f"template {network}")


def named(network: str | Path | Document) -> tuple[Document, str]:
    """What a network means, and what its files are named after: a template, a file, or what was read from one."""
    if isinstance(network, (str, Path)):
        return load_any(network), stem(network)
    return network, "network"


def load_any(network: str | Path) -> Document:
    """The same for every kind of network file."""
    path = Path(network)
    if not _is_file(path):
        return kinds.read(template_text(str(network)), f"template {network}")
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return load(path)  # which says what is wrong with it
    return kinds.read(text, str(path), path.parent)


def template_path(network: str) -> Path:
    """Where the network file of a NETWORK argument stands."""
    if _is_file(Path(network)):
        return Path(network)
    template_text(network)  # which complains of a name that is none
    return Path(str(_files()[network]))


def stem(network: str | Path) -> str:
    """What the output files of a network are named after."""
    return Path(network).stem if Path(network).suffix.lower() == ".toml" else Path(network).name


def _is_file(path: Path) -> bool:
    return path.suffix.lower() == ".toml" or len(path.parts) > 1


def _files() -> dict[str, Any]:
    """Every template's file by its name."""
    return {
        file.name.removesuffix(".toml"): file
        for folder in FOLDERS
        for file in templates_in(folder).iterdir()
        if file.name.endswith(".toml")
    }


def templates_in(name: str) -> Any:
    """A folder of templates: inside the installed package, beside it in a source tree."""
    installed = resources.files("xlbackprop").joinpath("templates", name)
    return installed if installed.is_dir() else Path(__file__).resolve().parent.parent / "templates" / name
