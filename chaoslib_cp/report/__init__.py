"""Results as something to read. Pure: text in, text out."""
