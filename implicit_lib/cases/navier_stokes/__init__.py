"""Steady Navier–Stokes flow on a periodic square: from the forcing to the vorticity.

The paper's Section 3.2, on flows of this book's own.
"""

from implicit_lib.cases._files import WeightsError as WeightsError
from implicit_lib.cases._files import parameter_count as parameter_count
from implicit_lib.cases._running import CheckpointError as CheckpointError
from implicit_lib.cases._running import TrainingInterrupted as TrainingInterrupted

from ._data import held_out_flows as held_out_flows
from ._data import training_flows as training_flows
from ._evaluation import Quality as Quality
from ._evaluation import iterates as iterates
from ._evaluation import quality as quality
from ._evaluation import sensitivity as sensitivity
from ._evaluation import slope as slope
from ._flow import Flow as Flow
from ._flow import ForcingError as ForcingError
from ._flows import Flows as Flows
from ._flows import draw as draw
from ._flows import generate as generate
from ._flows import posed as posed
from ._fourier import FourierLayer as FourierLayer
from ._networks import BOOK_UNITS as BOOK_UNITS
from ._networks import ExplicitFNO as ExplicitFNO
from ._networks import FNOSize as FNOSize
from ._networks import ImplicitFNO as ImplicitFNO
from ._networks import Units as Units
from ._recipe import MODELS as MODELS
from ._recipe import ModelName as ModelName
from ._recipe import Recipe as Recipe
from ._recipe import Replay as Replay
from ._recipe import recipe as recipe
from ._steady import SteadyFlow as SteadyFlow
from ._steady import newton_krylov as newton_krylov
from ._steady import pseudo_time as pseudo_time
from ._torus import Torus as Torus
from ._training import Trained as Trained
from ._training import relative_error as relative_error
from ._training import train as train
from ._weights import WEIGHTS as WEIGHTS
from ._weights import load as load
from ._weights import read_card as read_card
from ._weights import train_and_write as train_and_write
