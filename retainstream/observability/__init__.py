"""How the box tells what it does: metrics, log lines, request ids."""
