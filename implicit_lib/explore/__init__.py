"""Figures that the reader moves: described once, live in a kernel and on the published page."""

from . import palette as palette
from ._controls import Choice as Choice
from ._controls import ControlError as ControlError
from ._controls import Iterations as Iterations
from ._controls import Slider as Slider
from ._explorer import PAGE_FILES as PAGE_FILES
from ._explorer import PAGE_MIME as PAGE_MIME
from ._explorer import Explorer as Explorer
from ._page import LIVE as LIVE
from ._panels import History as History
from ._panels import Now as Now
from ._panels import Panel as Panel
from ._panels import Pictures as Pictures
from ._panels import Readout as Readout
from ._photograph import Photograph as Photograph
from ._reading import Reading as Reading
from ._symbolic import AtProbe as AtProbe
from ._symbolic import Maximum as Maximum
from ._symbolic import SymbolicSystem as SymbolicSystem
from ._symbolic import tangent as tangent
from ._system import System as System
from ._text import Text as Text
from ._torch_system import TorchSystem as TorchSystem
