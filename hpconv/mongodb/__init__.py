"""A mongod server: find, start, supervise, back up. Knows nothing about trials."""
