"""Every complaint the program makes of what it is given, as one small tree.

XlbackpropError          place, fact, cure, in one line; the command line exits with 2
├── NetworkError         a network file, or an option that changes it
├── WorkbookError        a workbook that cannot be read, or holds no table of ours
├── EngineError          a calculator that is missing, hangs, or did not recalculate
├── OutputError          a file that cannot be written
└── ClusterError         a Dask cluster that cannot be reached, or is lost
"""

from __future__ import annotations

_LONGEST = 1000  # characters; of a longer complaint the middle is left out, because the cure is at its end


class XlbackpropError(Exception):
    """Something the user can mend; str() is one line that says where, what, and the cure.

    What files give for names and values may hold anything, such as line ends, and a screen's commands.
    """

    def __str__(self) -> str:
        line = "".join(one if one.isprintable() else " " for one in super().__str__())
        return line if len(line) <= _LONGEST else f"{line[: _LONGEST * 2 // 3]} ... {line[-_LONGEST // 4 :]}"


class NetworkError(XlbackpropError):
    pass


class WorkbookError(XlbackpropError):
    pass


class EngineError(XlbackpropError):
    pass


class OutputError(XlbackpropError):
    pass


class ClusterError(XlbackpropError):
    pass
