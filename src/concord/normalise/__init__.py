"""The declared mapping between native fields and canonical columns, made executable."""
