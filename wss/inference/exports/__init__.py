"""Exported networks: graphs that take images and return labels, outside of this program."""
