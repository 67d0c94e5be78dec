"""Type your own F: the figure of a typed function, with the certificate that its iteration reaches it."""

from ._answer import Answer as Answer
from ._answer import answer as answer
from ._figure import figure_of as figure_of
from ._presets import PRESETS as PRESETS
from ._presets import Preset as Preset
from ._typed import TYPED_MIME as TYPED_MIME
from ._typed import TypedFunction as TypedFunction
