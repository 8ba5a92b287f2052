"""Models, and the layers that train several seeds at once."""
