"""Rolling a harmless-looking agent out to every node, and getting rid of it again."""
