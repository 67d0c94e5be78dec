"""Looped transformers: one block applied again and again, from a small one trained here to Huginn-0125."""
