"""Huginn-0125: a looped transformer of 3.5 billion parameters, and the paper's experiment on it.

The paper's Table 2 and Figure 9, with weights that are loaded by name, and without their authors' code.
"""

from implicit_lib.cases._files import WeightsError as WeightsError
from implicit_lib.cases._running import CheckpointError as CheckpointError
from implicit_lib.cases._running import MissingPackageError as MissingPackageError
from implicit_lib.cases._running import RecipeError as RecipeError
from implicit_lib.cases._running import TrainingInterrupted as TrainingInterrupted

from ._cache import Cache as Cache
from ._config import HuginnConfig as HuginnConfig
from ._distance import word_distance as word_distance
from ._experiment import Settings as Settings
from ._experiment import measure as measure
from ._generation import generate as generate
from ._hub import REPOSITORY as REPOSITORY
from ._hub import REVISION as REVISION
from ._hub import UnreachableError as UnreachableError
from ._hub import download as download
from ._model import Huginn as Huginn
from ._model import initial_state as initial_state
from ._model import random_model as random_model
from ._pairs import contrast_pairs as contrast_pairs
from ._text import ByteTokenizer as ByteTokenizer
from ._text import PublishedTokenizer as PublishedTokenizer
from ._text import Tokenizer as Tokenizer
from ._weights import default_dtype as default_dtype
from ._weights import load as load
