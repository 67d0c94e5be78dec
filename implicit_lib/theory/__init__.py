"""Regular operators and what they reach: typed formulas, certificates, and the speed limit."""

from implicit_lib.theory._formula import Formula as Formula
from implicit_lib.theory._formula import parse as parse
from implicit_lib.theory._tokens import FormulaError as FormulaError
