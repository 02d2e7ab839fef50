"""The embedded default: servers, and the generator of people."""
