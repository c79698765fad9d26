"""Importing a flat table: mapping, profile, proposal, warnings and casting (pure), and writing what was cast."""
