"""Learning to climb: one-dimensional targets of known Lipschitz constant, and small networks that learn them.

The paper's Figure 1, with targets of this book's own; see `Target`.
"""

from implicit_lib.cases._files import WeightsError as WeightsError
from implicit_lib.cases._files import parameter_count as parameter_count
from implicit_lib.cases._running import CheckpointError as CheckpointError
from implicit_lib.cases._running import TrainingInterrupted as TrainingInterrupted

from ._certificate import Certificate as Certificate
from ._certificate import certify as certify
from ._certificate import speed_limit as speed_limit
from ._comparison import compare as compare
from ._comparison import read_results as read_results
from ._evaluation import Evaluation as Evaluation
from ._evaluation import evaluate as evaluate
from ._evaluation import held_out_points as held_out_points
from ._networks import DeepExplicit as DeepExplicit
from ._networks import Explicit as Explicit
from ._networks import Operator as Operator
from ._networks import flops_per_pass as flops_per_pass
from ._networks import slopes as slopes
from ._recipe import INPUT_SLOPE as INPUT_SLOPE
from ._recipe import MODELS as MODELS
from ._recipe import STATE_RANGE as STATE_RANGE
from ._recipe import STATE_SLOPE as STATE_SLOPE
from ._recipe import TARGETS as TARGETS
from ._recipe import Recipe as Recipe
from ._recipe import recipe as recipe
from ._targets import Target as Target
from ._targets import grid as grid
from ._targets import least_error as least_error
from ._training import Trained as Trained
from ._training import data_hash as data_hash
from ._training import train as train
from ._training import training_data as training_data
from ._views import Climb as Climb
from ._views import climb as climb
from ._weights import load as load
from ._weights import read_card as read_card
from ._weights import train_and_write as train_and_write
