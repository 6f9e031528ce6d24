"""Every complaint the program makes of what it is given, as one small tree.

XlbackpropError          place, fact, cure, in one line; the command line exits with 2
├── NetworkError         a network file, or an option that changes it
├── WorkbookError        a workbook that cannot be read, or holds no table of ours
├── EngineError          a calculator that is missing, hangs, or did not recalculate
├── OutputError          a file that cannot be written
└── ClusterError         a Dask cluster that cannot be reached, or is lost
"""

from __future__ import annotations


class XlbackpropError(Exception):
    """Something the user can mend; str() is one line that says where, what, and the cure."""


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
