"""One module per kind of platform."""
