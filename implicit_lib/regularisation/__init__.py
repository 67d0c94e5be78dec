"""What keeps an operator contractive: a penalty on its Jacobian, bounds on its layers, a layer that is monotone."""

from implicit_lib.regularisation._jacobian_norm import jacobian_norm as jacobian_norm
from implicit_lib.regularisation._jacobian_penalty import jacobian_penalty as jacobian_penalty
from implicit_lib.regularisation._monotone import MonotoneLinear as MonotoneLinear
from implicit_lib.regularisation._spectral import bound_spectral_norm as bound_spectral_norm
from implicit_lib.regularisation._spectral import certified_norm as certified_norm
