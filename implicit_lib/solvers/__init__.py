"""Fixed-point solvers: settings objects, one solve loop, and the solution it returns."""

from implicit_lib.solvers._anderson import Anderson as Anderson
from implicit_lib.solvers._broyden import Broyden as Broyden
from implicit_lib.solvers._newton import NewtonKrylov as NewtonKrylov
from implicit_lib.solvers._picard import Picard as Picard
from implicit_lib.solvers._solution import ConvergenceWarning as ConvergenceWarning
from implicit_lib.solvers._solution import Report as Report
from implicit_lib.solvers._solution import Solution as Solution
from implicit_lib.solvers._solution import SolveInterrupted as SolveInterrupted
from implicit_lib.solvers._solution import Status as Status
from implicit_lib.solvers._solve import solve as solve
from implicit_lib.solvers._solver import Evaluation as Evaluation
from implicit_lib.solvers._solver import Solver as Solver
