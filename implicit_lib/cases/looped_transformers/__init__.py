"""Looped transformers: a few blocks that are iterated until every token's answer rests.

The paper's Section 3.4, on a model that is trained here: assignment chains, solved by iteration. The paper's own model
is in `huginn`.
"""

from implicit_lib.cases._files import WeightsError as WeightsError
from implicit_lib.cases._files import parameter_count as parameter_count
from implicit_lib.cases._running import CheckpointError as CheckpointError
from implicit_lib.cases._running import RecipeError as RecipeError
from implicit_lib.cases._running import TrainingInterrupted as TrainingInterrupted

from ._chains import NAMES as NAMES
from ._chains import VALUES as VALUES
from ._chains import ChainError as ChainError
from ._chains import Chains as Chains
from ._chains import draw as draw
from ._chains import flipped as flipped
from ._chains import name_text as name_text
from ._chains import parse as parse
from ._chains import text as text
from ._evaluation import Halted as Halted
from ._evaluation import Separation as Separation
from ._evaluation import accuracy as accuracy
from ._evaluation import contexts_of as contexts_of
from ._evaluation import halted as halted
from ._evaluation import rests as rests
from ._evaluation import separation as separation
from ._evaluation import walked as walked
from ._networks import ExplicitTransformer as ExplicitTransformer
from ._networks import LoopedTransformer as LoopedTransformer
from ._networks import Size as Size
from ._networks import Transformer as Transformer
from ._recipe import DEEP as DEEP
from ._recipe import MODELS as MODELS
from ._recipe import PRESETS as PRESETS
from ._recipe import Recipe as Recipe
from ._recipe import recipe as recipe
from ._training import Trained as Trained
from ._training import train as train
from ._views import walks as walks
from ._weights import WEIGHTS as WEIGHTS
from ._weights import load as load
from ._weights import metrics as metrics
from ._weights import read_card as read_card
from ._weights import train_and_write as train_and_write
