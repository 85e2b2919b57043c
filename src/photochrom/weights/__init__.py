"""Weights files, as package data."""
