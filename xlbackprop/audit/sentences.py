"""A mistake in plain words, with the cells that it is about: `uses a_h1 (J33); dE/dw3 needs a_h2 (L33)`."""

from __future__ import annotations

from xlbackprop.audit.formula import Call, Fixed, Lane, Num, Outside, Tree, leaves
from xlbackprop.audit.naming import Named
from xlbackprop.audit.places import Places
from xlbackprop.audit.repair import Edit
from xlbackprop.audit.roles import Roles


class Sentences:
    def __init__(self, roles: Roles, places: Places) -> None:
        self.roles, self.places = roles, places

    def says(self, named: Named, quantity: str) -> str:
        step = named.steps[0]
        if named.kind == "overwritten-cell":
            return "is overwritten: its formula is not that of the rest of its column"
        if named.kind == "different" or not named.edits:
            return f"is another formula than {quantity} needs"
        return "; ".join(self._edit(edit, kind, step, quantity) for edit, kind in zip(named.edits, named.edit_kinds))

    def _edit(self, edit: Edit, kind: str, step: int, quantity: str) -> str:
        before, after = self._leaf(edit.before, step), self._leaf(edit.after, step)
        often = f" in {edit.times} places" if edit.times > 1 else ""
        match kind:
            case "frozen-reference":
                return f"always uses {before}, whatever the step; it needs {after}"
            case "drifting-rate":
                cure = f"fix it as {self._address(edit.after, step)}"
                return f"uses {before} for the learning rate: the reference moved when it was filled down; {cure}"
            case "wrong-rate":
                return f"multiplies by {before}; the learning rate is in {self._address(edit.after, step)}"
            case "wrong-output" | "wrong-neuron" if edit.how.endswith("unit"):
                return f"takes another unit's values in {self._part(edit.before, step)}; {self._needs(edit, step)}"
            case "updated-weights" if edit.how == "updated":
                what = f"uses weights that are updated already in {self._part(edit.before, step)}"
                return f"{what}; {self._needs(edit, step)}"
            case "updated-weights":
                return f"uses {before} of the next step, which is updated already; it needs {after}"
            case "row-offset":
                return f"uses {before} of another row; it needs {after}"
            case "typed-number":
                return f"has the number {before} typed in; it needs {after}"
            case "sigmoid-sign":
                return "is the sigmoid with the wrong sign: 1/(1+EXP(-z)) needs the minus"
            case "sign":
                return f"has the wrong sign at {self._part(edit.before, step)}{often}"
            case "wrong-operator":
                return f"has {self._part(edit.before, step)} where {self._part(edit.after, step)} belongs{often}"
            case "parentheses":
                return f"has {edit.how}" if "parentheses" in edit.how else "has its parentheses in the wrong place"
            case "lost-half":
                return f"is off by a factor {self._factor(edit)} at {self._part(edit.before, step)}"
            case "mean-for-sum":
                return "takes the mean where the rest of the table takes the sum"
            case "softmax-diagonal":
                return "takes softmax for a function of one variable: p*(1-p) forgets that all outputs share one sum"
            case "log10":
                return "uses LOG, which is to base 10; it needs LN"
            case "minus-square":
                return "squares the minus too: a spreadsheet reads -x^2 as (-x)^2; write -(x^2)"
            case "missing-square":
                return f"leaves out the square of {self._part(edit.before, step)}"
            case "missing-factor" | "missing-mask" | "missing-bias" | "missing-term":
                return f"leaves out {self._added(edit, step)}"
            case "extra-factor" | "extra-term":
                return f"has {self._part(edit.before, step)} where {self._part(edit.after, step)} is enough"
        if edit.how == "reference":
            return f"uses {before}{often}; {quantity} needs {after}"
        return f"has {self._part(edit.before, step)} where {self._part(edit.after, step)} belongs"

    def _needs(self, edit: Edit, step: int) -> str:
        return f"it needs {self._part(edit.after, step)}"

    def _factor(self, edit: Edit) -> str:
        match edit.after:
            case Call("*", (Num(value), _)):
                return f"{1 / value:g}"
        return "2"

    def _added(self, edit: Edit, step: int) -> str:
        """What the right formula has more than the wrong one."""
        match edit.after:
            case Call("*" | "+", (left, right)) if left == edit.before:
                return self._part(right, step)
            case Call("*", (Call("*", (left, first)), second)) if left == edit.before:
                return self._part(Call("*", (first, second)), step)
        return self._part(edit.after, step)

    def _leaf(self, leaf: Tree, step: int) -> str:
        """`a_h1 (J33)`."""
        if not isinstance(leaf, (Lane, Fixed, Outside)):
            return self._part(leaf, step)
        name, address = self.roles.name(leaf), self._address(leaf, step)
        return f"{name} ({address})" if name else address

    def _address(self, leaf: Tree, step: int) -> str:
        return self.places.leaf(leaf, step)

    def _part(self, tree: Tree, step: int) -> str:
        """A part of the formula in its own cells, with the names of a few."""
        text = self.places.formula(tree, 0, step)[1:]
        names = [self._leaf(leaf, step) for leaf in dict.fromkeys(leaves(tree)) if self.roles.name(leaf)]
        if isinstance(tree, (Lane, Fixed, Outside)):
            return self._leaf(tree, step)
        return f"{text} [{', '.join(names)}]" if 0 < len(names) <= 2 else text


def typed_says(kind: str, blank: bool, right: bool) -> str:
    if kind == "typed-constants":
        return "is typed in every row; it should be calculated"
    if kind == "stopped-formulas":
        return "goes on with typed numbers from here on; it should be calculated"
    if blank:
        return "is blank amid a column of formulas"
    return "is a typed number amid a column of formulas" + (", be it the right one" if right else "")
