"""Small studies of what textbooks say of gradient descent; they train no arm."""
