"""What the user wrote: a network file, checked and completed into one frozen `Spec` that both tellings read.

Names that the file leaves out are given here, once, for both sides of the project: inputs i1,
i2, ...; hidden units h1, h2, ... through all dense layers; outputs o1, ...; weights w1, w2, ...
row by row through all layers; biases b1, ...; targets t1, .... What is calculated from a
quantity is named by the functions of `names`.
"""

from xlbackprop.spec.layers import Dense as Dense
from xlbackprop.spec.names import (
    activation_name as activation_name,
)
from xlbackprop.spec.names import (
    canonical as canonical,
)
from xlbackprop.spec.names import (
    delta_name as delta_name,
)
from xlbackprop.spec.names import (
    error_name as error_name,
)
from xlbackprop.spec.names import (
    gradient_name as gradient_name,
)
from xlbackprop.spec.names import (
    local_name as local_name,
)
from xlbackprop.spec.names import (
    total_error as total_error,
)
from xlbackprop.spec.names import (
    updated_name as updated_name,
)
from xlbackprop.spec.network import Sample as Sample
from xlbackprop.spec.network import Spec as Spec
from xlbackprop.spec.network import checked as checked
from xlbackprop.spec.network import override as override
from xlbackprop.spec.shapes import Names as Names
from xlbackprop.spec.toml import dumps as dumps
from xlbackprop.spec.toml import load as load
from xlbackprop.spec.toml import loads as loads
