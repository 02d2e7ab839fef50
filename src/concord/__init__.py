"""Concord: contact-sync pipelines that data people can trust."""
