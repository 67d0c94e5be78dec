"""How steep an iterate is in its input, how contractive an operator is in its state, how fast Picard iteration is."""

from implicit_lib.lipschitz._effective import effective_lipschitz as effective_lipschitz
from implicit_lib.lipschitz._estimate import EigenvalueEstimate as EigenvalueEstimate
from implicit_lib.lipschitz._estimate import Estimate as Estimate
from implicit_lib.lipschitz._jacobian import contraction_modulus as contraction_modulus
from implicit_lib.lipschitz._jacobian import local_lipschitz as local_lipschitz
from implicit_lib.lipschitz._jacobian import spectral_radius as spectral_radius
