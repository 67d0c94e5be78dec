"""Linear programs: a graph network that walks to their solutions, against one that answers in a single pass.

The paper's Section 3.3 and Table 1, on data of the same distribution; where the training differs, `Recipe` says so.
"""

from ._instances import FIELDS as FIELDS
from ._instances import Instances as Instances
from ._instances import Size as Size
from ._instances import draw as draw
from ._instances import generate as generate
from ._instances import held_out_instances as held_out_instances
from ._instances import training_instances as training_instances
from ._networks import BOUND_UNIT as BOUND_UNIT
from ._networks import COST_UNIT as COST_UNIT
from ._networks import FARTHEST_BOUND as FARTHEST_BOUND
from ._networks import SOLUTION_UNIT as SOLUTION_UNIT
from ._networks import ExplicitGNN as ExplicitGNN
from ._networks import ImplicitGNN as ImplicitGNN
from ._networks import Operator as Operator
from ._optimum import optimum as optimum
from ._program import LinearProgram as LinearProgram
from ._program import LinearProgramError as LinearProgramError
