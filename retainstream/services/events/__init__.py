"""Events and statements about subscriptions on their way in: rows, keys, writing, what follows for the customers, and lists of them."""
