"""Small studies of the textbook's statements, which train no arm."""
