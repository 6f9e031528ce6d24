"""Warnings: what does not make the mathematics wrong, but misleads who reads the sheet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xlbackprop.audit.report import Warning

if TYPE_CHECKING:
    from xlbackprop.audit.auditing import TableAudit


def table_warnings(audit: TableAudit) -> list[Warning]:
    return []
