"""Pure rules and crypto of access; no database, no Flask."""
