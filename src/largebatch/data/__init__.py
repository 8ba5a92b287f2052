"""Data sets, downloads, archives, folders of images, splits."""
