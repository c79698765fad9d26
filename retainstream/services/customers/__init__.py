"""Customers: finding, reading, changing, exporting and erasing them. Loading many is `services.imports`."""
