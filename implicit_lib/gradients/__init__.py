"""How to differentiate through an equilibrium: objects that know nothing of the solver that found it."""

from implicit_lib.gradients._adjoint import AdjointReport as AdjointReport
from implicit_lib.gradients._gradient import Gradient as Gradient
from implicit_lib.gradients._implicit import ImplicitGradient as ImplicitGradient
from implicit_lib.gradients._jacobian_free import JacobianFreeGradient as JacobianFreeGradient
from implicit_lib.gradients._phantom import PhantomGradient as PhantomGradient
from implicit_lib.gradients._unrolled import UnrolledGradient as UnrolledGradient
