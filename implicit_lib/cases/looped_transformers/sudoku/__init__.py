"""Sudoku on 6 × 6 cells for a looped transformer: trained on boards that a few rounds of reasoning fill."""

from implicit_lib.cases._files import WeightsError as WeightsError
from implicit_lib.cases._running import CheckpointError as CheckpointError
from implicit_lib.cases._running import RecipeError as RecipeError
from implicit_lib.cases._running import TrainingInterrupted as TrainingInterrupted

from ._boards import CELLS as CELLS
from ._boards import PEERS as PEERS
from ._boards import SIDE as SIDE
from ._boards import UNITS as UNITS
from ._boards import Boards as Boards
from ._boards import SudokuError as SudokuError
from ._boards import completions as completions
from ._boards import minimal as minimal
from ._boards import parse as parse
from ._boards import relation as relation
from ._boards import rounds as rounds
from ._boards import shallow as shallow
from ._boards import text as text
from ._boards import turned as turned
from ._evaluation import LEVELS as LEVELS
from ._evaluation import levels as levels
from ._evaluation import solved as solved
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
