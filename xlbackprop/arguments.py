"""What is typed on the command line, beside names and numbers, and the options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import click

STYLES = click.Choice(["class", "delta"])
LAYOUTS = click.Choice(["rows", "matrix"])
LEVELS = click.Choice(["worked", "scaffolded", "blank"])
GROUPS = ("forward", "backward", "update")


class Rates(click.ParamType):  # type: ignore[type-arg, unused-ignore]
    name = "rates"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[float, ...]:
        try:
            return tuple(float(part) for part in value.split(","))
        except ValueError:
            self.fail(f"{value!r} is not a list of numbers; write them as 0.1,0.2", param, ctx)


class Groups(click.ParamType):  # type: ignore[type-arg, unused-ignore]
    name = "groups"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        groups = tuple(part.strip() for part in value.split(","))
        for one in groups:
            if one not in GROUPS:
                self.fail(f"{one!r} is not a group of cells; known are {', '.join(GROUPS)}", param, ctx)
        return groups


class Place(click.ParamType):  # type: ignore[type-arg, unused-ignore]
    name = "quantity=column"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        quantity, equals, place = value.partition("=")
        if not (quantity.strip() and equals and place.strip()):
            self.fail(f'{value!r} is not a quantity and its column; write --map "w1=E"', param, ctx)
        return quantity.strip(), place.strip()


def of_network(command: Callable[..., None]) -> Callable[..., None]:
    """The argument and the options that say which network."""
    for decorator in (
        click.option("--layout", type=LAYOUTS, help="A row for each sample, or matrices as people draw them on paper."),
        click.option("--style", type=STYLES, help="Closed-form gradients, or deltas in columns of their own."),
        click.option("--steps", type=int, help="How many updates."),
        click.option("--rates", type=Rates(), help="Learning rates, such as 0.1,0.2."),
        click.argument("network", default="era-s6"),
    ):
        command = decorator(command)
    return command


def of_worksheet(command: Callable[..., None]) -> Callable[..., None]:
    """The options that make a worksheet to be filled."""
    for decorator in (
        click.option("--leave", type=Groups(), help=f"What is left to fill, of {','.join(GROUPS)}; all if left out."),
        click.option("--level", type=LEVELS, help="All formulas, their chain in words, or cells to be filled."),
    ):
        command = decorator(command)
    return command


def of_bounds(command: Callable[..., None]) -> Callable[..., None]:
    """The options that say what a file may cost, which may be anybody's, as `limits`."""

    @wraps(command)
    def bounded(*, limit_seconds: float, limit_megabytes: int, **others: Any) -> None:
        from xlbackprop.crowd import Limits

        command(limits=Limits(limit_seconds, limit_megabytes), **others)

    for name, default, what in (("megabytes", 2048, "memory"), ("seconds", 120.0, "time")):
        says = f"The most {what} that a file may take."
        bounded = click.option(f"--limit-{name}", default=default, show_default=True, help=says)(bounded)
    return bounded
