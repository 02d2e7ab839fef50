"""Commit records told to the world as OpenLineage."""
