"""Image deblurring: a blurred, noisy photograph sharpened by walking to an equilibrium, against a single pass.

The paper's Section 3.1, on photographs and a kernel of this book's own.
"""

from ._blur import Blur as Blur
from ._blur import observe as observe
from ._kernels import KernelError as KernelError
from ._kernels import camera_shake as camera_shake
from ._kernels import gaussian as gaussian
from ._kernels import read_kernel as read_kernel
from ._photographs import NAMES as NAMES
from ._photographs import held_out_crops as held_out_crops
from ._photographs import photographs as photographs
from ._photographs import training_tiles as training_tiles
from ._upload import PhotographError as PhotographError
from ._upload import read_photograph as read_photograph
