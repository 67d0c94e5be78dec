"""Implicit models: fixed-point solvers, gradients through an equilibrium, and their Lipschitz constants."""

from implicit_lib.gradients import AdjointReport as AdjointReport
from implicit_lib.gradients import Gradient as Gradient
from implicit_lib.gradients import ImplicitGradient as ImplicitGradient
from implicit_lib.gradients import JacobianFreeGradient as JacobianFreeGradient
from implicit_lib.gradients import PhantomGradient as PhantomGradient
from implicit_lib.gradients import UnrolledGradient as UnrolledGradient
from implicit_lib.lipschitz import EigenvalueEstimate as EigenvalueEstimate
from implicit_lib.lipschitz import Estimate as Estimate
from implicit_lib.lipschitz import contraction_modulus as contraction_modulus
from implicit_lib.lipschitz import effective_lipschitz as effective_lipschitz
from implicit_lib.lipschitz import local_lipschitz as local_lipschitz
from implicit_lib.lipschitz import spectral_radius as spectral_radius
from implicit_lib.model import ImplicitModel as ImplicitModel
from implicit_lib.regularisation import MonotoneLinear as MonotoneLinear
from implicit_lib.regularisation import bound_spectral_norm as bound_spectral_norm
from implicit_lib.regularisation import certified_norm as certified_norm
from implicit_lib.regularisation import jacobian_norm as jacobian_norm
from implicit_lib.regularisation import jacobian_penalty as jacobian_penalty
from implicit_lib.solvers import Anderson as Anderson
from implicit_lib.solvers import Broyden as Broyden
from implicit_lib.solvers import ConvergenceWarning as ConvergenceWarning
from implicit_lib.solvers import Evaluation as Evaluation
from implicit_lib.solvers import NewtonKrylov as NewtonKrylov
from implicit_lib.solvers import Picard as Picard
from implicit_lib.solvers import Report as Report
from implicit_lib.solvers import Solution as Solution
from implicit_lib.solvers import SolveInterrupted as SolveInterrupted
from implicit_lib.solvers import Solver as Solver
from implicit_lib.solvers import Status as Status
from implicit_lib.solvers import solve as solve

__version__ = "0.1.0"
