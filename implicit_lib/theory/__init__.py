"""Regular operators and what they reach: typed formulas, certificates, and the speed limit."""
