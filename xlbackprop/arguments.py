"""What is typed on the command line, beside names and numbers: lists of rates, and places of quantities."""

from __future__ import annotations

from typing import Any

import click


class Rates(click.ParamType):  # type: ignore[type-arg, unused-ignore]
    name = "rates"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[float, ...]:
        try:
            return tuple(float(part) for part in value.split(","))
        except ValueError:
            self.fail(f"{value!r} is not a list of numbers; write them as 0.1,0.2", param, ctx)


class Place(click.ParamType):  # type: ignore[type-arg, unused-ignore]
    name = "quantity=column"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        quantity, equals, place = value.partition("=")
        if not (quantity.strip() and equals and place.strip()):
            self.fail(f'{value!r} is not a quantity and its column; write --map "w1=E"', param, ctx)
        return quantity.strip(), place.strip()
