"""Telling from outside what of an API server is saturated: asked, summed up as evidence, judged by a table of rules."""
