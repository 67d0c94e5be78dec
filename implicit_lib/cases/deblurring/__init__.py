"""Image deblurring: a blurred, noisy photograph sharpened by walking to an equilibrium, against a single pass.

The paper's Section 3.1, on photographs and a kernel of this book's own.
"""

from implicit_lib.cases._files import WeightsError as WeightsError
from implicit_lib.cases._files import parameter_count as parameter_count
from implicit_lib.cases._running import CheckpointError as CheckpointError
from implicit_lib.cases._running import TrainingInterrupted as TrainingInterrupted

from ._blur import Blur as Blur
from ._blur import filtered as filtered
from ._blur import observe as observe
from ._classical import total_variation as total_variation
from ._classical import wiener as wiener
from ._evaluation import QUANTILES as QUANTILES
from ._evaluation import Limit as Limit
from ._evaluation import Observed as Observed
from ._evaluation import Quality as Quality
from ._evaluation import held_out as held_out
from ._evaluation import iterates as iterates
from ._evaluation import moduli as moduli
from ._evaluation import perturbations as perturbations
from ._evaluation import psnr as psnr
from ._evaluation import quality as quality
from ._evaluation import sensitivity as sensitivity
from ._evaluation import speed_limit as speed_limit
from ._evaluation import ssim as ssim
from ._kernels import KernelError as KernelError
from ._kernels import camera_shake as camera_shake
from ._kernels import gaussian as gaussian
from ._kernels import read_kernel as read_kernel
from ._networks import LONGEST_STEP as LONGEST_STEP
from ._networks import Deblurring as Deblurring
from ._networks import Denoiser as Denoiser
from ._networks import Explicit as Explicit
from ._networks import HalfQuadratic as HalfQuadratic
from ._networks import ProximalGradient as ProximalGradient
from ._networks import Size as Size
from ._networks import Unfolded as Unfolded
from ._photographs import NAMES as NAMES
from ._photographs import held_out_crops as held_out_crops
from ._photographs import photographs as photographs
from ._photographs import training_tiles as training_tiles
from ._recipe import MODELS as MODELS
from ._recipe import SIGMA as SIGMA
from ._recipe import SMALL as SMALL
from ._recipe import Contraction as Contraction
from ._recipe import ModelName as ModelName
from ._recipe import Recipe as Recipe
from ._recipe import Replay as Replay
from ._recipe import recipe as recipe
from ._training import Trained as Trained
from ._training import train as train
from ._upload import PhotographError as PhotographError
from ._upload import read_photograph as read_photograph
from ._views import Walk as Walk
from ._views import walks as walks
from ._weights import WEIGHTS as WEIGHTS
from ._weights import load as load
from ._weights import metrics as metrics
from ._weights import read_card as read_card
from ._weights import train_and_write as train_and_write
