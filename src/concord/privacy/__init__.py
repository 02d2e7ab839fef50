"""Duties towards a person: consent, suppression, erasure."""
