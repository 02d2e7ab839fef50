"""The thin edges: one module per step."""
