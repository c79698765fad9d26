"""Who may enter: accounts, log-ins, browser sessions, API tokens, and the quick look-up of a caller.

Passwords are hashed by the edge before it opens a unit of work; `login.check_password` is the one exception that opens its own short units, because
the slow comparison stands between its read and its write.
"""
