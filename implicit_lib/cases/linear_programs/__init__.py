"""Linear programs: a graph network that walks to their solutions, against one that answers in a single pass.

The paper's Section 3.3 and Table 1, on data of the same distribution; where the training differs, `Recipe` says so.
"""

from implicit_lib.cases._files import WeightsError as WeightsError
from implicit_lib.cases._files import parameter_count as parameter_count
from implicit_lib.cases._running import CheckpointError as CheckpointError
from implicit_lib.cases._running import TrainingInterrupted as TrainingInterrupted

from ._comparison import SOME as SOME
from ._comparison import TWICE as TWICE
from ._comparison import compare as compare
from ._comparison import pass_flops as pass_flops
from ._comparison import primal_dual_flops as primal_dual_flops
from ._comparison import read_results as read_results
from ._comparison import shipped as shipped
from ._comparison import true_sensitivity as true_sensitivity
from ._evaluation import FIELDS as FIELDS
from ._evaluation import errors as errors
from ._evaluation import moduli as moduli
from ._evaluation import perturbation as perturbation
from ._evaluation import relative_error as relative_error
from ._evaluation import sensitivity as sensitivity
from ._instances import Instances as Instances
from ._instances import Size as Size
from ._instances import draw as draw
from ._instances import generate as generate
from ._instances import held_out_instances as held_out_instances
from ._instances import training_instances as training_instances
from ._networks import BOOK_UNITS as BOOK_UNITS
from ._networks import FARTHEST_BOUND as FARTHEST_BOUND
from ._networks import PAPER_UNITS as PAPER_UNITS
from ._networks import ExplicitGNN as ExplicitGNN
from ._networks import ImplicitGNN as ImplicitGNN
from ._networks import Operator as Operator
from ._networks import Units as Units
from ._optimum import optimum as optimum
from ._primal_dual import primal_dual as primal_dual
from ._program import LinearProgram as LinearProgram
from ._program import LinearProgramError as LinearProgramError
from ._recipe import EMBEDDINGS as EMBEDDINGS
from ._recipe import MODELS as MODELS
from ._recipe import Contraction as Contraction
from ._recipe import Phase as Phase
from ._recipe import Recipe as Recipe
from ._recipe import recipe as recipe
from ._training import Trained as Trained
from ._training import train as train
from ._typed import parse as parse
from ._typed_walk import ARRAYS as ARRAYS
from ._typed_walk import program_text as program_text
from ._typed_walk import read_program as read_program
from ._typed_walk import typed_walk as typed_walk
from ._views import Perturbed as Perturbed
from ._views import Walk as Walk
from ._views import perturbed as perturbed
from ._views import touchiest_cost as touchiest_cost
from ._views import walk as walk
from ._weights import WEIGHTS as WEIGHTS
from ._weights import load as load
from ._weights import metrics as metrics
from ._weights import read_card as read_card
from ._weights import train_and_write as train_and_write
