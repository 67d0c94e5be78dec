"""Regular operators and what they reach: typed formulas, certificates, and the speed limit."""

from implicit_lib.theory._domain import Axis as Axis
from implicit_lib.theory._domain import Domain as Domain
from implicit_lib.theory._enclosure import Enclosure as Enclosure
from implicit_lib.theory._enclosure import enclose as enclose
from implicit_lib.theory._formula import Formula as Formula
from implicit_lib.theory._formula import parse as parse
from implicit_lib.theory._jets import Singularity as Singularity
from implicit_lib.theory._radius import LipschitzRadius as LipschitzRadius
from implicit_lib.theory._ranges import derivative_range as derivative_range
from implicit_lib.theory._ranges import value_range as value_range
from implicit_lib.theory._reaching import NotReached as NotReached
from implicit_lib.theory._reaching import RegularOperator as RegularOperator
from implicit_lib.theory._regular import Regularity as Regularity
from implicit_lib.theory._regular import check_regular as check_regular
from implicit_lib.theory._report import Figure as Figure
from implicit_lib.theory._report import RegularityReport as RegularityReport
from implicit_lib.theory._report import regularity_report as regularity_report
from implicit_lib.theory._speed import bounded_speed_limit as bounded_speed_limit
from implicit_lib.theory._speed import least_iterations as least_iterations
from implicit_lib.theory._speed import speed_limit as speed_limit
from implicit_lib.theory._speed import unbounded_speed_limit as unbounded_speed_limit
from implicit_lib.theory._step_size import check_step_size as check_step_size
from implicit_lib.theory._tokens import FormulaError as FormulaError
from implicit_lib.theory._verdict import Verdict as Verdict
