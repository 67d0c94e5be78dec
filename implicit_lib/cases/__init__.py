"""The case studies: each its data, model, training recipe and evaluation, with the trained weights beside them."""
