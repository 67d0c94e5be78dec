"""What a forced bound costs: one small operator network, its contraction bounded below by 1/K or left adaptive."""

from implicit_lib.cases._files import WeightsError as WeightsError

from ._floor import least_error as least_error
from ._operator import Operator as Operator
from ._operator import move as move
from ._operator import plain as plain
from ._recipe import FLOORS as FLOORS
from ._recipe import INPUT_SLOPE as INPUT_SLOPE
from ._recipe import TARGETS as TARGETS
from ._recipe import Recipe as Recipe
from ._recipe import Target as Target
from ._training import evaluate as evaluate
from ._training import train as train
from ._weights import load as load
from ._weights import read_card as read_card
