"""Regular operators and what they reach: typed formulas, certificates, and the speed limit."""

from ._speed import bounded_speed_limit as bounded_speed_limit
from ._speed import least_iterations as least_iterations
from ._speed import speed_limit as speed_limit
from ._speed import unbounded_speed_limit as unbounded_speed_limit
