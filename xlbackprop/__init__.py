"""xlbackprop: hand backpropagation in spreadsheets, generated and verified.

The commands are functions here too:

    from xlbackprop import build, load, plot, run, verify
    report = run("era-s6", folder="output")

Each is imported when it is first used, so that `import xlbackprop` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from xlbackprop.audit.report import Audit as Audit
    from xlbackprop.bring.readback import save_weights as save_weights
    from xlbackprop.bring.readback import trained_weights as trained_weights
    from xlbackprop.bring.torch_models import from_torch as from_torch
    from xlbackprop.bring.weights import with_weights as with_weights
    from xlbackprop.checking import verify as verify
    from xlbackprop.errors import EngineError as EngineError
    from xlbackprop.errors import NetworkError as NetworkError
    from xlbackprop.errors import OutputError as OutputError
    from xlbackprop.errors import WorkbookError as WorkbookError
    from xlbackprop.errors import XlbackpropError as XlbackpropError
    from xlbackprop.explanation import Explanation as Explanation
    from xlbackprop.explanation import explain as explain
    from xlbackprop.graph.listing import ops as ops
    from xlbackprop.job import Summary as Summary
    from xlbackprop.job import run as run
    from xlbackprop.kinds import build as build
    from xlbackprop.kinds import plot as plot
    from xlbackprop.networks import load as load
    from xlbackprop.networks import templates as templates
    from xlbackprop.show.observations import Observation as Observation
    from xlbackprop.show.observations import observations as observations
    from xlbackprop.show.readme import readme as readme
    from xlbackprop.show.screenshots import screenshot as screenshot
    from xlbackprop.spec import Spec as Spec
    from xlbackprop.verification import Report as Report

__version__ = "0.5.0"

_HOMES = {
    "Audit": "audit.report",
    "EngineError": "errors",
    "Explanation": "explanation",
    "NetworkError": "errors",
    "Observation": "show.observations",
    "OutputError": "errors",
    "Report": "verification",
    "Spec": "spec",
    "Summary": "job",
    "WorkbookError": "errors",
    "XlbackpropError": "errors",
    "build": "kinds",
    "explain": "explanation",
    "from_torch": "bring.torch_models",
    "load": "networks",
    "observations": "show.observations",
    "ops": "graph.listing",
    "plot": "kinds",
    "readme": "show.readme",
    "run": "job",
    "save_weights": "bring.readback",
    "screenshot": "show.screenshots",
    "templates": "networks",
    "trained_weights": "bring.readback",
    "verify": "checking",
    "with_weights": "bring.weights",
}
__all__ = [*_HOMES, "__version__"]  # noqa: PLE0604, the keys are text


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'xlbackprop' has no attribute {name!r}")
    return getattr(import_module(f"xlbackprop.{_HOMES[name]}"), name)
